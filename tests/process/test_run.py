"""What a run does: carry out, reuse, rerun exactly what a change reaches."""

import pytest

from milepost import Cancelled
from milepost.errors import InvalidDataError, StageExecutionError, StageTimeout
from milepost.model.rows import DecisionRow, RunRow, StageRow, StepRow
from milepost.model.status import RunState, StageState

SALES = """
from milepost import Process, stage
from tools import rounded

@stage
def orders(count: int = 6):
    return [{"id": n, "price": n * 1.5, "refund": n % 3 == 0} for n in range(count)]

@stage
def clean(orders, drop_refunds: bool = True):
    return [order for order in orders if not (drop_refunds and order["refund"])]

@stage
def total(clean, digits: int = 1):
    return rounded(sum(order["price"] for order in clean), digits)

@stage
def size(clean):
    return len(clean)

sales = Process("sales", [orders, clean, total, size])
"""
TOOLS = """
def rounded(number, digits):
    return round(number, digits)
"""


def states(run):
    return {name: str(state) for name, state in run.stages.items()}


def test_a_process_runs_its_stages_in_order_and_gives_their_results(workspace, load):
    run = load(SALES, tools=TOOLS).run(workspace=workspace)
    assert run.state is RunState.COMPLETED
    assert dict(run.results)["total"] == 18.0
    assert run.results["size"] == 4
    assert set(states(run).values()) == {"completed"}


def test_a_second_run_reuses_everything(workspace, load):
    first = load(SALES, tools=TOOLS).run(workspace=workspace)
    second = load(SALES, tools=TOOLS).run(workspace=workspace)
    assert second.id != first.id
    assert set(states(second).values()) == {"reused"}
    assert second.results["total"] == 18.0


def test_a_decision_reruns_the_stages_that_take_it_and_switching_back_is_a_hit(workspace, load):
    process = load(SALES, tools=TOOLS)
    process.run(workspace=workspace)
    changed = process.run({"total.digits": 0}, workspace=workspace)
    assert states(changed) == {"orders": "reused", "clean": "reused", "total": "completed", "size": "reused"}
    back = process.run({"total": {"digits": 1}}, workspace=workspace)
    assert set(states(back).values()) == {"reused"}


def test_an_upstream_that_gives_the_same_result_stops_the_wave(workspace, load):
    process = load(SALES.replace("6", "7"), tools=TOOLS)
    process.run(workspace=workspace)  # order 6 is a refund, so clean gives what it gave for six orders
    run = load(SALES, tools=TOOLS).run(workspace=workspace)
    assert states(run) == {"orders": "completed", "clean": "completed", "total": "reused", "size": "reused"}


def test_an_edited_helper_reruns_exactly_the_stages_that_reach_it(workspace, load):
    load(SALES, tools=TOOLS).run(workspace=workspace)
    edited = TOOLS.replace("return round", "return 10 * round")
    process = load(SALES, tools=edited)
    plan = {stage.stage: (str(stage.verdict), stage.reason) for stage in process.plan(workspace=workspace).stages}
    assert plan["total"] == ("run", "tools.rounded changed")
    assert plan["clean"] == ("reuse", "unchanged")
    run = process.run(workspace=workspace)
    assert states(run) == {"orders": "reused", "clean": "reused", "total": "completed", "size": "reused"}
    assert run.results["total"] == 180.0


def test_an_edited_comment_or_docstring_reruns_nothing(workspace, load):
    load(SALES, tools=TOOLS).run(workspace=workspace)
    commented = TOOLS.replace("    return", '    """Round it."""\n    # a remark\n    return')
    assert set(states(load(SALES, tools=commented).run(workspace=workspace)).values()) == {"reused"}


def test_a_stages_options_and_name_do_not_count(workspace, load):
    load(SALES, tools=TOOLS).run(workspace=workspace)
    renamed = SALES.replace("@stage\ndef size", "@stage(retries=3, retry_delay=0.1, name='length')\ndef size")
    run = load(renamed, tools=TOOLS).run(workspace=workspace)
    assert set(states(run).values()) == {"reused"}


def test_a_failed_stage_fails_the_run_and_is_not_cached(workspace, load):
    process = load(SALES.replace("return len(clean)", "raise ValueError('no size')"), tools=TOOLS)
    with pytest.raises(StageExecutionError, match="stage 'size' failed: ValueError: no size") as caught:
        process.run(workspace=workspace)
    assert isinstance(caught.value.__cause__, ValueError)
    failed = workspace.store.get(RunRow)
    assert failed.state is RunState.FAILED
    assert "no size" in failed.cause
    mended = load(SALES, tools=TOOLS).run(workspace=workspace)
    assert mended.id == failed.id  # the same decisions: the failed run goes on as a new session
    assert states(mended) == {"orders": "reused", "clean": "reused", "total": "reused", "size": "completed"}
    assert workspace.store.get(RunRow).epoch == 2


def test_new_never_continues(workspace, load):
    process = load(SALES.replace("return len(clean)", "raise ValueError('no size')"), tools=TOOLS)
    with pytest.raises(StageExecutionError):
        process.run(workspace=workspace)
    with pytest.raises(StageExecutionError):
        process.run(workspace=workspace, new=True)
    assert [1, 1] == [row.epoch for row in workspace.store.rows(RunRow)]


def test_a_stage_is_retried_and_its_attempts_are_recorded(workspace, load):
    process = load(
        """
        import pathlib
        from milepost import Process, stage

        @stage(retries=2, retry_delay=0.01)
        def flaky():
            mark = pathlib.Path("tries")
            tries = int(mark.read_text()) + 1 if mark.exists() else 1
            mark.write_text(str(tries))
            if tries < 3:
                raise OSError("not yet")
            return tries

        job = Process("flaky", [flaky])
        """
    )
    run = process.run(workspace=workspace)
    assert run.results["flaky"] == 3
    assert workspace.store.get(StageRow, stage="flaky").attempts == 3


def test_a_bad_decision_stops_before_anything_is_recorded(workspace, load):
    process = load(SALES, tools=TOOLS)
    with pytest.raises(InvalidDataError):
        process.run({"total.digits": "many"}, workspace=workspace)
    assert workspace.store.rows(RunRow) == []


def test_decisions_are_recorded_as_chosen_or_default(workspace, load):
    load(SALES, tools=TOOLS).run({"total.digits": 0}, workspace=workspace)
    rows = {(row.stage, row.name): (row.value, row.source) for row in workspace.store.rows(DecisionRow)}
    assert rows == {
        ("orders", "count"): ("6", "default"),
        ("clean", "drop_refunds"): ("true", "default"),
        ("total", "digits"): ("0", "chosen"),
    }


def test_only_carries_out_a_stage_and_what_it_needs(workspace, load):
    run = load(SALES, tools=TOOLS).run(only="clean", workspace=workspace)
    assert list(states(run)) == ["orders", "clean"]


def test_from_runs_a_stage_and_all_behind_it_afresh(workspace, load):
    process = load(SALES, tools=TOOLS)
    process.run(workspace=workspace)
    run = process.run(start_from="clean", workspace=workspace)
    assert states(run) == {"orders": "reused", "clean": "completed", "total": "completed", "size": "completed"}


def test_each_consumer_gets_its_own_copy(workspace, load):
    process = load(
        """
        from milepost import Process, stage

        @stage
        def rows():
            return [1, 2]

        @stage
        def first(rows):
            rows.append(3)
            return rows

        @stage(needs=["first"])
        def second(rows):
            return rows

        job = Process("copies", [rows, first, second])
        """
    )
    run = process.run(workspace=workspace)
    assert run.results["second"] == [1, 2]
    assert run.results["rows"] == [1, 2]


def test_a_file_counts_by_its_content(workspace, load, tmp_path):
    process = load(
        """
        import pathlib
        from milepost import File, Process, stage

        @stage
        def text(path: File = "in.txt"):
            return pathlib.Path(path).read_text()

        job = Process("files", [text])
        """
    )
    with pytest.raises(InvalidDataError, match="takes the file 'in.txt' as 'path': No such file.*--set text.path="):
        process.run(workspace=workspace)
    (tmp_path / "in.txt").write_text("one")
    assert process.run(workspace=workspace).results["text"] == "one"
    (tmp_path / "copy.txt").write_text("one")
    assert states(process.run({"text.path": "copy.txt"}, workspace=workspace)) == {"text": "reused"}
    (tmp_path / "in.txt").write_text("two")
    plan = process.plan(workspace=workspace).stages[0]
    assert (str(plan.verdict), plan.reason) == ("run", "file in.txt changed")
    assert process.run(workspace=workspace).results["text"] == "two"


def test_a_result_that_cannot_be_stored_is_handed_on_and_said_to_be_not_reusable(workspace, load):
    process = load(
        """
        import threading
        from milepost import Process, stage

        @stage
        def lock():
            return threading.Lock()

        @stage
        def locked(lock):
            return lock.locked()

        job = Process("locks", [lock, locked])
        """
    )
    run = process.run(workspace=workspace)
    assert run.results["locked"] is False
    again = process.run(workspace=workspace)
    assert states(again) == {"lock": "completed", "locked": "completed"}
    assert "not reusable" in workspace.store.get(StageRow, stage="lock").reason


def test_async_stages_work_as_sync_ones(workspace, load):
    process = load(
        """
        import asyncio
        from milepost import Process, stage

        @stage
        async def slow():
            await asyncio.sleep(0.01)
            return "done"

        job = Process("async", [slow])
        """
    )
    assert process.run(workspace=workspace).results["slow"] == "done"


def test_cancelled_cannot_be_swallowed_and_leaves_a_run_that_resumes(workspace, load):
    process = load(
        """
        from milepost import Cancelled, Process, stage

        @stage
        def first():
            return 1

        @stage
        def second(first, stop: bool = True):
            try:
                if stop:
                    raise Cancelled("asked in the test")
            except Exception:
                pass
            return 2

        job = Process("cancel", [first, second])
        """
    )
    with pytest.raises(Cancelled):
        process.run(workspace=workspace)
    row = workspace.store.get(RunRow)
    assert row.state is RunState.CANCELLED
    assert workspace.store.get(StageRow, stage="first").state is StageState.COMPLETED


def test_a_version_takes_the_matter_into_ones_own_hands(workspace, load):
    pinned = SALES.replace("@stage\ndef size", "@stage(version='1')\ndef size")
    load(pinned, tools=TOOLS).run(workspace=workspace)
    edited = pinned.replace("return len(clean)", "return 100 + len(clean)")
    assert load(edited, tools=TOOLS).run(workspace=workspace).results["size"] == 4
    raised = edited.replace("version='1'", "version='2'")
    assert load(raised, tools=TOOLS).run(workspace=workspace).results["size"] == 104


@pytest.mark.parametrize("executor", ["inline", "threads", "workers"])
def test_every_executor_gives_the_same_results(workspace, load, executor):
    run = load(SALES, tools=TOOLS).run(workspace=workspace, executor=executor, workers=2)
    assert {"orders", "clean", "total", "size"} == set(run.results)
    assert run.results["total"] == 18.0


@pytest.mark.parametrize("executor", ["threads", "workers"])
def test_independent_stages_run_side_by_side(workspace, load, executor):
    """Each of the two waits until the other has begun, so they can only end when both run at once."""
    process = load(
        """
        import pathlib, time
        from milepost import Process, stage

        def meet(mine, other):
            pathlib.Path(mine).touch()
            for _ in range(1000):
                if pathlib.Path(other).exists():
                    return mine
                time.sleep(0.01)
            raise TimeoutError(f"{other} never began")

        @stage
        def left():
            return meet("left", "right")

        @stage
        def right():
            return meet("right", "left")

        @stage
        def both(left, right):
            return left + right

        job = Process("meeting", [left, right, both])
        """
    )
    run = process.run(workspace=workspace, executor=executor, workers=2)
    assert run.results["both"] == "leftright"


def test_a_timeout_ends_code_that_does_not_come_back(workspace, load):
    process = load(
        """
        import time
        from milepost import Process, stage

        @stage(timeout=0.5)
        def hang():
            while True:
                time.sleep(60)

        job = Process("hanging", [hang])
        """
    )
    with pytest.raises(StageTimeout, match="stage 'hang' failed"):
        process.run(workspace=workspace)


def test_a_killed_worker_costs_its_item_one_attempt_and_not_the_run(workspace, load, tmp_path):
    process = load(
        """
        import os, pathlib, signal
        from milepost import Process, stage

        @stage
        def rows():
            return list(range(40))

        @stage(each="rows", workers=2)
        def score(row):
            mark = pathlib.Path("killed")
            if row == 17 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return row * 2

        job = Process("killed", [rows, score])
        """
    )
    run = process.run(workspace=workspace)
    assert [row * 2 for row in range(40)] == list(run.results["score"])
    attempts = [(row.item, str(row.status)) for row in workspace.store.rows(StepRow, run=run.id) if row.attempt > 1]
    lost = [row for row in workspace.store.rows(StepRow, run=run.id) if str(row.status) == "error"]
    assert 1 == len(lost) == len(attempts)
    assert "signal 9" in lost[0].error


def test_handles_report_progress_and_logs(workspace, load):
    process = load(
        """
        from milepost import Process, Run, Stage, stage

        @stage
        def work(run: Run, here: Stage):
            here.progress(1, 4, "a quarter")
            here.log("a remark")
            return run.name, here.name

        job = Process("handles", [work])
        """
    )
    run = process.run(workspace=workspace)
    assert run.results["work"] == (run.name, "work")
    row = workspace.store.get(StageRow, stage="work")
    assert (1.0, "a quarter") == (row.progress, row.message)
