"""A handler in a forked child, copied, pickled: its process stays with the program that carries it out."""

import copy
import os
import pickle

import pytest

from milepost import ProcessManager
from milepost.errors import ProcessManagementError
from milepost.model.rows import RunRow, SessionRow
from milepost.process import ProcessStageHandler

STAGES = {"stages": {"load": {"sequence": 1}}}


def in_a_child(act):
    """What a forked child comes to: "nothing", or what it raises."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            act()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writes, said.encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as answer:
        said = answer.read()
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said


def leave(handler):
    with pytest.raises(SystemExit), handler:
        raise SystemExit(0)


@pytest.mark.parametrize("way", [ProcessStageHandler.close, leave])
def test_a_child_that_leaves_ends_nothing(handler, workspace, way):
    """Closing, and leaving a `with` block, in a child: the parent's session goes on, and completes."""
    handler.start_stage("data_loading")
    assert "nothing" == in_a_child(lambda: way(handler))
    assert "running" == workspace.store.get(RunRow, id=handler.current_process_id).state
    handler.complete_stage("data_loading")
    assert [None] == [row.ended for row in workspace.store.rows(SessionRow, run=handler.current_process_id)]


@pytest.mark.parametrize("with_manager", [False, True])
@pytest.mark.parametrize(
    "act",
    [
        lambda handler: handler.initialize_process("a child's"),
        lambda handler: handler.open_process(handler.current_process_id[:-2]),
    ],
)
def test_a_child_is_refused_before_anything_is_begun(make, workspace, act, with_manager):
    """It is told whose the process is; no run is begun, none is ended, and the parent goes on."""
    handler = make(STAGES, ProcessManager(workspace=workspace) if with_manager else None)
    handler.initialize_process("nightly")
    handler.start_stage("load")
    assert "ProcessManagementError" in (said := in_a_child(lambda: act(handler))) and f"process {os.getpid()}" in said
    assert ["running"] == [row.state for row in workspace.store.rows(RunRow)]
    handler.complete_stage("load")
    assert "completed" == handler.close()


def test_a_child_of_a_program_that_began_nothing_begins_its_own(make, workspace):
    """A handler and manager made before the fork, as servers do that load first, serve the child."""
    handler = make(STAGES, ProcessManager(workspace=workspace))

    def act():
        handler.initialize_process("a child's")
        handler.process_manager.make_decisions("load", {"limit": 3})
        with handler.stage("load") as stage:
            stage.result = 5
        handler.close()

    assert "nothing" == in_a_child(act)
    assert ["completed"] == [row.state for row in workspace.store.rows(RunRow)]


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("is_under_way", [False, True])
def test_it_cannot_be_copied(make, way, is_under_way):
    """Two handlers that write one journal would contradict each other: the error says how to go on elsewhere."""
    handler = make(STAGES)
    if is_under_way:
        handler.initialize_process("nightly")
    with pytest.raises(ProcessManagementError, match="open_process"):
        way(handler)
