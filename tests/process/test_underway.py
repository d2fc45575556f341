"""A run that the program itself carries out: recorded, ended by itself, taken up again."""

import json
import signal
import subprocess
import sys

import pytest

from milepost.errors import Cancelled, RunIsAlive
from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.process.underway import RunUnderway
from milepost.process.watching import CANCEL_REQUESTED
from milepost.views.runs import run_detail
from milepost.views.view import utc

PROGRAM = """
import os, signal, sys
from milepost import Workspace
from milepost.model.status import StageState
from milepost.process.underway import RunUnderway

workspace = Workspace.open(sys.argv[1])
run = RunUnderway.begin("by hand", workspace, run_id="r1")
run.expected = {"load", "report"}
class Owner: pass
owner = Owner()
run.end_with(owner)
run.stage("load", state=StageState.RUNNING)
run.stage("load", state=StageState.COMPLETED)
run.stage("report", state=StageState.RUNNING)
exec(sys.argv[2])
"""


def carried_out(folder, ending):
    """The end of a program: its exit code, and the run, session and stage rows it left."""
    path = folder / ".milepost"
    code = subprocess.run([sys.executable, "-c", PROGRAM, path, ending], check=False, capture_output=True).returncode
    with Workspace.open(path) as workspace:
        return (
            code,
            workspace.store.get(RunRow, id="r1"),
            workspace.store.get(SessionRow, run="r1"),
            {row.stage: row.state for row in workspace.store.rows(StageRow, run="r1")},
        )


@pytest.mark.parametrize(
    ("ending", "state", "cause"),
    [
        ("run.stage('report', state=StageState.COMPLETED)", RunState.COMPLETED, None),
        ("run.stage('report', state=StageState.FAILED)", RunState.FAILED, "failed: report"),
        ("sys.exit(0)", RunState.INTERRUPTED, "the program ended before report was done"),
        ("raise ValueError('no such column')", RunState.FAILED, "ValueError: no such column"),
        ("raise KeyboardInterrupt", RunState.CANCELLED, "Ctrl-C"),
    ],
)
def test_ends_with_its_program(tmp_path, ending, state, cause):
    """A program that leaves says how the run ended; a stage that was under way is not left running."""
    _, run, session, stages = carried_out(tmp_path, ending)
    assert (run.state, run.cause) == (state, cause)
    assert session.end is state
    assert StageState.RUNNING not in stages.values()
    assert stages["load"] is StageState.COMPLETED


def test_a_killed_program_leaves_a_run_that_is_taken_up(tmp_path):
    """SIGKILL writes nothing; who takes the run up finds what was recorded, as a second session."""
    code, run, _, _ = carried_out(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert code == -signal.SIGKILL
    assert run.state is RunState.RUNNING
    with Workspace.open(tmp_path / ".milepost") as workspace:
        again = RunUnderway.take_up("r1", workspace)
        assert again.epoch == 2
        assert (again.stages["load"].state, again.stages["report"].state) == (
            StageState.COMPLETED,
            StageState.INTERRUPTED,
        )
        assert again.end() is RunState.COMPLETED


def test_a_forked_child_does_not_end_it(tmp_path):
    """A child of the program that leaves by itself writes no end for its parent."""
    ending = "pid = os.fork()\nif pid == 0: sys.exit(0)\nos.waitpid(pid, 0); os.kill(os.getpid(), signal.SIGKILL)"
    _, run, session, _ = carried_out(tmp_path, ending)
    assert (run.state, session.end) == (RunState.RUNNING, None)


def test_a_killed_session_ends_with_its_last_sign_of_life(tmp_path):
    """Seen from outside as it is written down by who goes on: behind its last beat, if it still recorded something."""
    ending = "import time; run.stage('report', started=time.time()); os.kill(os.getpid(), signal.SIGKILL)"
    _, row, session, _ = carried_out(tmp_path, ending)
    with Workspace.open(tmp_path / ".milepost") as workspace:
        store = workspace.store
        seen = run_detail(store, row, workspace.path / "runs", now=session.beat + 3600)
        began = store.get(StageRow, run="r1", stage="report").started
        RunUnderway.take_up("r1", workspace).end()
        buried = store.get(SessionRow, run="r1", epoch=1)
    assert began > session.beat
    assert began == buried.ended
    assert utc(began) == seen.run.ended_at == seen.sessions[0].ended_at
    assert began - session.started == seen.run.seconds


def test_who_has_it_is_named(workspace):
    """A second session is refused while the first lives; who asked for this run is told of no other."""
    run = RunUnderway.begin("by hand", workspace, run_id="r1")
    with pytest.raises(RunIsAlive, match="is being carried out by process") as refused:
        RunUnderway.take_up("r1", workspace)
    assert str(refused.value).endswith("stops it")
    run.end()


def test_is_cancelled_from_another_shell(workspace):
    """`check` raises once `milepost cancel` has asked for it."""
    run = RunUnderway.begin("by hand", workspace)
    run.check()
    workspace.store.write([run.event(CANCEL_REQUESTED)])
    run._looked = 0.0  # half a second later
    with pytest.raises(Cancelled):
        run.check()
    assert run.end(RunState.CANCELLED) is RunState.CANCELLED


def test_times_follow_the_state(workspace):
    """A stage's start, end and duration are recorded by its changes of state."""
    run = RunUnderway.begin("by hand", workspace)
    began = run.stage("load", state=StageState.RUNNING)
    ended = run.stage("load", run.event("noted", "load", rows=3), state=StageState.COMPLETED)
    assert began.started == ended.started is not None
    assert began.ended is None
    assert ended.ended >= ended.started
    assert ended.seconds >= 0
    assert json.loads(run.event("x", rows=3).json) == {"rows": 3}
    run.end()


def test_an_end_that_cannot_be_recorded_is_said(workspace):
    """When the ledger was closed before, the run reads interrupted; nothing is raised where nobody could catch it."""

    class Owner:
        pass

    owner = Owner()
    run = RunUnderway.begin("by hand", workspace)
    run.end_with(owner)
    workspace.store.close()
    with pytest.warns(RuntimeWarning, match="could not be recorded, it reads interrupted"):
        del owner
    assert run.is_over
