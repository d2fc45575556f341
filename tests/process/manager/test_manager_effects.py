"""Stages that hand things on through `self`: what was reused behaves as what was computed."""

import pandas
import pytest

from milepost import ProcessManager

PROGRAM = """
import pandas, sys
from milepost import ProcessManager

class Passing(ProcessManager):
    def __init__(self, core_data, **options):
        super().__init__(core_data, **options)
        self.rows, self.table, self.calls, self.log = [], None, 0, []

    def _compute_stage(self, stage):
        print("computing", stage)
        self.calls += 1
        self.log.append(stage)
        return getattr(self, f"_stage{stage}")()

    def _stage1(self):
        self.rows.extend(value * 2 for value in self.core_data)
        self.table = pandas.DataFrame({"a": self.core_data})
        return len(self.core_data)

    def _stage2(self):
        self.table["b"] = self.table["a"] * FACTOR
        return len(self.rows)

    def _stage3(self):
        return [sum(self.rows), int(self.table["b"].sum())]

FACTOR = 10
with Passing([1, 2, 3]) as manager:
    for stage in (1, 2, 3):
        data = manager.get_stage_data(stage, raise_errors=True)
    print(data["results"])
"""


def computed(output):
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith("computing")]


def test_another_program_finds_all_of_it(run_program):
    """A stage that reads what an earlier one assigned is found by what that would have left."""
    first = run_program(PROGRAM)
    assert (computed(first), first.splitlines()[-1]) == ([1, 2, 3], "[12, 60]")
    again = run_program(PROGRAM)
    assert (computed(again), again.splitlines()[-1]) == ([], "[12, 60]")


@pytest.mark.parametrize(
    ("old", "new", "stages", "result"),
    [
        ("sum(self.rows)", "max(self.rows)", [3, 1, 2], "[6, 60]"),
        ("FACTOR = 10", "FACTOR = 20", [2, 1, 3], "[12, 120]"),
        ("value * 2 for", "value * 3 for", [1, 2, 3], "[18, 60]"),
    ],
)
def test_what_has_to_be_computed_finds_what_was_left(run_program, old, new, stages, result):
    """The reused stages that it stands on are carried out first: never a wrong value."""
    run_program(PROGRAM)
    assert old in PROGRAM
    output = run_program(PROGRAM.replace(old, new))
    assert output.splitlines()[-1] == result
    assert sorted(computed(output)) == sorted(stages)
    assert computed(run_program(PROGRAM.replace(old, new))) == []


class Switched(ProcessManager):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.computed, self.rows = [], None

    def _compute_stage(self, stage):
        self.computed.append(stage)
        if stage == 1:
            self.rows = [self.current_decisions[1]["a"]] * 3
            return 1
        return [sum(self.rows), self.current_decisions[2].get("b")]


def test_switching_back_to_an_earlier_decision(made):
    """What lies on self is from another decision: who reads it gets what belongs to this one."""
    manager = made(Switched)

    def under(a, b):
        manager.make_decisions(1, {"a": a})
        manager.make_decisions(2, {"b": b})
        manager.computed.clear()
        manager.get_stage_data(1)
        return manager.get_stage_data(2)["results"], list(manager.computed)

    assert under(1, 0) == ([3, 0], [1, 2])
    assert under(2, 0) == ([6, 0], [1, 2])
    assert under(1, 0) == ([3, 0], [])
    assert under(1, 5) == ([3, 5], [2, 1])
    assert under(1, 6) == ([3, 6], [2])


def test_what_is_set_from_outside_counts_as_it_is(made):
    """An attribute that the program sets after a hit is no longer what the stage left."""
    first = made(Switched)
    first.make_decisions(1, {"a": 1})
    first.make_decisions(2, {"b": 0})
    assert [first.get_stage_data(stage).value for stage in (1, 2)] == [1, [3, 0]]
    second = made(Switched)
    second.make_decisions(1, {"a": 1})
    second.make_decisions(2, {"b": 0})
    assert second.get_stage_data(1).was_reused
    second.rows = [100]
    assert second.get_stage_data(2).value == [100, 0]
    assert second.computed == [2]


def test_data_changed_in_place_counts_as_it_was(made):
    """A computation that changes its input in place is found by the input that it was given."""

    class Cleaning(ProcessManager):
        def _compute_stage(self, stage):
            self.core_data["double"] = self.core_data["a"] * 2
            return int(self.core_data["double"].sum())

    def total(*values):
        return made(Cleaning, pandas.DataFrame({"a": values})).get_stage_data(1)

    assert total(1, 2).value == 6
    assert total(1, 2).was_reused
    assert total(1, 3).value == 8


def test_counters_and_lists_are_state(made):
    """Raised or appended to, they are no reason to compute; looked at for themselves, they are."""

    class Counting(ProcessManager):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.calls, self.seen, self.by_stage = 0, [], {}

        def _compute_stage(self, stage):
            self.calls += 1
            self.seen.append(stage)
            self.by_stage.update({stage: 1})
            return f"call {self.calls}" if stage == 1 else len(self.seen) if stage == 2 else 0

    manager = made(Counting)
    assert [manager.get_stage_data(3).was_reused for _ in range(3)] == [False, True, True]
    assert manager.get_stage_data(1).value == "call 2"
    assert manager.get_stage_data(1).was_reused
    assert manager.get_stage_data(2).value == 3
    manager.seen.append("more")
    assert manager.get_stage_data(2).value == 5
    assert "self.calls is state: its value does not count" in manager.underway.stages["1"].reason


def test_what_a_nested_stage_would_have_left(made):
    """Also when it is asked for after the attribute was looked at before."""

    class Nested(ProcessManager):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.rows = []

        def _compute_stage(self, stage):
            if stage == 1:
                self.rows = [1, 2]
                return "done"
            before = len(self.rows)
            self.get_stage_data(1)
            return [before, len(self.rows), self.current_decisions[2]["b"]]

    for b, was_there in ((1, 0), (2, 0)):
        manager = made(Nested)
        manager.make_decisions(2, {"b": b})
        assert manager.get_stage_data(2).value == [was_there, 2, b]


HANDLED = """
import sys
from milepost import ProcessManager, ProcessStageHandler

CONFIG = {"stages": {"load": {"sequence": 1, "substages": {"read": {}}}}}

class Loading(ProcessManager):
    computed = 0

    def _compute_stage(self, stage):
        Loading.computed += 1
        for done in range(3):
            self.stage_handler.track_progress(stage_name(stage), done / 3, f"{done} of 3")
            self.stage_handler.track_substage_progress("load", "read", done / 3)
        {more}
        return [1, 2, 3]

def stage_name(stage):
    return "load"

manager = Loading(config=CONFIG)
manager.stage_handler = ProcessStageHandler(manager, CONFIG)
manager.stage_handler.initialize_process("loading")
with manager.stage_handler.stage("load") as block:
    manager.stage_handler.start_substage("load", "read")
    block.result = manager.get_stage_data("load")
print(Loading.computed, block.result["results"])
manager.stage_handler.close()
"""


def test_a_computation_that_tracks_its_progress_is_reused_by_later_programs(run_program):
    """Telling how far one is changes no result: what the handler of this run is does not count."""
    source = HANDLED.replace("{more}", "pass")
    assert ["1 [1, 2, 3]", "0 [1, 2, 3]"] == [run_program(source), run_program(source)]
    assert "1 [1, 2, 3]" == run_program(source.replace('"sequence": 1', '"sequence": 1, "description": "changed"'))


@pytest.mark.parametrize(
    "more",
    [
        "self.stage_handler.run_name",
        "self.stage_handler.data_container",
        "self.stage_handler.get_process_summary()",
        "self.stage_handler.record_stage_decision('load', 'd', {'a': 1})",
        "self.stage_handler.get_stage_status('load')",
        "self.stage_handler.stages['load']",
    ],
)
def test_one_that_asks_its_handler_for_more_is_not(run_program, more):
    """What a handler knows differs from run to run, and what it is told would be missing."""
    source = HANDLED.replace("{more}", more)
    assert ["1 [1, 2, 3]", "1 [1, 2, 3]"] == [run_program(source), run_program(source)]
