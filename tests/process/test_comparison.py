"""Scenarios compared: what each decides, the run that shows what it comes to, and the forms a comparison takes."""

import json
import os
import pickle
import time

import pytest

from milepost import ProcessManager
from milepost.errors import InvalidDataError, ScenarioStateError, UnknownRunError
from milepost.model.rows import RunRow
from milepost.process.comparing.meant import find_subjects, newest_subjects
from milepost.process.comparing.scenario_comparison import compare_scenarios
from milepost.process.decisions.scenarios import Scenarios

SALES = """
    from milepost import Process, stage

    @stage
    def orders(count: int = 4, api_key: str = "none"):
        return list(range(count))

    @stage
    def score(orders, threshold: float = 0.75, options: dict = {"depth": 2, "kind": "tree"}):
        return {"scores": [order * threshold for order in orders], "metrics": {"best": max(orders) * threshold}}

    sales = Process("sales", [orders, score])
"""


@pytest.fixture
def sales(load):
    return load(SALES)


@pytest.fixture
def scenarios(workspace):
    return Scenarios(workspace.store, workspace.objects, "sales")


@pytest.fixture
def compare(workspace, scenarios):
    def compare(*names):
        found = [scenarios.get(name) for name in names]
        return compare_scenarios(workspace.store, workspace.objects, workspace.path / "runs", found, now=time.time())

    return compare


def test_the_items_are_the_scenarios_in_the_order_asked_for(scenarios, compare):
    """Name, id, decisions and time of saving; what was never run has no results."""
    scenarios.save("strict", {"score": {"threshold": 0.9}})
    scenarios.save("loose", {"score": {"threshold": 0.1}})
    compared = compare("loose", "strict")
    assert [item["name"] for item in compared] == ["loose", "strict"]
    assert compared[1]["id"] == scenarios.get("strict").id
    assert compared[0]["decisions"] == {"score": {"threshold": 0.1}}
    assert "T" in compared[0]["timestamp"]
    assert "results" not in compared[0]
    assert json.loads(json.dumps(compared)) == compared


def test_diff_has_only_the_decisions_that_differ(scenarios, compare):
    """By path and scenario; a scenario that has no such decision is not there, one that decided null is."""
    scenarios.save("a", {"score": {"threshold": 0.9, "same": 1, "only": None}})
    scenarios.save("b", {"score": {"threshold": 0.1, "same": 1}})
    assert compare("a", "b").diff == {"score.threshold": {"a": 0.9, "b": 0.1}, "score.only": {"a": None}}


def test_a_scenario_shows_its_newest_run(workspace, sales, compare):
    """With metrics, what was reused and the run's name."""
    sales.save_scenario("strict", {"score.threshold": 0.9}, workspace=workspace)
    sales.save_scenario("loose", {"score.threshold": 0.1}, workspace=workspace)
    sales.run(scenario="strict", workspace=workspace)
    loose = sales.run(scenario="loose", workspace=workspace)
    compared = compare("strict", "loose")
    assert compared[1]["run"] == loose.name
    assert compared[1]["results"]["orders"]["reused"]
    assert compared.metrics == {"score.best": {"strict": pytest.approx(2.7), "loose": pytest.approx(0.3)}}
    assert compared[0]["metrics"] == {"score.best": pytest.approx(2.7)}


def test_a_run_that_decided_the_same_shows_a_scenario_that_was_saved_later(workspace, sales, compare):
    """Though nobody asked for it by name; what the scenario does not name is at its default there."""
    run = sales.run({"score.threshold": 0.9}, workspace=workspace)
    sales.run({"score.threshold": 0.9, "orders.count": 7}, workspace=workspace)
    sales.save_scenario("strict", {"score.threshold": 0.9}, workspace=workspace)
    assert compare("strict")[0]["run"] == run.name


def test_a_run_with_other_decisions_over_a_scenario_does_not_show_it(workspace, sales, compare):
    """Nor one of an earlier version of it."""
    sales.save_scenario("strict", {"score.threshold": 0.9}, workspace=workspace)
    sales.run({"orders.count": 9}, scenario="strict", workspace=workspace)
    assert "run" not in compare("strict")[0]
    first = sales.run(scenario="strict", workspace=workspace)
    assert compare("strict")[0]["run"] == first.name
    sales.save_scenario("strict", {"score.threshold": 0.95}, workspace=workspace)
    assert "run" not in compare("strict")[0]


def test_a_scenario_without_a_run_differs_from_the_defaults_of_the_newest_run(workspace, sales, compare):
    """What it does not decide is what the process says; so only what was chosen differs."""
    sales.run(workspace=workspace)
    sales.save_scenario("base", {}, workspace=workspace)
    sales.save_scenario("deep", {"score.options": {"depth": 9, "kind": "tree"}}, workspace=workspace)
    assert compare("base", "deep").diff == {"score.options.depth": {"base": 2, "deep": 9}}


def test_secrets_stay_masked_and_make_no_difference_that_is_not_known(workspace, sales, compare):
    """Runs with other secrets differ, and say only that; a scenario that does not keep one cannot be told apart."""
    one = sales.run({"orders.api_key": "sesame-open-1"}, workspace=workspace)
    two = sales.run({"orders.api_key": "sesame-open-2"}, workspace=workspace)
    sales.save_scenario("keyed", {"orders.api_key": "sesame-open-3"}, workspace=workspace)
    found = find_subjects(
        workspace.store, workspace.objects, workspace.path / "runs", [one.name, two.name, "keyed"],
        process=None, now=time.time(),
    )  # fmt: skip
    values = [subject.decisions["orders", "api_key"] for subject in found]
    assert values[0].identity != values[1].identity
    assert [value.text for value in values] == ['"***"', '"***"', '"*** (not kept)"']
    sales.save_scenario("other", {"score.threshold": 0.5}, workspace=workspace)
    assert compare("keyed", "other").diff == {"score.threshold": {"keyed": 0.75, "other": 0.5}}
    assert "sesame" not in compare("keyed", "other").to_table(everything=True)


def test_values_that_json_cannot_hold_are_compared_as_what_they_are(scenarios, compare):
    """Their previews look alike; what they hold tells."""
    scenarios.save("a", {"score": {"data": {1, 2}, "same": b"\x00"}})
    scenarios.save("b", {"score": {"data": {1, 3}, "same": b"\x00"}})
    assert list(compare("a", "b").diff) == ["score.data"]


def test_a_comparison_prints_as_a_table_and_shows_as_one_in_a_notebook(workspace, sales, compare):
    """The same text as `to_table`; Markdown and HTML have what it has."""
    sales.save_scenario("strict|1", {"score.threshold": 0.9}, workspace=workspace)
    sales.save_scenario("<b>loose", {"score.threshold": 0.1}, workspace=workspace)
    sales.run(scenario="strict|1", workspace=workspace)
    compared = compare("strict|1", "<b>loose")
    assert str(compared) == compared.to_table()
    assert "never run" in str(compared)
    assert "strict\\|1" in compared.to_markdown()
    assert "<b>" not in compared._repr_html_()
    assert "&lt;b&gt;loose" in compared._repr_html_()
    assert "orders.count" not in str(compared)
    assert "orders.count" in compared.to_table(everything=True)


def test_a_comparison_can_be_copied_and_sent(scenarios, compare):
    """It is a list of plain values beside what it was made of."""
    scenarios.save("a", {"score": {"threshold": 0.9}})
    compared = compare("a")
    assert pickle.loads(pickle.dumps(compared)).to_table() == compared.to_table()


class ByHand(ProcessManager):
    def _compute_stage(self, stage):
        if stage == 1:
            return [one * self.current_decisions[1]["factor"] for one in self.core_data]
        kept = [one for one in self.get_stage_data(1)["results"] if one > self.current_decisions[2]["least"]]
        return {"kept": kept, "metrics": {"kept": len(kept)}}


def test_what_was_computed_before_a_decision_changed_is_no_result_of_the_other_scenario(workspace):
    """Both were decided in one run: each shows what its own decisions came to, also when it was computed earlier."""
    manager = ByHand([1, 2, 3, 4], "by hand", workspace=workspace)
    manager.make_decisions(1, {"factor": 3})
    manager.make_decisions(2, {"least": 5})
    manager.get_stage_data(2)
    one = manager.save_current_scenario("one")
    manager.make_decisions(2, {"least": 8})
    two = manager.save_current_scenario("two")
    assert manager.compare_scenarios([one, two]).metrics == {"2.kept": {"one": 3}}
    manager.get_stage_data(2)
    compared = manager.compare_scenarios([one, two])
    assert compared.metrics == {"2.kept": {"one": 3, "two": 2}}
    assert compared.diff == {"2.least": {"one": 5, "two": 8}}
    assert list(compared[0]["results"]) == [1, 2]
    assert compared[0]["decisions"] == {1: {"factor": 3}, 2: {"least": 5}}
    manager.underway.end()


def test_another_manager_reads_what_a_scenario_came_to(workspace):
    """The stored reads say so: nothing is computed again for a comparison."""
    manager = ByHand([1, 2, 3, 4], "by hand", workspace=workspace)
    manager.make_decisions(1, {"factor": 3})
    manager.make_decisions(2, {"least": 5})
    manager.get_stage_data(2)
    manager.save_current_scenario("one")
    manager.make_decisions(2, {"least": 100})
    other = ByHand(None, "by hand", workspace=workspace)
    assert other.compare_scenarios(["one"]).metrics == {"2.kept": {"one": 3}}
    manager.underway.end()


@pytest.fixture
def subjects(workspace):
    def subjects(*words, process=None):
        found = find_subjects(
            workspace.store, workspace.objects, workspace.path / "runs", words, process=process, now=time.time()
        )
        return [(subject.label, subject.run and subject.run.name) for subject in found]

    return subjects


def test_a_word_means_a_run_or_a_scenario(workspace, sales, subjects):
    """By name, id, "last", the beginning of an id; in the order of the words."""
    run = sales.run({"score.threshold": 0.3}, workspace=workspace)
    sales.save_scenario("strict", {"score.threshold": 0.9}, workspace=workspace)
    assert subjects("strict", run.name, run.id[:8], "last") == [("strict", None), *[(run.name, run.name)] * 3]


def test_a_word_that_means_both_is_refused_until_it_is_said(workspace, sales, subjects):
    """run: and scenario: say it."""
    run = sales.run({"score.threshold": 0.3}, workspace=workspace)
    sales.save_scenario(run.name, {"score.threshold": 0.9}, workspace=workspace)
    with pytest.raises(InvalidDataError, match=f"say run:{run.name} or scenario:{run.name}"):
        subjects(run.name)
    assert subjects(f"run:{run.name}", f"scenario:{run.name}") == [(run.name, run.name), (run.name, None)]


def test_a_scenario_of_several_processes_needs_the_process(workspace, subjects):
    """Which is said with --process."""
    for process in ("sales", "stock"):
        Scenarios(workspace.store, workspace.objects, process).save("strict", {"a": {"b": process}})
    with pytest.raises(ScenarioStateError, match="--process"):
        subjects("strict")
    assert subjects("strict", process="stock") == [("strict", None)]


def test_what_nothing_is_called_is_refused_with_the_nearest_of_both(workspace, sales, subjects):
    """Runs and scenarios."""
    run = sales.run(workspace=workspace)
    sales.save_scenario("strict", {}, workspace=workspace)
    for word, meant in (("strikt", "strict"), (run.name[:-1] + "_", run.name)):
        with pytest.raises(UnknownRunError, match=f"Did you mean '{meant}'"):
            subjects(word)


def test_the_newest_runs_come_oldest_first(workspace, sales):
    """Of one process, where that is said."""
    names = [sales.run({"score.threshold": each}, workspace=workspace).name for each in (0.1, 0.2, 0.3)]
    found = newest_subjects(workspace.store, workspace.path / "runs", 2, process="sales", now=time.time())
    assert [subject.label for subject in found] == names[1:]
    assert newest_subjects(workspace.store, workspace.path / "runs", 2, process="other", now=time.time()) == []


def test_a_dead_run_is_compared_as_interrupted(workspace, compare, scenarios):
    """Nobody has to write it down first."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            manager = ByHand([1, 2], "sales", workspace=str(workspace.path))
            manager.make_decisions(1, {"factor": 3})
            os.write(write, b"x")
        finally:
            os.kill(os.getpid(), 9)
    os.read(read, 1)
    os.waitpid(child, 0)
    scenarios.save("one", {"1": {"factor": 3}})
    assert "interrupted" in str(compare("one"))
    assert workspace.store.rows(RunRow)[0].state.is_active
