"""Scenarios on a manager: saved, listed, compared, loaded, run."""

import pytest

from milepost import ProcessManager
from milepost.errors import InvalidDataError, ScenarioStateError, UnknownScenarioError
from milepost.model.rows import DecisionRow, RunRow, ScenarioRow
from milepost.model.status import RunState
from milepost.process.manager.snapshot import Snapshot


class Sums(ProcessManager):
    def _compute_stage(self, stage):
        total = sum(self.core_data) * self.current_decisions[1]["factor"]
        return {"total": total, "metrics": {"total": total}}


def test_the_documents_block(made):
    """Two ids, a list with both, a comparison that shows the difference, and back to the first."""
    manager = made()
    manager.make_decisions(1, {"parameter1": "value1"})
    manager.make_decisions(2, {"parameter2": 42})
    one = manager.save_current_scenario("Baseline Scenario")
    manager.make_decisions(1, {"parameter1": "alternative"})
    other = manager.save_current_scenario("Alternative Scenario")
    assert one != other
    assert [(each["name"], each["id"]) for each in manager.get_saved_scenarios()] == [
        ("Baseline Scenario", one), ("Alternative Scenario", other),
    ]  # fmt: skip
    comparison = manager.compare_scenarios([one, other])
    assert comparison[1]["decisions"][1] == {"parameter1": "alternative"}
    assert comparison.diff == {"1.parameter1": {"Baseline Scenario": "value1", "Alternative Scenario": "alternative"}}
    manager.load_scenario(one)
    assert manager.decisions() == {"1": {"parameter1": "value1"}, "2": {"parameter2": 42}}


def test_loading_decides_exactly_what_was_saved(made, place):
    """What it does not name goes back to its default or is gone, and that is recorded with a note."""
    manager = made()
    manager.register_decision_point(1, dict, defaults={"a": 1, "b": 2})
    manager.make_decisions(1, {"a": 10})
    saved = manager.save_current_scenario("s")
    manager.make_decisions(1, {"a": 11, "b": 20, "c": 30})
    manager.load_scenario(saved)
    assert manager.decisions() == {"1": {"a": 10, "b": 2}}
    assert place.store.get(DecisionRow, name="c").source == "removed"
    assert place.store.get(DecisionRow, name="a").note == "scenario s"


def test_results_are_found_again_under_a_loaded_scenario(made):
    """Switching between scenarios computes nothing twice."""
    manager = made(Sums, [1, 2])
    manager.make_decisions(1, {"factor": 2})
    one = manager.save_current_scenario("one")
    assert manager.get_stage_data(2)["results"]["total"] == 6
    manager.make_decisions(1, {"factor": 3})
    assert manager.get_stage_data(2)["results"]["total"] == 9
    manager.load_scenario(one)
    assert manager.get_stage_data(2).was_reused
    assert manager.get_stage_data(2).metrics == {"total": 6}


def test_running_scenarios(made, place):
    """Each is a run of its own under its name; the manager's decisions and run are as before afterwards."""
    manager = made(Sums, [1, 2])
    manager.make_decisions(1, {"factor": 2})
    manager.save_current_scenario("one")
    manager.make_decisions(1, {"factor": 3})
    manager.save_current_scenario("two")
    before = manager.underway.id
    totals = {name: manager.run_scenario(name, [2])[2]["results"]["total"] for name in ("one", "two")}
    assert totals == {"one": 6, "two": 9}
    assert (manager.underway.id, manager.decisions()) == (before, {"1": {"factor": 3}})
    runs = [run for run in place.store.rows(RunRow) if run.scenario]
    assert [(run.scenario, run.state) for run in runs] == [("one", RunState.COMPLETED), ("two", RunState.COMPLETED)]
    comparison = manager.compare_scenarios(["one", "two"])
    assert comparison.metrics == {"2.total": {"one": 6, "two": 9}}
    assert [each["results"][2]["status"] for each in comparison] == ["completed", "completed"]


def test_names_ids_and_versions(made):
    """Saving again is the next version under the same id; renaming keeps the id; deleting takes it out of the list."""
    manager = made()
    manager.make_decisions(1, {"a": 1})
    saved = manager.save_current_scenario("s")
    manager.make_decisions(1, {"a": 2})
    assert manager.save_current_scenario("s") == saved
    assert [(one["version"], one["decisions"]) for one in manager.saved_scenarios] == [(2, {1: {"a": 2}})]
    manager.rename_scenario("s", "t")
    manager.load_scenario("t")
    manager.delete_scenario(saved)
    assert manager.get_saved_scenarios() == []


def test_unknown_scenarios(made):
    """The nearest is named; it is the documented family's error and an IndexError."""
    manager = made()
    manager.make_decisions(1, {"a": 1})
    manager.save_current_scenario("baseline")
    with pytest.raises(UnknownScenarioError, match="Did you mean 'baseline'") as caught:
        manager.load_scenario("basline")
    assert isinstance(caught.value, IndexError)
    with pytest.raises(ScenarioStateError):
        manager.compare_scenarios(["baseline", 17])


def test_a_scenario_that_fits_no_longer(made):
    """Nothing is decided by half."""
    manager = made()
    manager.register_decision_point(1, {"a": int}, defaults={"a": 0})
    manager.make_decisions(1, {"a": 1})
    saved = manager.save_current_scenario("s")
    manager.register_decision_point(1, {"b": int}, defaults={"b": 0})
    with pytest.raises(ScenarioStateError, match="does not fit the decision points as they are now: .*'a'"):
        manager.load_scenario(saved)


def test_a_secret_that_nobody_chose_is_no_part_of_a_scenario(made):
    """What CONFIG gives, now or later, stands when the scenario is loaded: here and in another program."""
    config = {
        "stages": {"load": {"sequence": 1, "decisions": {"api_key": "first-first", "conn": {"password": "pw-pw-pw"}}}}
    }
    manager = made(config=config)
    manager.make_decisions("load", {"limit": 3})
    saved = manager.save_current_scenario("s")
    assert {"limit": 3} == manager.saved_scenarios[0]["decisions"]["load"]
    later = made(config={"stages": {"load": {"sequence": 1, "decisions": {"api_key": "later-later"}}}})
    later.project_name = manager.project_name
    later.load_scenario(saved)
    assert {"load": {"api_key": "later-later", "limit": 3}} == later.decisions()


def test_secrets_are_not_kept_in_scenarios(made):
    """Loading wants them decided; it says which and how."""
    manager = made()
    manager.make_decisions(1, {"a": 1, "api_token": "hush-hush-hush"})
    saved = manager.save_current_scenario("s")
    manager.load_scenario(saved)
    assert manager.decisions() == {"1": {"a": 1, "api_token": "hush-hush-hush"}}
    manager.make_decisions(1, {"a": 2}, replace=True)
    with pytest.raises(InvalidDataError, match=r"does not keep 1.api_token.*make_decisions\(1, \{'api_token': …\}\)"):
        manager.load_scenario(saved)


def test_comparing_many_scenarios_takes_steps_in_proportion(made, place, monkeypatch):
    """Neither all scenarios nor all results are looked through for each of them."""
    count, seen = 30, {"scenarios": 0, "digests": 0}
    manager = made(Sums, [1, 2])
    ids = []
    for factor in range(count):
        manager.make_decisions(1, {"factor": factor})
        manager.get_stage_data(2)
        ids.append(manager.save_current_scenario(f"s{factor}"))
    rows, digest = type(place.store).rows, Snapshot.digest

    def counted_rows(store, row, **equal):
        found = rows(store, row, **equal)
        seen["scenarios"] += len(found) if row is ScenarioRow else 0
        return found

    def counted_digest(*arguments):
        seen["digests"] += 1
        return digest(*arguments)

    monkeypatch.setattr(type(place.store), "rows", counted_rows)
    monkeypatch.setattr(Snapshot, "digest", counted_digest)
    compared = manager.compare_scenarios(ids)
    assert [{"2.total": 3 * factor} for factor in range(count)] == [each["metrics"] for each in compared]
    assert seen["scenarios"] <= 4 * count and seen["digests"] <= 4 * count
