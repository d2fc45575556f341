"""How an item's block may be left, and what the ledger then says: never that something was done which was not."""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_loops import passed, steps

from milepost import Cancelled, open_run
from milepost.errors import InvalidDataError
from milepost.kernel.logs import read_logs
from milepost.model.rows import RunRow, StageRow
from milepost.model.status import ProcessingStatus, RunState, StageState


class Panic(BaseException):
    """As code in Rust raises it, which `except Exception` must not swallow."""


def test_a_panic_is_a_failure_of_its_item_and_ends_the_program(workspace):
    """It is on record, so that nobody looks for it in vain, and it passes on."""
    with pytest.raises(Panic), open_run("extract") as run:
        for step in run.items(range(3), key=int):
            with step as number:
                if number == 1:
                    raise Panic("index out of bounds")
    (_, row) = steps(workspace, run=run.id)
    assert (row.item, row.status, row.error) == ("1", ProcessingStatus.FAILED, "Panic: index out of bounds")
    assert (run.state, run.failed) == (RunState.FAILED, 1)
    assert passed(range(3), key=int)[0] == [1, 2]


def test_a_panic_is_tried_again_where_retries_are_wanted(workspace):
    seen = []
    with open_run("extract") as run:
        for step in run.items(range(3), key=int, retries=1, retry_delay=0.0):
            with step as number:
                seen.append(number)
                if seen == [0, 1]:
                    raise Panic
    assert (run.state, run.done, seen.count(1)) == (RunState.COMPLETED, 3, 2)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, Cancelled, asyncio.CancelledError])
def test_what_ends_the_program_is_no_failure_of_the_item(workspace, stop):
    with pytest.raises(stop), open_run("extract") as run:
        for step in run.items(range(3), key=int):
            with step as number:
                if number == 1:
                    raise stop
    assert [row.item for row in steps(workspace, run=run.id)] == ["0"]
    assert run.state is (RunState.INTERRUPTED if stop is SystemExit else RunState.CANCELLED)


def test_a_generator_that_is_closed_with_a_loop_inside_is_interrupted(workspace):
    """Nobody cancelled anything: the rest is still to be done."""

    def loop():
        with open_run("extract") as run:
            for step in run.items(range(3), key=int):
                with step as number:
                    yield number, run

    inside = loop()
    next(inside)
    _, run = next(inside)
    inside.close()
    assert run.state is RunState.INTERRUPTED
    assert [row.item for row in steps(workspace, run=run.id)] == ["0"]


@pytest.mark.parametrize("way", ["continue", "list", "cancelled task"])
def test_a_run_is_not_complete_while_an_item_that_was_handed_out_is_undone(workspace, way):
    """Not entered, or left by a task's cancellation: the loop came to its end, and the item comes again."""

    async def carry_out(run):
        async def one(step):
            async with step as number:
                await asyncio.sleep(60 if number == 2 else 0)

        tasks = [asyncio.create_task(one(step)) for step in run.items(range(4), key=int)]
        await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with open_run("extract") as run:
        if way == "cancelled task":
            asyncio.run(carry_out(run))
        else:
            for step in list(run.items(range(4), key=int)) if way == "list" else run.items(range(4), key=int):
                if step.value == 2:
                    continue
                with step:
                    pass
    stage = workspace.store.get(StageRow, run=run.id)
    assert (run.state, stage.state, stage.items_done) == (RunState.INTERRUPTED, StageState.INTERRUPTED, 3)
    assert passed(range(4), key=int)[0] == [2]


def test_steps_taken_at_once_and_entered_later_make_a_complete_run(workspace):
    """The loop is at its end before the first item is begun."""
    with open_run("extract") as run:
        for step in list(run.items(range(4), key=int)):
            with step:
                pass
    assert (run.state, run.done) == (RunState.COMPLETED, 4)


def test_every_item_has_an_outcome_wherever_it_fails(workspace):
    """In threads, some fail when the loop is at its end: those cannot come again, and are failed, not forgotten."""

    def work(step):
        with step as number:
            if number % 5 == 0:
                raise ValueError("no")

    with open_run("extract") as run, ThreadPoolExecutor(8) as pool:
        list(pool.map(work, run.items(range(100), key=int, retries=2, retry_delay=0.001)))
    assert (run.state, run.done, run.failed) == (RunState.COMPLETED, 80, 20)
    counts = workspace.store.count_steps(run.id)
    assert counts == {("extract", ProcessingStatus.SUCCESS): 80, ("extract", ProcessingStatus.FAILED): 20}


def test_a_failure_behind_the_end_of_its_loop_says_why_it_is_not_tried_again(workspace):
    with open_run("extract") as run:
        (step,) = run.items([1], key=int, retries=3)
        with step:
            raise ValueError("no")
    (row,) = steps(workspace)
    assert row.error == "ValueError: no (not tried again: the loop had come to its end)"
    assert (row.status, run.failed) == (ProcessingStatus.FAILED, 1)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def test_an_exception_that_cannot_be_told_is_recorded_all_the_same(workspace):
    """Neither its text nor a group of such breaks the loop, or the end of its run."""
    with open_run("extract") as run:
        for step in run.items(
            [Mute(), ExceptionGroup("two", [Mute(), KeyError("page")])], key=lambda error: str(type(error)), by="key"
        ):
            with step as error:
                raise error
    assert (run.state, run.failed) == (RunState.COMPLETED, 2)
    assert [row.error for row in steps(workspace)] == [
        "Mute: <without a text: RuntimeError>",
        "ExceptionGroup: two (2 sub-exceptions): Mute: <without a text: RuntimeError>; KeyError: 'page'",
    ]
    with pytest.raises(Mute), open_run("letters") as letters:
        raise Mute
    assert workspace.store.get(RunRow, id=letters.id).cause == "Mute: <without a text: RuntimeError>"


@pytest.mark.parametrize("items", [None, 3])
def test_what_is_no_series_of_items_is_said(workspace, items):
    """At once, and the run ends with that as its cause."""
    with pytest.raises(TypeError, match="is not iterable"), open_run("extract") as run:
        run.items(items)
    assert workspace.store.get(RunRow, id=run.id).cause.endswith("is not iterable")


@pytest.mark.parametrize("ending", ["", "raise ValueError", "sys.exit(3)"])
def test_a_forked_child_records_nothing_of_its_parents_item(workspace, ending):
    """However it leaves the block, the item is the parent's."""
    with open_run("extract") as run:
        for step in run.items([1], key=int):
            child = None
            try:
                with step:
                    child = os.fork()
                    if not child:
                        exec(ending, {"sys": sys})
            finally:
                if child == 0:
                    os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    (row,) = steps(workspace)
    assert (row.status, run.done) == (ProcessingStatus.SUCCESS, 1)


def test_a_storm_of_failures_is_recorded_whole_and_printed_in_part(workspace, caplog, monkeypatch):
    """So many lines and tracebacks, then one that says where the others are; also over loops in loops."""
    monkeypatch.setattr("milepost.process.loops.items.MOST_SAID", 5)
    with open_run("extract") as run:
        for outer in range(4):
            for step in run.items(range(3), key=lambda number, outer=outer: (outer, number)):
                with step as number:
                    raise ValueError(number)
    assert run.failed == len(steps(workspace, run=run.id)) == 12
    said = [record.getMessage() for record in caplog.records if record.name == "milepost.loops"]
    assert said[4:] == [
        "extract: item (1, 1): ValueError: 1",
        "extract: further failures are recorded, and not printed: milepost errors",
    ]
    lines = [line.text for line in read_logs(workspace.log_folder(run.id))]
    assert sum("Traceback" in text for text in lines) == 5


def test_a_source_that_waits_keeps_no_item_back(workspace):
    """As a queue does: in a continued run, too, an item is begun before the next one is asked for."""
    done = []

    def queue(count):
        for number in range(count):
            yield number
            assert number in done, "the next item was asked for before this one was done"

    for count in (3, 50):
        with open_run("extract") as run:
            for step in run.items(queue(count), key=int):
                with step as number:
                    done.append(number)
            if count == 3:
                next(run.items([None], key=str, step="another"))  # left undone, so that the run is continued
    assert done == list(range(50))


def test_no_step_is_entered_once_the_run_was_asked_to_stop_or_is_over(workspace):
    """Steps that were taken before, as a pool of threads takes them, are left for the next session."""
    with pytest.raises(Cancelled, match="was cancelled: enough"), open_run("extract") as run:
        first, second, third = run.items(range(3), key=int)
        with first:
            pass
        run.stop.request("enough")
        with second:
            raise AssertionError("it was entered")
    with pytest.raises(InvalidDataError, match="is over"), third:
        raise AssertionError("it was entered")
    assert [row.item for row in steps(workspace)] == ["0"]
    assert passed(range(3), key=int)[0] == [1, 2]
