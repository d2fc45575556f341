"""Stages that take turns in one thread are each as long as they worked, so that what reuse saves is true."""

import pytest

from milepost import Process, stage
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
