"""Stages that take turns in one thread are each as long as they worked, so that what reuse saves is true."""

import os

import pytest

from milepost import Process, Run, Workspace, stage
from milepost.errors import StageExecutionError
from milepost.model.rows import StageRow
from milepost.model.status import StageState
from milepost.process.finding import find_run
from milepost.process.turns import Turns
from milepost.testing import FakeClock
from milepost.views.runs import run_detail


def test_a_stage_is_as_long_as_its_turns():
    """Not as long as it waited for those of others; one that takes none is not measured so."""
    clock = FakeClock()
    turns = Turns(clock)
    turns.take_part("a")
    turns.take_part("b")
    with turns.of("a"):
        clock.advance(2)
        assert (turns.worked("a"), turns.worked("b"), turns.worked("c")) == (2, 0, None)
    clock.advance(100)
    with turns.of("b"), turns.of("b"):
        clock.advance(3)
    with turns.of("c"):
        clock.advance(50)
    with pytest.raises(ValueError), turns.of("a"):
        clock.advance(1)
        raise ValueError
    assert (turns.worked("a"), turns.worked("b"), turns.worked("c")) == (3, 3, None)


def test_a_stage_that_begins_again_begins_at_nothing():
    """As where a result was lost and is made once more."""
    clock = FakeClock()
    turns = Turns(clock)
    for _ in range(2):
        turns.take_part("a")
        with turns.of("a"):
            clock.advance(2)
    assert turns.worked("a") == 2


def states_of(path, run):
    """As another process would read them now."""
    with Workspace.open(path, read_only=True) as workspace:
        return {row.stage: str(row.state) for row in workspace.store.rows(StageRow, run=run)}


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_stage_without_a_slot_reads_as_waiting(workspace, executor):
    """It runs from its first turn on; one that nobody came to before the run failed never did."""

    path = str(workspace.path)

    def told(name, error=None):
        @stage(name=name)
        def tells(run: Run):
            if error:
                raise ValueError(error)
            return states_of(path, run.id)

        return tells

    if executor == "threads":  # two tasks each may wait in front of a thread
        fillers = [told(f"filler{number}") for number in range(2)]
        run = Process("slots", [*fillers, told("last")]).run(workspace=workspace, executor="threads", workers=1)
        assert run.results["filler0"]["last"] == "pending"
        return
    run = Process("turns", [told("a"), told("b"), told("c")]).run(workspace=workspace)
    assert run.results["a"] == {"a": "running", "b": "pending", "c": "pending"}
    assert run.results["b"] == {"a": "completed", "b": "running", "c": "pending"}
    rows = {row.stage: row for row in workspace.store.rows(StageRow, run=run.id)}
    assert rows["a"].started <= rows["a"].ended <= rows["b"].started <= rows["b"].ended <= rows["c"].started

    with pytest.raises(StageExecutionError):
        Process("failing", [told("a", "no such column"), told("z", "not come to")]).run(workspace=workspace)
    rows = {row.stage: row for row in workspace.store.rows(StageRow, process="failing")}
    assert (StageState.FAILED, StageState.PENDING) == (rows["a"].state, rows["z"].state)


def test_a_mapped_stage_says_how_many_items_it_has_as_it_begins(workspace):
    """So that of a run killed before its first progress was shown it is known how much was done of how many."""
    path = str(workspace.path)

    @stage
    def numbers():
        return [10, 20, 30]

    @stage(each="numbers")
    def score(number, run: Run):
        with Workspace.open(path, read_only=True) as seen:
            return seen.store.get(StageRow, run=run.id, stage="score").items_total

    run = Process("counted", [numbers, score]).run(workspace=workspace)
    assert 3 == next(iter(run.results["score"]))


def test_a_stage_that_pauses_between_attempts_runs(workspace):
    """Another takes the slot meanwhile; both read as running then."""
    path, mark = str(workspace.path), workspace.path / "tried"

    @stage(retries=1, retry_delay=0.01)
    def fickle(mark: str):
        if not os.path.exists(mark):
            open(mark, "w").close()
            raise ValueError("busy")
        return 1

    @stage
    def other(run: Run):
        return states_of(path, run.id)["fickle"]

    run = Process("pausing", [fickle, other]).run({"fickle.mark": str(mark)}, workspace=workspace)
    assert (1, "running") == (run.results["fickle"], run.results["other"])


def test_stages_that_could_all_begin_are_as_long_as_each_worked(workspace, monkeypatch):
    """By a clock that only user code moves: three stages and a mapped one, none after another."""
    clock = FakeClock()
    monkeypatch.setattr("milepost.kernel.clock.Clock.monotonic", lambda self: clock.monotonic())

    def taking(name, seconds):
        @stage(name=name)
        def work():
            clock.advance(seconds)
            return seconds

        return work

    @stage
    def numbers():
        return [10, 20, 30]

    @stage(each="numbers")
    def each(number):
        clock.advance(number)
        return number

    process = Process("turns", [numbers, each, taking("a", 1), taking("b", 100), taking("c", 1000)])
    run = process.run(workspace=workspace)
    store = workspace.store
    detail = run_detail(store, find_run(store, run.id), workspace.path / "runs", now=clock.now())
    assert {stage.stage: stage.seconds for stage in detail.stages} == {
        "numbers": 0, "each": 60, "a": 1, "b": 100, "c": 1000,
    }  # fmt: skip
