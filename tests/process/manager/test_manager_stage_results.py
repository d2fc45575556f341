"""What `get_stage_data` gives, and when it computes."""

import numpy
import pytest

from milepost import ProcessManager
from milepost.errors import DependencyError, InvalidDataError, StageExecutionError
from milepost.model.rows import EventRow, ResultRow, StageRow
from milepost.model.status import StageState


def process_data(data):
    return [value * 2 for value in data]


class Custom(ProcessManager):
    """As the document has it."""

    def __init__(self, core_data, **options):
        super().__init__(core_data, **options)
        self.computed = []
        self.register_decision_point(
            stage=1, schema=dict, required=True, defaults={"parameter1": "default", "parameter2": 10}
        )

    def _compute_stage(self, stage):
        if stage == 1:
            return self._handle_stage1()
        if stage == 2:
            return self._handle_stage2()
        return None

    def _handle_stage1(self):
        self.computed.append(1)
        return process_data(self.core_data)

    def _handle_stage2(self):
        self.computed.append(2)
        return {"many": len(self.get_stage_data(1)["results"]), "p2": self.current_decisions[1]["parameter2"]}


def test_a_result_is_the_documented_mapping(made):
    """Status, sized results, and equal to what the computation returned."""
    manager = made(Custom, [1, 2, 3])
    data = manager.get_stage_data(1)
    assert data == process_data([1, 2, 3])
    assert (data["status"], data["results"], data["error"]) == ("success", [2, 4, 6], None)
    assert dict(data) == {"status": "success", "results": [2, 4, 6], "error": None}


def test_a_stage_that_nothing_computes_has_an_empty_result(made):
    """None of an unknown stage has a length all the same."""
    data = made(Custom, [1]).get_stage_data(3)
    assert (data["status"], data["results"], data.value) == ("success", [], None)


def test_the_same_is_found_and_not_computed_again(made):
    """A second call, and one by another address."""
    manager = made(Custom, [1, 2])
    first, second, third = manager.get_stage_data(1), manager.get_stage_data(1), manager.get_stage_data("1")
    assert [first.was_reused, second.was_reused, third.was_reused] == [False, True, True]
    assert first == second == third
    assert manager.computed == [1]


def test_a_decision_that_was_never_read_is_no_reason(made):
    """Only what the computation read is in its key."""
    manager = made(Custom, [1, 2])
    manager.get_stage_data(2)
    manager.make_decisions(1, {"parameter1": "other"})
    assert manager.get_stage_data(2).was_reused
    manager.make_decisions(1, {"parameter2": 11})
    assert manager.get_stage_data(2)["results"]["p2"] == 11
    assert manager.computed == [2, 1, 2]


def test_going_back_to_an_earlier_decision_is_a_hit(made):
    """Nothing is deleted by a change."""
    manager = made(Custom, [1, 2])
    before = manager.get_stage_data(2).value
    manager.make_decisions(1, {"parameter2": 11})
    manager.get_stage_data(2)
    manager.make_decisions(1, {"parameter2": 10})
    assert manager.get_stage_data(2).was_reused
    assert manager.get_stage_data(2).value == before


def test_core_data_counts(made):
    """Another value of an attribute that is read is another result."""
    manager = made(Custom, [1, 2])
    manager.get_stage_data(2)
    manager.core_data = [1, 2, 3]
    assert manager.get_stage_data(2)["results"]["many"] == 3
    manager.core_data = [1, 2]
    assert manager.get_stage_data(2).was_reused


def test_another_manager_finds_it(made):
    """Across runs: the key holds neither process nor run."""
    made(Custom, [1, 2]).get_stage_data(2)
    other = made(Custom, [1, 2], project_name="another")
    assert other.get_stage_data(2).was_reused
    assert other.computed == []


def test_an_error_is_a_status_and_keeps_its_exception(made, place):
    """`if stage_data["status"] == "success"` works, and nothing is lost; errors are never found again."""

    class Failing(ProcessManager):
        tries = 0

        def _compute_stage(self, stage):
            type(self).tries += 1
            raise ValueError("no such column")

    manager = made(Failing)
    data = manager.get_stage_data(1)
    assert (data["status"], data["results"], data["error"]) == ("error", [], "ValueError: no such column")
    assert isinstance(data.exception, ValueError)
    assert manager.get_stage_data(1).exception is not data.exception
    with pytest.raises(StageExecutionError, match="stage '1' failed: ValueError: no such column") as caught:
        manager.get_stage_data(1, raise_errors=True)
    assert isinstance(caught.value.__cause__, ValueError)
    row = place.store.get(StageRow, run=manager.underway.id, stage="1")
    assert (row.state, row.error) == (StageState.FAILED, "ValueError: no such column")


def test_caching_can_be_switched_off(made):
    """For the manager, a stage, a call."""
    manager = made(Custom, [1], caching=False)
    assert [manager.get_stage_data(1).was_reused for _ in range(2)] == [False, False]
    manager = made(Custom, [1])
    manager.register_decision_point(2, dict, required=False, caching=False)
    assert [manager.get_stage_data(2).was_reused for _ in range(2)] == [False, False]
    manager.get_stage_data(1)
    assert [manager.get_stage_data(1, use_cache=False).was_reused, manager.get_stage_data(1).was_reused] == [
        False,
        True,
    ]


def test_large_results_are_references(made, place):
    """The result is an object; each consumer maps its own copy, and the producer's changes reach nobody."""

    class Large(ProcessManager):
        def _compute_stage(self, stage):
            self.kept = numpy.arange(1_000_000)
            return self.kept

    manager = made(Large)
    data = manager.get_stage_data(1)
    manager.kept[:] = 0
    assert data.value[-1] == 999_999
    assert place.objects.has(data.address)
    assert data == numpy.arange(1_000_000)


def test_a_stage_that_asks_for_itself_is_an_error(made):
    """Directly or through another, and at once."""

    class Circle(ProcessManager):
        def _compute_stage(self, stage):
            return self.get_stage_data(3 - stage).value

    data = made(Circle).get_stage_data(1, raise_errors=False)
    assert data["status"] == "success"  # stage 2 had the error, as a mapping
    manager = made(Circle, raise_errors=True)
    with pytest.raises(StageExecutionError, match="asks for its own result: 1 → 2 → 1"):
        manager.get_stage_data(1)


def test_a_result_that_cannot_be_stored_is_handed_on(made, place):
    """In this process alone, and said in the stage's row."""

    class Lock(ProcessManager):
        def _compute_stage(self, stage):
            import threading

            return {"lock": threading.Lock()}

    manager = made(Lock)
    with pytest.warns(RuntimeWarning, match="not reused by other processes: its result cannot be stored"):
        data = manager.get_stage_data(1)
    assert manager.get_stage_data(1).value is data.value
    assert place.store.rows(ResultRow) == []
    row = place.store.get(StageRow, run=manager.underway.id, stage="1")
    assert "not reusable by other processes: its result cannot be stored" in row.reason


def test_an_unkeyable_attribute_counts_by_being_the_same_object(made, place):
    """Found in this manager while it is the same, never by another; and that is said."""

    class Connected(ProcessManager):
        def _compute_stage(self, stage):
            return next(iter(self.core_data.items))

    class Source:
        def __init__(self, first):
            self.items = iter([first])

        def __getstate__(self):
            raise TypeError("a connection")

    manager = made(Connected, Source(1))
    with pytest.warns(RuntimeWarning, match="stage 1 is not reused by other processes"):
        assert manager.get_stage_data(1)["results"] == [1]
    assert manager.get_stage_data(1).was_reused
    manager.core_data = Source(2)
    assert manager.get_stage_data(1)["results"] == [2]
    assert place.store.rows(ResultRow) == []


def test_a_decision_changed_while_its_stage_runs(made, place):
    """The stage keeps what it began with, and the record says so."""

    class Meddled(ProcessManager):
        def _compute_stage(self, stage):
            before = self.current_decisions[1]["a"]
            if before == 1:
                self.make_decisions(1, {"a": 2})
            return [before, self.current_decisions[1]["a"], self.get_stage_decision(1, "a")]

    manager = made(Meddled)
    manager.make_decisions(1, {"a": 1})
    assert manager.get_stage_data(1)["results"] == [1, 1, 1]
    row = place.store.get(StageRow, run=manager.underway.id, stage="1")
    assert "1.a was changed while it ran: it kept what it began with" in row.reason
    assert place.store.get(EventRow, run=manager.underway.id, kind="decision_changed_meanwhile") is not None
    assert manager.get_stage_data(1)["results"] == [2, 2, 2]


def test_a_given_result_stands(made):
    """What complete_stage was given is the stage's result, and counts for those who take it."""
    manager = made(Custom, [1])
    manager.set_result(1, [7, 8])
    assert manager.get_stage_data(1)["results"] == [7, 8]
    assert manager.get_stage_data(2)["results"]["many"] == 2
    manager.drop_result(1)
    assert manager.get_stage_data(2)["results"]["many"] == 1


def test_a_given_result_is_computed_anew_when_its_decisions_change(made):
    """It was made under others; back under these it stands again. A later stage's decisions do not concern it."""
    manager = made(Custom, [1])
    manager.make_decisions(1, {"a": 1})
    manager.set_result(1, [7, 8])
    manager.record_decisions(2, {"b": 1})
    assert manager.get_stage_data(1)["results"] == [7, 8]
    manager.make_decisions(1, {"a": 2})
    assert manager.get_stage_data(1)["results"] != [7, 8]
    assert manager.get_stage_data(2)["results"]["many"] == 1
    manager.make_decisions(1, {"a": 1})
    assert manager.get_stage_data(1)["results"] == [7, 8]


def test_a_given_result_that_nothing_computes_is_an_error_when_its_decisions_change(made):
    """Neither what was made under other decisions nor an empty success is given; the error says what changed."""
    manager = made()
    manager.make_decisions(1, {"a": 1})
    manager.set_result(2, [7, 8])
    manager.make_decisions(1, {"a": 2, "b": 3})
    data = manager.get_stage_data(2)
    assert (data["status"], data["results"]) == ("error", [])
    assert "made before 1.a, 1.b changed: start stage '2' again" in data["error"]
    manager.set_result(2, [9])
    assert manager.get_stage_data(2)["results"] == [9]


def test_missing_decisions_are_misuse(made):
    """They are raised, not a status."""
    manager = made(Custom, [1])
    manager.register_decision_point(2, {"a": int})
    with pytest.raises(InvalidDataError, match="^Missing required keys: a$"):
        manager.get_stage_data(2)


def test_a_manager_without_a_computation(made):
    """Nothing comes out, with success; it is found again until a decision that the stage stands on changes."""
    manager = made()
    manager.make_decisions(1, {"parameter1": "value1"})
    manager.make_decisions(3, {"parameter2": 42})
    first, second = manager.get_stage_data(2), manager.get_stage_data(2)
    assert (first["status"], first["results"]) == ("success", [])
    assert (first.was_reused, second.was_reused, first == second) == (False, True, True)
    manager.make_decisions(3, {"parameter2": 43})
    assert manager.get_stage_data(2).was_reused
    manager.make_decisions(1, {"new_value": 10})
    assert not manager.get_stage_data(2).was_reused


def test_nested_errors_are_not_kept(made):
    """A stage that took one that failed is computed again."""

    class Weak(ProcessManager):
        is_broken = True

        def _compute_stage(self, stage):
            if stage == 1:
                if self.core_data["broken"]:
                    raise OSError("gone")
                return 1
            return self.get_stage_data(1)["status"]

    manager = made(Weak, {"broken": True})
    with pytest.warns(RuntimeWarning, match="it took stage 1, which failed"):
        assert manager.get_stage_data(2).value == "error"
    manager.core_data = {"broken": False}
    assert manager.get_stage_data(2).value == "success"


def test_dependency_error_is_documented():
    """The circle's error is the documented family's."""
    assert issubclass(DependencyError, Exception)
