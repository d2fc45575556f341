"""A process that is opened again: by another program, by its id or name, as it was told."""

import pytest

from milepost import Process, stage
from milepost.errors import MilepostError, ProcessManagementError, RunIsAlive, UnknownRunError, WorkspaceError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import DecisionRow, RunRow, StageRow
from milepost.process import ProcessStageHandler, underway
from milepost.testing import FakeClock
from milepost.views.runs import run_detail


@pytest.fixture
def told(handler):
    """A handler that was told a little of everything."""
    handler.start_stage("data_loading")
    handler.record_stage_decision("data_loading", "selections", {"filters": ["a"], "when": (1, 2)})
    handler.record_stage_decision("data_loading", "time_periods", 3)
    handler.track_progress("data_loading", 0.5, "half", {"files": 5})
    handler.complete_stage("data_loading", result_data={"rows": [1, 2, 3], "metrics": {"rows": 3}})
    handler.skip_stage("checking", "not now")
    handler.start_stage("processing", "example_algorithm")
    handler.start_substage("processing", "read")
    handler.complete_substage("processing", "read", result_data=b"bytes")
    handler.start_substage("processing", "join")
    handler.track_substage_progress("processing", "join", 0.5, "joining")
    return handler


def seen(handler):
    return handler.stages, handler.get_process_summary(), handler.run_name, handler.data_container


@pytest.mark.parametrize("by", ["id", "name", "beginning"])
def test_opened_again_it_is_the_same(told, workspace, by):
    """Stages, tracking data, decisions, substages, results and summary are what they were, and it goes on."""
    before, process_id, name = seen(told), told.current_process_id, told.run_name
    told.close()
    words = {"id": process_id, "name": name, "beginning": process_id[:-3]}[by]
    again = ProcessStageHandler.open_process(words, workspace=workspace)
    assert before == seen(again)
    again.complete_substage("processing", "join")
    again.complete_stage("processing")
    again.start_stage("documents", items_total=0)
    again.complete_stage("documents")
    again.start_stage("report")
    again.complete_stage("report")
    assert 1.0 == again.get_process_summary()["progress"]
    assert "completed" == again.close()
    assert "completed" == workspace.store.get(RunRow, id=process_id).state
    states = {row.stage: row.state for row in workspace.store.rows(StageRow, run=process_id)}
    assert "running" not in states.values()


def test_a_handler_opens_with_its_own_configuration(told, make):
    """What it declares today holds; what was told of other stages stays on record."""
    process_id = told.current_process_id
    told.close()
    handler = make({"stages": {"data_loading": {"sequence": 1}, "archive": {"sequence": 2}}})
    assert handler is handler.open_process(process_id)
    assert {"data_loading": "completed", "archive": "pending"} == {
        name: stage["status"] for name, stage in handler.stages.items()
    }
    assert handler is handler.open_process(process_id)  # it has it
    handler.start_stage("archive")


def test_a_stage_left_running_goes_on_either_way(told, workspace):
    """Straight on, or started again: its progress, substages and decisions are kept, and that is no second attempt."""
    process_id = told.current_process_id
    told.close()
    again = ProcessStageHandler.open_process(process_id, workspace=workspace)
    before = again.stages["processing"]["progress"]
    stage = again.start_stage("processing")
    assert ("running", 1, before) == tuple(stage[key] for key in ("status", "attempts", "progress"))
    with pytest.raises(ProcessManagementError, match="already running"):
        again.start_stage("processing")
    assert 2 == again.start_substage("processing", "join")["attempts"]
    again.close()


def test_a_stage_that_goes_on_took_as_long_as_all_its_sessions(make, workspace, monkeypatch):
    """Its seconds are those of its work, session for session; a stage that is done again begins at none."""
    clock = FakeClock()
    monkeypatch.setattr(underway, "SYSTEM", clock)
    handler = make()
    process_id = handler.initialize_process("long")
    handler.start_stage("data_loading")
    for _ in range(2):
        clock.advance(100.0)
        handler.close()
        clock.advance(5000.0)  # nobody works
        handler = ProcessStageHandler.open_process(process_id, workspace=workspace)
    handler.track_progress("data_loading", 0.5)
    clock.advance(10.0)
    handler.complete_stage("data_loading")
    assert 210.0 == workspace.store.get(StageRow, run=process_id, stage="data_loading").seconds
    handler.skip_stage("checking")
    handler.start_stage("processing", "example_algorithm")
    clock.advance(7.0)
    handler.complete_stage("processing", success=False)
    handler.start_stage("processing")
    clock.advance(1.0)
    handler.complete_stage("processing", success=False)
    assert 1.0 == workspace.store.get(StageRow, run=process_id, stage="processing").seconds
    handler.close()


def test_substages_stand_below_their_stage_whatever_the_configuration_was(make, workspace):
    """One that another configuration declared is shown with its own stage, and not below the one of its number."""
    handler = make({"stages": {"clean": {"sequence": 1, "substages": {"a": {"sequence": 1}, "b": {"sequence": 2}}}}})
    process_id = handler.initialize_process("renamed")
    handler.close()
    later = make({"stages": {"cleaned": {"sequence": 1, "substages": {"a": {"sequence": 1}, "c": {"sequence": 2}}}}})
    later.open_process(process_id)
    later.start_stage("cleaned")
    run = workspace.store.get(RunRow, id=process_id)
    shown = [stage.stage for stage in run_detail(workspace.store, run, workspace.path / "runs", now=1.0).stages]
    assert ["clean", "clean/a", "clean/b", "cleaned", "cleaned/a", "cleaned/c"] == shown


def test_while_it_lives_nobody_else_opens_it(told, make, workspace):
    """Its owner is named; the owner itself goes on."""
    with pytest.raises(RunIsAlive, match="is being carried out by process"):
        ProcessStageHandler.open_process(told.current_process_id, workspace=workspace)
    assert told is told.open_process(told.current_process_id)


def test_what_cannot_be_opened(make, workspace):
    """An unknown process, a run of another kind: said before anything is claimed."""

    @stage
    def one():
        return 1

    run = Process("other", [one]).run(workspace=workspace)
    handler = make()
    with pytest.raises(ProcessManagementError, match="was not begun with ProcessStageHandler.initialize_process"):
        handler.open_process(run.id)
    with pytest.raises(UnknownRunError, match="no run is called 'proc_x'"):
        handler.open_process("proc_x")
    assert not handler.initialized
    assert 1 == workspace.store.get(RunRow, id=run.id).epoch


def test_where_there_is_no_workspace_none_is_made(tmp_path, monkeypatch):
    """Opening finds, it does not make."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkspaceError, match="no workspace at"):
        ProcessStageHandler.open_process("proc_x")
    assert not (tmp_path / ".milepost").exists()


def test_a_lost_result_is_said(told, workspace):
    """The rest of the process is there all the same."""
    process_id = told.current_process_id
    row = workspace.store.get(StageRow, run=process_id, stage="data_loading")
    told.close()
    workspace.objects.path(row.address).unlink()
    again = ProcessStageHandler.open_process(process_id, workspace=workspace)
    loading = again.stages["data_loading"]
    assert ("completed", None) == (loading["status"], loading["result_data"])
    assert loading["unstored"].startswith("no object at")
    again.close()


def test_secrets_do_not_come_back(make, workspace):
    """A secret default and a secret choice are not kept: opened by itself the process has a mask in their place."""
    handler = make({"stages": {"token": {"decisions": {"login": {"password": "swordfish-77", "user": "ada"}}}}})
    process_id = handler.initialize_process("secrets")
    handler.record_stage_decision("token", "login", {"password": "lovelace-1815"})
    assert "lovelace-1815" == handler.stages["token"]["decisions"]["login"]["password"]
    handler.close()
    again = ProcessStageHandler.open_process(process_id, workspace=workspace)
    assert {"password": "***", "user": "ada"} == again.stages["token"]["decisions"]["login"]
    again.record_stage_decision("token", "login", {"password": "x-y-z-1"})
    assert {"password": "x-y-z-1", "user": "ada"} == again.stages["token"]["decisions"]["login"]
    again.close()
    kept = (workspace.path / "ledger.db").read_bytes()
    assert b"swordfish" not in kept
    assert b"lovelace" not in kept


def test_a_decision_of_any_kind_comes_back(make, workspace):
    """Also one that JSON cannot hold."""
    handler = make()
    process_id = handler.initialize_process("kinds")
    value = {"pair": (1, 2), "of": {3, 4}, "none": None}
    handler.record_stage_decision("report", "kinds", value)
    handler.close()
    again = ProcessStageHandler.open_process(process_id, workspace=workspace)
    assert value == again.stages["report"]["decisions"]["kinds"]
    assert 1 == len(workspace.store.rows(DecisionRow, run=process_id, name="kinds"))
    again.close()


def test_a_process_that_is_closed(told):
    """Says how to go on."""
    told.close()
    with pytest.raises(ProcessManagementError, match=r"was closed: go on with it by open_process\('proc_"):
        told.start_stage("report")
    again = told.open_process(told.current_process_id)
    assert again is told
    told.complete_substage("processing", "join")


def test_with_a_workspace_of_its_own(tmp_path, monkeypatch):
    """Without one given it is made where a process is begun, and found there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with ProcessStageHandler(None, {"stages": {"a": {}}}) as handler:
        process_id = handler.initialize_process("here")
        handler.start_stage("a")
        handler.complete_stage("a")
    with Workspace.open(tmp_path / ".milepost") as workspace:
        assert "completed" == workspace.store.get(RunRow, id=process_id).state
    with pytest.raises(MilepostError, match="no paper"), ProcessStageHandler.open_process(process_id) as again:
        assert "completed" == again.get_stage_status("a")["status"]
        raise MilepostError("no paper")
    with Workspace.open(tmp_path / ".milepost") as workspace:
        run = workspace.store.get(RunRow, id=process_id)
        assert ("failed", "MilepostError: no paper") == (run.state, run.cause)
