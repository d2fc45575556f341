"""A stage handler on a process manager: one run, one record of decisions, results that both know."""

from typing import TypedDict

import pytest

from milepost.errors import DecisionValidationError, InvalidDataError, ProcessManagementError
from milepost.model.rows import DecisionRow, RunRow
from milepost.process import ProcessManager, ProcessStageHandler

CONFIG = {
    "stages": {
        "loading": {"sequence": 1, "decisions": {"selections": {"apply": False, "limit": 10}}},
        "processing": {"sequence": 2, "repeatable": True},
    }
}


@pytest.fixture
def manager(workspace):
    with ProcessManager(None, "calls", workspace=workspace) as manager:
        yield manager


@pytest.fixture
def handler(manager):
    handler = ProcessStageHandler(manager, CONFIG)
    handler.initialize_process("My Process")
    yield handler
    handler.close()


def current(workspace, run):
    """What the run's rows say is decided."""
    rows = workspace.store.rows(DecisionRow, run=run)
    return {(row.stage, row.name): row.value for row in rows if row.source != "removed"}


def test_one_run_for_both(handler, manager, workspace):
    """The manager records in the handler's run, also what was decided before there was one."""
    assert handler.underway is manager.underway
    assert workspace is handler.underway.workspace
    manager.make_decisions(1, {"parameter1": "value1"})
    handler.record_stage_decision("loading", "selections", {"apply": True}, note="asked for")
    assert {"parameter1": "value1", "selections": {"apply": True, "limit": 10}} == dict(manager.current_decisions[1])
    assert {"selections": {"apply": True, "limit": 10}} == handler.stages["loading"]["decisions"]
    decided = current(workspace, handler.current_process_id)
    assert '"value1"' == decided["loading", "parameter1"]
    rows = workspace.store.rows(DecisionRow, run=handler.current_process_id, name="selections")
    assert ("chosen", "asked for") == (rows[-1].source, rows[-1].note)


def test_what_was_decided_before_is_recorded_anew(manager, workspace):
    """The manager's own run ends when a handler takes it along, and its decisions go with it."""
    manager.make_decisions(1, {"parameter1": "early"})
    own = manager.underway.id
    handler = ProcessStageHandler(manager, CONFIG)
    process_id = handler.initialize_process("My Process")
    assert "completed" == workspace.store.get(RunRow, id=own).state
    assert '"early"' == current(workspace, process_id)["loading", "parameter1"]
    handler.close()


def test_the_result_of_a_completed_stage(handler, manager):
    """Is what the manager gives for it, by number and by name, until the stage begins again."""
    handler.start_stage("loading")
    handler.complete_stage("loading", result_data=[1, 2, 3])
    assert [1, 2, 3] == manager.get_stage_data(1)["results"] == manager.get_stage_data("loading")["results"]
    for n in (1, 2):
        handler.start_stage("processing")
        handler.complete_stage("processing", result_data={"round": n})
        assert {"round": n} == manager.get_stage_data(2)["results"]
    assert "completed" == handler.get_stage_status("processing")["status"]


class Selections(TypedDict):
    apply: bool
    limit: int


class Loading(TypedDict, total=False):
    selections: Selections


@pytest.mark.parametrize("value", [{"apply": "yes"}, {"apply": True}])
def test_a_decision_that_the_manager_s_schema_refuses(manager, workspace, value):
    """Is never swallowed, and neither side has it."""
    manager.register_decision_point(1, Loading, required=False)
    config = {"stages": {"loading": {"sequence": 1}}}
    handler = ProcessStageHandler(manager, config)
    handler.initialize_process("My Process")
    with pytest.raises(DecisionValidationError, match="selections"):
        handler.record_stage_decision("loading", "selections", value)
    assert {} == handler.stages["loading"]["decisions"]
    assert ("loading", "selections") not in current(workspace, handler.current_process_id)
    handler.record_stage_decision("loading", "selections", {"apply": True, "limit": 3})
    handler.close()


def test_opened_again_with_another_manager(handler, manager, workspace):
    """Decisions and results are there on both sides, and it goes on in the same run."""
    manager.make_decisions(1, {"parameter1": "value1"})
    handler.start_stage("loading")
    handler.record_stage_decision("loading", "selections", {"apply": True})
    handler.complete_stage("loading", result_data=[1, 2, 3])
    before, process_id = (handler.stages, handler.get_process_summary()), handler.current_process_id
    handler.close()
    with ProcessManager(None, "calls", workspace=workspace) as other:
        again = ProcessStageHandler.open_process(process_id, other, CONFIG)
        assert before == (again.stages, again.get_process_summary())
        assert {"parameter1": "value1", "selections": {"apply": True, "limit": 10}} == dict(other.current_decisions[1])
        assert [1, 2, 3] == other.get_stage_data(1)["results"]
        assert process_id == other.underway.id
        again.close()


def test_a_manager_outlives_the_handler_s_process(handler, manager, workspace):
    """What it decides after the process was closed is in a run of its own."""
    process_id = handler.current_process_id
    handler.close()
    manager.make_decisions(1, {"parameter1": "late"})
    assert process_id != manager.underway.id
    assert ("loading", "parameter1") not in current(workspace, process_id)
    assert '"late"' == current(workspace, manager.underway.id)["loading", "parameter1"]


def test_a_second_process_takes_the_manager_along(handler, manager):
    """Decisions hold on, results do not."""
    handler.start_stage("loading")
    handler.complete_stage("loading", result_data=[1])
    manager.make_decisions(1, {"parameter1": "kept"})
    handler.initialize_process("Second")
    assert "kept" == manager.current_decisions[1]["parameter1"]
    assert handler.current_process_id == manager.underway.id
    assert [1] != manager.get_stage_data(1)["results"]


def test_an_unknown_stage_of_the_handler(handler, manager):
    """Is said before the manager hears of it."""
    with pytest.raises(InvalidDataError, match="Did you mean 'loading'"):
        handler.record_stage_decision("laoding", "x", {})
    assert "laoding" not in manager.decisions()


def test_get_stage_handler(manager):
    """A manager with a configuration makes its handler."""
    manager.register_stages(CONFIG)
    handler = manager.get_stage_handler()
    assert ["loading", "processing"] == list(handler.stages)
    assert handler.process_manager is manager


def test_scenarios_of_a_manager_show_what_the_handlers_runs_came_to(handler, manager, workspace):
    """They are kept under the manager's project, and runs of processes that go by other names are found for them."""
    for limit in (1, 2):
        handler.initialize_process(f"Process {limit}")
        manager.make_decisions("processing", {"limit": limit})
        manager.save_current_scenario(f"at most {limit}")
        for stage in ("loading", "processing"):
            handler.start_stage(stage)
            handler.complete_stage(stage, result_data={"metrics": {"kept": 10 * limit}})
    other = ProcessManager(None, "another", workspace=workspace)
    other.make_decisions("processing", {"limit": 1})
    other.save_current_scenario("at most 1")
    found = manager.compare_scenarios(["at most 1", "at most 2"])
    assert {"at most 1": 10, "at most 2": 20} == found.metrics["processing.kept"]
    assert ["Process 1", "Process 2"] == [workspace.store.get(RunRow, name=item["run"]).process for item in found]
    assert {} == other.compare_scenarios(["at most 1"]).metrics
    other.close()


class Counts(ProcessManager):
    def _compute_stage(self, stage):
        return {"rows": [1, 2], "metrics": {"rows": 2}} if stage == 1 else None


def test_what_a_computation_said_of_its_stage_stays_when_the_program_completes_it(workspace):
    """Its reason and its metrics, whether the program hands on what it got or something else."""
    with Counts(None, "calls", workspace=workspace) as manager:
        handler = ProcessStageHandler(manager, CONFIG)
        handler.initialize_process("My Process")
        handler.start_stage("loading")
        handler.complete_stage("loading", result_data=manager.get_stage_data("loading"))
        assert {"rows": [1, 2], "metrics": {"rows": 2}} == handler.stages["loading"]["result_data"]
        handler.start_stage("processing")
        manager.get_stage_data("processing")
        handler.complete_stage("processing", result_data={"metrics": {"kept": 1}})
        row = handler.underway.stages["loading"]
        assert ("never run before", '{"rows":2}') == (row.reason, row.metrics)
        handler.close()


def test_a_result_made_before_its_decisions_changed_is_outdated_after_a_restart_too(workspace):
    """The program that goes on is told so, as the one that changed them would have been."""
    with ProcessManager(None, "calls", workspace=workspace) as manager, ProcessStageHandler(manager, CONFIG) as handler:
        process = handler.initialize_process("My Process")
        for stage in ("loading", "processing"):
            handler.start_stage(stage)
            handler.complete_stage(stage, result_data=[stage])
        manager.make_decisions("processing", {"limit": 3})
    with ProcessManager(None, "calls", workspace=workspace) as later:
        ProcessStageHandler.open_process(process, later, CONFIG).close()
        assert ["loading"] == later.get_stage_data("loading")["results"]
        assert "made before processing.limit changed" in later.get_stage_data("processing")["error"]


def test_a_manager_that_another_handler_took_records_nothing_for_this_one(handler, manager, workspace):
    """No decision lands in another process's run, and no result becomes that one's: stages and progress go on."""
    handler.start_stage("loading")
    other = ProcessStageHandler(manager, CONFIG)
    other.initialize_process("other")
    before = current(workspace, other.current_process_id)
    with pytest.raises(ProcessManagementError, match=f"records in run {other.run_name} by now: give each handler"):
        handler.record_stage_decision("loading", "selections", {"limit": 99})
    assert before == current(workspace, other.current_process_id)
    assert {} == handler.stages["loading"]["decisions"]
    assert "completed" == handler.complete_stage("loading", result_data=[1, 2])["status"]
    assert [] == manager.get_stage_data("loading")["results"]
    other.start_stage("loading")
    other.complete_stage("loading", result_data=[3])
    handler.start_stage("processing")
    assert [3] == manager.get_stage_data("loading")["results"]
    other.close()
    process_id = handler.current_process_id
    handler.close()
    handler.open_process(process_id)
    handler.record_stage_decision("loading", "selections", {"limit": 99})
    assert {"apply": False, "limit": 99} == manager.decisions()["loading"]["selections"]
