"""Any loop made resumable: what is done is passed over, what fails is recorded, and the run ends as its block does."""

import asyncio
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from milepost import Cancelled, Run, open_run
from milepost.errors import InvalidDataError, LeaseLost, RunIsAlive, StoreFull, UnkeyableError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.lock import is_held
from milepost.kernel.logs import read_logs
from milepost.model.rows import RunRow, SessionRow, StageRow, StepRow
from milepost.model.status import ProcessingStatus, RunState, StageState
from milepost.process.watching import CANCEL_REQUESTED
from milepost.views.watch import Watch

BOOKS = [{"isbn": f"b{number}", "pages": number} for number in range(6)]


def passed(items, *, name="extract", fail=(), stop_at=None, new=False, **options):
    """Run a loop over the items; the values that its body saw, and the run."""
    seen = []
    with open_run(name, new=new) as run:
        for step in run.items(items, **options):
            with step as item:
                if stop_at is not None and len(seen) == stop_at:
                    raise KeyboardInterrupt
                seen.append(item)
                if item in fail:
                    raise ValueError(f"bad {item}")
    return seen, run


def interrupted(items, **options):
    with pytest.raises(KeyboardInterrupt):
        passed(items, **options)


def steps(workspace, **equal):
    return workspace.store.rows(StepRow, **equal)


def test_a_loop_is_one_run_with_a_row_for_each_item(workspace):
    """Items, details, metrics, and a stage whose counts faces read."""
    with open_run("extract") as run:
        for step in run.items(BOOKS, key="isbn", step="read"):
            with step as book:
                step.details(pages=book["pages"], password="hunter22")
                step.metric("score", 0.5)
    rows = steps(workspace, run=run.id)
    assert [(row.item, row.attempt, row.status) for row in rows] == [
        (book["isbn"], 1, ProcessingStatus.SUCCESS) for book in BOOKS
    ]
    assert json.loads(rows[3].details) == {"pages": 3, "password": "***"}
    assert json.loads(rows[3].metrics) == {"score": 0.5}
    stage = workspace.store.get(StageRow, run=run.id)
    assert (stage.stage, stage.state, stage.items_total, stage.items_done) == ("read", StageState.COMPLETED, 6, 6)
    assert workspace.store.get(RunRow, id=run.id).state is RunState.COMPLETED is run.state
    assert (run.done, run.found, run.failed) == (6, 0, 0)


def test_done_items_are_passed_over_when_the_run_is_continued(workspace):
    """A cut loop goes on where it was, in the same run; a completed one begins afresh."""
    interrupted(BOOKS, key="isbn", stop_at=4)
    seen, run = passed(BOOKS, key="isbn")
    assert seen == BOOKS[4:]
    assert (run.done, run.found) == (2, 4)
    assert [row.end for row in workspace.store.rows(SessionRow, run=run.id)] == [
        RunState.CANCELLED,
        RunState.COMPLETED,
    ]
    again, other = passed(BOOKS, key="isbn")
    assert again == BOOKS
    assert other.id != run.id


def test_new_never_continues(workspace):
    interrupted(BOOKS, key="isbn", stop_at=4)
    seen, _ = passed(BOOKS, key="isbn", new=True)
    assert seen == BOOKS


def test_changed_content_under_the_same_key_runs_again(workspace):
    """Unless only the key counts; and a raised version runs all again."""
    interrupted(BOOKS, key="isbn", stop_at=4)
    changed = [dict(BOOKS[0], pages=99), *BOOKS[1:]]
    interrupted(changed, key="isbn", stop_at=1)
    assert [row.attempt for row in steps(workspace, item="b0")] == [1, 2]
    interrupted([dict(book, pages=7) for book in BOOKS], key="isbn", by="key", version=2, stop_at=2)
    seen, _ = passed(BOOKS, key="isbn", by="key", version=2)
    assert [book["isbn"] for book in seen] == ["b2", "b3", "b4", "b5"]


def test_ever_passes_over_what_earlier_runs_did(workspace):
    """A loop that grows every night does only what is new."""
    passed(BOOKS[:4], key="isbn", once="ever")
    seen, run = passed(BOOKS, key="isbn", once="ever")
    assert seen == BOOKS[4:]
    assert run.found == 4
    other, _ = passed(BOOKS, key="isbn", once="ever", name="another")
    assert other == BOOKS


def test_failures_are_recorded_and_the_loop_goes_on(workspace, caplog):
    """With the message in the row, the traceback in the log, and one line for who watches."""
    seen, run = passed(range(5), key=int, fail=[2])
    assert seen == [0, 1, 2, 3, 4]
    assert (run.done, run.failed, run.state) == (4, 1, RunState.COMPLETED)
    (row,) = steps(workspace, item="2")
    assert (row.status, row.error) == (ProcessingStatus.FAILED, "ValueError: bad 2")
    assert [record.getMessage() for record in caplog.records] == ["extract: item 2: ValueError: bad 2"]
    assert caplog.records[0].levelno == logging.ERROR
    lines = [line for line in read_logs(workspace.log_folder(run.id)) if "raise ValueError" in line.text]
    assert [(line.stage, line.item) for line in lines] == [("extract", "2")]
    assert workspace.store.get(StageRow, run=run.id).items_failed == 1


def test_stop_lets_the_first_failure_out(workspace):
    """The exception leaves the block, the run has failed, and the item comes again."""
    with pytest.raises(ValueError, match="bad 2"):
        passed(range(5), key=int, fail=[2], errors="stop")
    run = workspace.store.get(RunRow)
    assert (run.state, run.cause) == (RunState.FAILED, "ValueError: bad 2")
    stage = workspace.store.get(StageRow, run=run.id)
    assert (stage.state, stage.error) == (StageState.FAILED, "item '2': ValueError: bad 2")
    seen, again = passed(range(5), key=int)
    assert seen == [2, 3, 4]
    assert again.id == run.id


def test_retries_come_after_the_others_and_are_given_up(workspace):
    """ERROR for each attempt that another follows, FAILED for the last."""
    seen, run = passed(range(3), key=int, fail=[0], retries=2, retry_delay=0.0)
    assert sorted(seen) == [0, 0, 0, 1, 2]
    rows = steps(workspace, item="0")
    assert [row.status for row in rows] == [ProcessingStatus.ERROR, ProcessingStatus.ERROR, ProcessingStatus.FAILED]
    assert rows[2].error == "ValueError: bad 0 (given up after 3 attempts)"
    assert run.failed == 1


def test_an_item_that_comes_round_is_done(workspace):
    """A failure that a retry mends leaves nothing failed."""
    tries = []
    with open_run("extract") as run:
        for step in run.items([1], key=int, retries=1, retry_delay=0.0):
            with step:
                tries.append(step.attempt)
                if step.attempt == 1:
                    raise OSError("busy")
    assert tries == [1, 2]
    assert (run.done, run.failed) == (1, 0)


def test_warnings_and_skips_are_done(workspace):
    """They are recorded as what they are, with their reason, and not tried again."""
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), open_run("extract") as run:
            for step in run.items("ab", key=str):
                with step as letter:
                    step.warn("no title") if letter == "a" else step.skip("empty")
            raise KeyboardInterrupt
    rows = steps(workspace)
    assert [(row.item, row.status, row.error) for row in rows] == [
        ("a", ProcessingStatus.WARNING, "no title"),
        ("b", ProcessingStatus.SKIPPED, "empty"),
    ]


def test_a_generator_is_not_read_ahead_of_a_fresh_loop(workspace):
    """Each item is asked for when the one before is over."""
    asked = []

    def generated():
        for number in range(3):
            asked.append(number)
            yield number

    with open_run("extract") as run:
        for step in run.items(generated(), key=int):
            with step as number:
                assert asked == list(range(number + 1))
    stage = workspace.store.get(StageRow, run=run.id)
    assert (stage.items_total, stage.items_done) == (3, 3)


def test_a_loop_left_early_is_interrupted_and_goes_on(workspace):
    """`break` is no end: the run says what was not done, and the next start does it."""
    with open_run("extract") as run:
        for step in run.items(range(4), key=int):
            with step:
                pass
            if step.value == 1:
                break
    row = workspace.store.get(RunRow, id=run.id)
    assert (row.state, row.cause) == (RunState.INTERRUPTED, "the program ended before extract was done")
    assert passed(range(4), key=int)[0] == [2, 3]


def test_a_session_without_a_loop_completes_nothing(workspace):
    """What an earlier session left undone is still to be done."""
    interrupted(range(4), key=int, stop_at=2)
    with open_run("extract") as run:
        pass
    assert workspace.store.get(RunRow, id=run.id).state is RunState.INTERRUPTED
    assert passed(range(4), key=int)[0] == [2, 3]
    with open_run("nothing") as run:
        pass
    assert workspace.store.get(RunRow, id=run.id).state is RunState.COMPLETED


def test_loops_in_loops_are_stages_of_one_run(workspace):
    """Each step has a stage of its own, whose counts grow from loop to loop."""
    with open_run("books") as run:
        for step in run.items(BOOKS, key="isbn", step="book"):
            with step as book:
                pages = [(book["isbn"], page) for page in range(book["pages"])]
                for inner in run.items(pages, key=lambda page: page, step="page"):
                    with inner:
                        pass
    counts = {row.stage: (row.state, row.items_done) for row in workspace.store.rows(StageRow, run=run.id)}
    assert counts == {"book": (StageState.COMPLETED, 6), "page": (StageState.COMPLETED, 15)}


def test_threads_and_tasks_enter_steps(workspace):
    """Whoever carries a step out, it is recorded once."""

    def work(step):
        with step as number:
            if number == 3:
                raise ValueError("three")

    with open_run("threads") as run, ThreadPoolExecutor(4) as pool:
        list(pool.map(work, run.items(range(50), key=int)))
    assert (run.state, run.done, run.failed) == (RunState.COMPLETED, 49, 1)

    async def task(step):
        async with step:
            await asyncio.sleep(0)

    async def tasks():
        async with open_run("tasks") as run:
            await asyncio.gather(*(task(step) for step in run.items(range(50), key=int)))
        return run

    run = asyncio.run(tasks())
    assert (run.state, run.done) == (RunState.COMPLETED, 50)
    assert len({row.item for row in steps(workspace, run=run.id)}) == 50


def test_batches_are_committed_together_and_wholly(workspace):
    """Outcomes that wait are written by the end at latest, also of a loop that is cut."""
    with pytest.raises(KeyboardInterrupt):
        passed(range(100), key=int, batch=60.0, stop_at=40)
    assert len(steps(workspace)) == 40
    seen, _ = passed(range(100), key=int, batch=60.0)
    assert len(seen) == 60
    assert len(steps(workspace)) == 100


def test_two_at_once_one_is_refused(workspace):
    """Told is who has the run, and how another is begun, in Python and on the command line."""
    with open_run("extract"), pytest.raises(RunIsAlive, match="is being carried out by process") as refused:
        with open_run("extract"):
            pass
    assert str(refused.value).endswith("stops it; new=True, on the command line --new, begins another")
    with open_run("extract") as first, open_run("extract", new=True) as second:
        assert first.id != second.id


def test_cancelled_from_another_shell_before_the_next_item(workspace):
    """`milepost cancel` stops the loop at a safe point; what is done stays done."""
    seen = []
    with pytest.raises(Cancelled, match="milepost cancel"), open_run("extract") as run:
        for step in run.items(range(10), key=int):
            with step as number:
                seen.append(number)
                if number == 2:
                    workspace.store.write([run._underway.event(CANCEL_REQUESTED)])
                    run._look_for_cancel()
    row = workspace.store.get(RunRow, id=run.id)
    assert (row.state, row.cause) == (RunState.CANCELLED, "milepost cancel")
    assert passed(range(10), key=int)[0] == [3, 4, 5, 6, 7, 8, 9]


def test_what_cannot_be_is_refused(workspace):
    """A key of two items, an item without content that counts, an option that is none."""
    with pytest.raises(InvalidDataError, match="have the same key"):
        passed([1, 1], key=int)
    with pytest.raises(UnkeyableError, match="has no fingerprint"):
        passed([iter("a")], key=id)
    assert len(passed([iter("a")], key=id, by="key")[0]) == 1
    for options, words in [
        ({"by": "name"}, "by= is 'content' or 'key'"),
        ({"by": "key"}, "needs key="),
        ({"errors": "ignore"}, "errors= is"),
        ({"once": "never"}, "once= is"),
        ({"retries": -1}, "retries= is"),
        ({"step": "a\nb"}, "step=: a printable text"),
    ]:
        with pytest.raises(InvalidDataError, match=words):
            passed([1], **options)
    with pytest.raises(InvalidDataError, match="a run's name"):
        open_run("")


def test_a_step_is_begun_once(workspace):
    with open_run("extract") as run:
        for step in run.items([1], key=int):
            with step:
                pass
            with pytest.raises(InvalidDataError, match="begun before"), step:
                pass


def test_items_are_given_inside_the_block_alone(workspace):
    run = open_run("extract")
    with pytest.raises(InvalidDataError, match="inside the block"):
        run.items([1])
    with run:
        pass
    with pytest.raises(InvalidDataError, match="inside the block"):
        run.items([1])
    with pytest.raises(InvalidDataError, match="entered before"), run:
        pass


def test_without_a_key_content_is_the_key(workspace):
    """Equal items are told apart by their number."""
    interrupted(["x", "x", "y"], stop_at=1)
    seen, _ = passed(["x", "x", "y"])
    assert seen == ["x", "y"]


def test_values_that_json_cannot_hold_are_told_as_text(workspace):
    with open_run("extract") as run:
        for step in run.items([1], key=int):
            with step:
                step.details(kind=object, half="caf\udce9", many={1, 2})
    assert "object" in steps(workspace, run=run.id)[0].details


def test_items_that_cannot_be_given_end_the_run(workspace):
    """What the generator raises is the program's failure; what was done before stays."""

    def broken():
        yield 1
        raise OSError("the connection is gone")

    with pytest.raises(OSError, match="connection is gone"):
        passed(broken(), key=int)
    assert workspace.store.get(RunRow).cause == "OSError: the connection is gone"
    assert passed([1, 2], key=int)[0] == [2]


def test_who_lost_the_run_writes_no_more(workspace):
    """After another session took it over, the step at hand is refused whole, and the end is not ours to write."""
    with pytest.raises(LeaseLost, match="taken over"), open_run("extract") as run:
        for step in run.items(range(3), key=int):
            with step as number:
                if number == 1:
                    row = workspace.store.get(RunRow, id=run.id)
                    workspace.store.write([msgspec.structs.replace(row, epoch=row.epoch + 1)])
    assert [row.item for row in steps(workspace)] == ["0"]
    assert workspace.store.get(RunRow, id=run.id).state is RunState.RUNNING
    assert run._underway.is_over
    assert not is_held(workspace.lock_path(run.id))


def test_a_ledger_that_refuses_fails_the_run_and_loses_nothing_told(workspace, monkeypatch):
    """What waits to be committed with others and cannot be is an error, and those items come again."""
    write, refusing = workspace.store.write, []

    def full(rows, **options):
        if refusing and any(isinstance(row, StepRow) for row in rows):
            raise StoreFull("no space is left")
        return write(rows, **options)

    monkeypatch.setattr(workspace.store, "write", full)
    monkeypatch.setattr(workspace, "config", msgspec.structs.replace(workspace.config, store_wait_seconds=0.0))
    with pytest.raises(StoreFull), open_run("extract", workspace=workspace) as run:
        for step in run.items(range(3), key=int, batch=60.0):
            with step as number:
                refusing += [True] if number == 2 else []
    refusing.clear()
    row = workspace.store.get(RunRow, id=run.id)
    assert (row.state, row.cause) == (RunState.FAILED, "StoreFull: no space is left")
    assert passed(range(3), key=int)[0] == [0, 1, 2]


def test_a_forked_child_leaves_the_run_alone(workspace):
    """Its way out of the block ends nothing."""
    with open_run("extract") as run:
        for step in run.items(range(2), key=int):
            with step as number:
                if number == 0 and (child := os.fork()) == 0:
                    run.__exit__(None, None, None)
                    os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert workspace.store.get(RunRow, id=run.id).state is RunState.RUNNING
    assert run.state is RunState.COMPLETED


def test_code_in_a_step_knows_where_it_is(workspace):
    """What it prints and logs is the item's; handles find the run."""
    with open_run("extract") as run:
        for step in run.items(["a"], key=str, step="read"):
            with step:
                print("said")
                Run().log("noted")
                Run().stage.log("from a handle")
    lines = {line.text: (line.stage, line.item) for line in read_logs(workspace.log_folder(run.id))}
    assert lines == {"said": ("read", "a"), "noted": ("read", "a"), "from a handle": ("read", "a")}


def test_a_loop_is_seen_while_it_works(workspace):
    """Items done, rate and the item at hand, as for a stage that is mapped."""
    clock = iter(range(100))
    with open_run("extract") as run:
        watch = Watch(workspace.store, run.id, workspace.path / "runs")
        for step in run.items((n for n in range(10)), key=int, total=10):
            with step as number:
                run._show()
                run._underway._opened.recorder.flush()
                sight = watch.look(now=SYSTEM.now(), at=float(next(clock)))
                seen = sight.stages[0]
                assert (seen.stage.items_done, seen.stage.items_total) == (number, 10)
                assert seen.stage.message == f"at {number}"
                assert seen.stage.memory_bytes > 0
    assert seen.rate > 0.5
    assert seen.eta_seconds < 2
