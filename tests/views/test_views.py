"""What the views promise, over a memory store with rows as a runner writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from milepost.errors import UnknownRunError
from milepost.kernel.lock import try_acquire
from milepost.kernel.sessions import new_session
from milepost.model.rows import DecisionRow, EventRow, ResultRow, RunRow, SessionRow, StageRow, StepRow
from milepost.model.status import ProcessingStatus, RunState, StageState
from milepost.process.finding import find_run
from milepost.store.memory import MemoryStore
from milepost.views.items import FAILED, error_family, group_failures, list_items
from milepost.views.runs import list_runs, run_detail
from milepost.views.view import to_json
from milepost.views.watch import Watch, continuation

BEGUN = 1_700_000_000.0


def run_row(name: str = "brisk-otter", **more: Any) -> RunRow:
    given: dict[str, Any] = {"id": f"id-{name}", "process": "sales", "decisions_hash": "d", "created": BEGUN}
    return RunRow(name=name, **(given | more))


def session_row(run: RunRow, **more: Any) -> SessionRow:
    session = new_session()
    given = {"run": run.id, "epoch": run.epoch, "started": BEGUN, "beat": BEGUN + 5}
    return msgspec.structs.replace(session, **(given | more))


def stage_row(run: RunRow, stage: str, state: StageState, position: int = 0, **more: Any) -> StageRow:
    given: dict[str, Any] = {"epoch": run.epoch, "process": run.process}
    return StageRow(run=run.id, stage=stage, state=state, position=position, **(given | more))


def step(run: RunRow, item: str, status: ProcessingStatus, attempt: int = 1, **more: Any) -> StepRow:
    given: dict[str, Any] = {"step": "score", "at": BEGUN}
    return StepRow(run=run.id, item=item, status=status, attempt=attempt, **(given | more))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_a_run_whose_session_died_reads_interrupted_with_its_cause_at_once(store: MemoryStore, tmp_path: Path) -> None:
    """Nobody has to write it down first; its running stage reads so too, and its time ends at the last beat."""
    run = run_row()
    store.write([run, session_row(run), stage_row(run, "clean", StageState.RUNNING, items_total=10, items_done=4)])
    detail = run_detail(store, run, tmp_path, now=BEGUN + 1000)
    assert detail.run.state is RunState.INTERRUPTED
    assert detail.run.cause
    assert detail.stages[0].state is StageState.INTERRUPTED
    assert detail.run.seconds == 5.0
    assert detail.sessions[0].end is RunState.INTERRUPTED


def test_a_run_whose_lock_is_held_is_running_and_its_time_goes_on(store: MemoryStore, tmp_path: Path) -> None:
    """The owner's lock tells."""
    run = run_row()
    store.write([run, session_row(run)])
    lock = try_acquire(tmp_path / f"{run.id}.lock")
    assert lock is not None
    try:
        (line,) = list_runs(store, tmp_path, now=BEGUN + 100)
    finally:
        lock.release()
    assert line.state is RunState.RUNNING
    assert line.seconds == 100.0


def test_runs_are_listed_newest_first_and_filtered_by_what_is_seen_now(store: MemoryStore, tmp_path: Path) -> None:
    """A dead run is found under `interrupted`, though `running` is what was written."""
    old = run_row("old-elk", state=RunState.COMPLETED, ended=BEGUN + 9)
    dead = run_row("dead-owl", created=BEGUN + 10)
    store.write([old, session_row(old, ended=BEGUN + 9, end=RunState.COMPLETED), dead, session_row(dead)])
    assert [line.name for line in list_runs(store, tmp_path, now=BEGUN + 99)] == ["dead-owl", "old-elk"]
    found = list_runs(store, tmp_path, now=BEGUN + 99, state=RunState.INTERRUPTED)
    assert [line.name for line in found] == ["dead-owl"]
    assert list_runs(store, tmp_path, now=BEGUN + 99, process="other") == []
    assert len(list_runs(store, tmp_path, now=BEGUN + 99, limit=1)) == 1


def test_a_session_that_ended_before_a_stage_says_nothing_about_it(store: MemoryStore, tmp_path: Path) -> None:
    """Session 1 completed `clean`, session 2 died while it was still pending there: it is completed."""
    run = run_row(epoch=2, state=RunState.FAILED)
    store.write([
        run,
        stage_row(run, "clean", StageState.COMPLETED, epoch=1, seconds=2.0),
        stage_row(run, "clean", StageState.PENDING, epoch=2),
    ])  # fmt: skip
    assert run_detail(store, run, tmp_path, now=BEGUN).stages[0].state is StageState.COMPLETED


def test_items_of_a_killed_stage_are_counted_in_the_ledger(store: MemoryStore, tmp_path: Path) -> None:
    """The row said 2 of 5 when it was last written; the ledger has 3 done and one failed."""
    run = run_row()
    done = [step(run, str(item), ProcessingStatus.SUCCESS) for item in range(3)]
    store.write([
        run, session_row(run),
        stage_row(run, "score", StageState.RUNNING, key="f1:2", items_total=5, items_done=2),
        *done, step(run, "9", ProcessingStatus.FAILED, error="ValueError: no"),
    ])  # fmt: skip
    seen = run_detail(store, run, tmp_path, now=BEGUN)
    assert (seen.run.items_done, seen.run.items_failed) == (3, 1)
    assert list_runs(store, tmp_path, now=BEGUN)[0].items_failed == 1


def test_what_a_killed_stage_said_of_fewer_failures_than_there_are_is_not_shown(
    store: MemoryStore, tmp_path: Path
) -> None:
    """Its last words name one of two; those of a stage that could count to the end stand."""
    run = run_row()
    said = {"key": "f1:2", "items_total": 5, "items_done": 1, "items_failed": 1, "error": "1 item failed: 8: no"}
    store.write([
        run, session_row(run),
        stage_row(run, "score", StageState.RUNNING, **said),
        step(run, "8", ProcessingStatus.FAILED, error="no"),
    ])  # fmt: skip
    assert run_detail(store, run, tmp_path, now=BEGUN).stages[0].error == "1 item failed: 8: no"
    store.write([step(run, "9", ProcessingStatus.FAILED, error="no")])
    (stage,) = run_detail(store, run, tmp_path, now=BEGUN).stages
    assert (stage.items_failed, stage.error) == (2, None)


def test_saved_time_is_the_sum_of_the_recorded_seconds_of_reused_stages(store: MemoryStore, tmp_path: Path) -> None:
    """And the run that made them is named."""
    maker, run = run_row("old-elk"), run_row(state=RunState.COMPLETED)
    results = [
        ResultRow(key=f"f1:{n}", address="a", stage=n, run=maker.id, seconds=s, size_bytes=1, at=BEGUN)
        for n, s in (("a", 60.0), ("b", 2.5))
    ]
    stages = [stage_row(run, n, StageState.REUSED, i, key=f"f1:{n}", reused_from=maker.id) for i, n in enumerate("ab")]
    store.write([maker, run, *results, *stages])
    detail = run_detail(store, run, tmp_path, now=BEGUN)
    assert detail.saved_seconds == 62.5
    assert {stage.reused_from for stage in detail.stages} == {"old-elk"}


def test_reused_items_of_a_stage_that_ran_count_as_saved(store: MemoryStore, tmp_path: Path) -> None:
    """With the seconds that the runner recorded for them in that session."""
    run = run_row(state=RunState.COMPLETED, epoch=2)
    reused = EventRow(
        at=BEGUN, run=run.id, epoch=2, kind="items_reused", stage="score", json='{"items":3,"seconds":7.5}'
    )
    store.write([
        run, session_row(run), reused,
        stage_row(run, "score", StageState.COMPLETED, epoch=2, items_total=5, items_done=2, items_reused=3),
    ])  # fmt: skip
    detail = run_detail(store, run, tmp_path, now=BEGUN)
    assert (detail.stages[0].saved_seconds, detail.saved_seconds) == (7.5, 7.5)


def test_the_current_decision_is_the_last_one(store: MemoryStore, tmp_path: Path) -> None:
    """Decisions are appended."""
    run = run_row(state=RunState.COMPLETED)
    rows = [DecisionRow(run=run.id, stage="score", name="threshold", value=v, at=BEGUN) for v in ("0.5", "0.8")]
    store.write([run, *rows])
    assert [decision.value for decision in run_detail(store, run, tmp_path, now=BEGUN).decisions] == ["0.8"]


def test_a_run_is_found_by_name_id_beginning_and_last(store: MemoryStore) -> None:
    """And an unknown one suggests the nearest."""
    store.write([run_row("old-elk", id="aaaa1111"), run_row("brisk-otter", id="bbbb2222", created=BEGUN + 1)])
    assert find_run(store, "last").name == "brisk-otter"
    assert find_run(store, "old-elk").id == "aaaa1111"
    assert find_run(store, "bbbb2222").name == "brisk-otter"
    assert find_run(store, "aaaa").name == "old-elk"
    with pytest.raises(UnknownRunError, match="old-elk"):
        find_run(store, "old-elg")
    with pytest.raises(UnknownRunError, match="a process, whose newest run is brisk-otter"):
        find_run(store, store.rows(RunRow)[0].process)


def test_an_empty_workspace_has_no_last_run() -> None:
    """The error says how to start one."""
    with pytest.raises(UnknownRunError, match="milepost run"):
        find_run(MemoryStore(), "last")


def test_a_failure_that_was_retried_well_is_none(store: MemoryStore) -> None:
    """Only the last attempt of an item counts."""
    run = run_row()
    store.write([
        step(run, "a", ProcessingStatus.FAILED, 1, error="E"), step(run, "a", ProcessingStatus.SUCCESS, 2),
        step(run, "b", ProcessingStatus.FAILED, 1, error="E"),
    ])  # fmt: skip
    assert [item.item for item in list_items(store, run.id, status=FAILED)] == ["b"]


def test_items_come_in_pages(store: MemoryStore) -> None:
    """Each page begins after the last one's seq; none is lost or twice."""
    run = run_row()
    store.write([step(run, str(n), ProcessingStatus.SUCCESS) for n in range(25)])
    seen: list[str] = []
    after = 0
    while page := list_items(store, run.id, after=after, limit=10):
        seen += [item.item for item in page]
        after = page[-1].seq
    assert seen == [str(n) for n in range(25)]


def test_failures_are_grouped_by_what_went_wrong(store: MemoryStore) -> None:
    """Figures and names in the text do not make another group; one without a message is still reported."""
    run = run_row()
    errors = ["ValueError: row 1 has no 'x'", "ValueError: row 22 has no 'y'", "KeyError: 'a'", None]
    store.write([step(run, str(n), ProcessingStatus.FAILED, error=error) for n, error in enumerate(errors)])
    groups = group_failures(store, run.id)
    assert [group.count for group in groups] == [2, 1, 1]
    assert any(group.error == "failed without a message" for group in groups)
    assert error_family(None) == ""


def test_times_are_utc_in_json(store: MemoryStore, tmp_path: Path) -> None:
    """ISO 8601 with Z."""
    store.write([run_row(state=RunState.COMPLETED)])
    document = msgspec.json.decode(to_json(list_runs(store, tmp_path, now=BEGUN)))
    assert document[0]["created_at"] == "2023-11-14T22:13:20Z"


def test_a_watched_rate_counts_this_session_only(store: MemoryStore, tmp_path: Path) -> None:
    """1,000 reused items at the start are no speed: 10 a second is what is shown, and the estimate follows."""
    run = run_row()
    store.write([run, session_row(run)])
    lock = try_acquire(tmp_path / f"{run.id}.lock")
    assert lock is not None
    watch = Watch(store, run.id, tmp_path)
    for second in range(1, 11):
        row = stage_row(
            run, "score", StageState.RUNNING,
            started=BEGUN, items_total=2000, items_reused=1000, items_done=second * 10,
        )  # fmt: skip
        store.write([row])
        sight = watch.look(now=BEGUN + second, at=500.0 + second)
    lock.release()
    assert sight is not None
    (stage,) = sight.stages
    assert stage.rate == pytest.approx(10.0)
    assert stage.eta_seconds == pytest.approx(90.0)
    assert stage.stage.items_done == 1100


def test_a_watched_stage_without_items_is_estimated_by_what_it_told(store: MemoryStore, tmp_path: Path) -> None:
    """A quarter in ten seconds: thirty more."""
    run = run_row()
    store.write([run, session_row(run), stage_row(run, "fit", StageState.RUNNING, started=BEGUN, progress=0.25)])
    lock = try_acquire(tmp_path / f"{run.id}.lock")
    assert lock is not None
    sight = Watch(store, run.id, tmp_path).look(now=BEGUN + 10, at=10.0)
    lock.release()
    assert sight is not None
    assert sight.stages[0].eta_seconds == pytest.approx(30.0)


def test_what_is_continued_is_counted_exactly(store: MemoryStore) -> None:
    """The session before, its cause, and what it left done, from the ledger."""
    run = run_row(epoch=2)
    store.write([
        run,
        session_row(run, epoch=1, ended=BEGUN + 7, end=RunState.INTERRUPTED, cause="killed"),
        session_row(run, epoch=2),
        stage_row(run, "clean", StageState.COMPLETED, 0, epoch=1),
        stage_row(run, "score", StageState.INTERRUPTED, 1, epoch=1, key="f1:2", items_total=5, items_done=1),
        stage_row(run, "report", StageState.PENDING, 2, epoch=1),
        *[step(run, str(n), ProcessingStatus.SUCCESS) for n in range(3)],
    ])  # fmt: skip
    before = continuation(store, run)
    assert before is not None
    assert (before.session, before.cause) == (1, "killed")
    assert (before.stages_done, before.stages_total, before.items_done, before.items_total) == (1, 3, 3, 5)


def test_a_first_session_continues_nothing(store: MemoryStore) -> None:
    """There is nothing to say."""
    run = run_row()
    store.write([run, session_row(run)])
    assert continuation(store, run) is None
