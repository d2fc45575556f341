"""Runs that fell silent, runs that died: as rows of other machines, and as real processes, killed or stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import milepost
from milepost import Workspace
from milepost.health import HealthCheckManager, HealthStatus
from milepost.kernel.host import memory_bytes
from milepost.kernel.sessions import new_session
from milepost.model.rows import RunRow, SessionRow
from milepost.model.status import RunState
from milepost.steps import ProcessingStepManager

HEALTHY, WARNING, UNKNOWN, CRITICAL = HealthStatus
SOURCE = """
import time
from milepost import Process, stage

@stage
def orders():
    return list(range(300))

@stage(each="orders")
def score(order):
    time.sleep(0.02)
    return order

sales = Process("sales", [orders, score])
"""


@pytest.fixture
def elsewhere(workspace, clock):
    """Records a run that a session on another machine carries out, silent for so many seconds."""

    def write(run, silent, *, created=None, **more):
        row = RunRow(id=run, name=f"run-{run}", process="sales", decisions_hash="d", created=clock.now() - 4000, **more)
        session = msgspec.structs.replace(
            new_session(clock), run=run, epoch=1, host="other", boot_id="another", started=clock.now() - 4000,
            beat=clock.now() - silent,
        )  # fmt: skip
        workspace.store.write([row if created is None else msgspec.structs.replace(row, created=created), session])

    return write


def test_a_run_that_is_heard_of_is_at_work(found, elsewhere):
    elsewhere("a", 5)
    assert (HEALTHY, "1 run at work") == (found("stalled runs").status, found("stalled runs").text)
    assert HEALTHY is found("dead sessions").status


def test_a_run_that_is_not_heard_of_is_stalled_and_then_dead(found, elsewhere):
    """On another machine 15 s and 300 s of silence decide."""
    elsewhere("a", 60)
    stalled = found("stalled runs")
    assert WARNING is stalled.status
    assert "run-a was silent for 1 min 00 s: no heartbeat from host other" in stalled.text
    assert HEALTHY is found("dead sessions").status
    elsewhere("a", 400)
    assert HEALTHY is found("stalled runs").status
    dead = found("dead sessions")
    assert (WARNING, 1) == (dead.status, dead.metrics["runs_interrupted"])
    assert "milepost resume run-a" in dead.text


def test_a_run_that_died_long_ago_is_history(found, elsewhere, clock):
    elsewhere("a", 100_000)
    assert HEALTHY is found("dead sessions").status


def test_a_dead_run_that_a_newer_one_replaced_is_not_missed(found, elsewhere, clock):
    """The same process with the same decisions was begun anew."""
    elsewhere("a", 400)
    elsewhere("b", 5, created=clock.now())
    assert HEALTHY is found("dead sessions").status


def test_an_end_that_was_recorded_is_no_death(found, workspace, clock):
    for state in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED):
        row = RunRow(id=state.value, name=state.value, process="p", decisions_hash="d", created=1.0, state=state)
        workspace.store.write([row])
    assert HEALTHY is found("dead sessions").status
    assert "none at work" == found("stalled runs").text


def test_many_dead_runs_are_named_in_part(found, elsewhere, clock, workspace):
    for number in range(10):
        elsewhere(f"r{number}", 400)
        row = workspace.store.get(RunRow, id=f"r{number}")
        workspace.store.write([msgspec.structs.replace(row, decisions_hash=f"d{number}")])
    dead = found("dead sessions")
    assert 10 == dead.metrics["runs_interrupted"]
    assert dead.text.endswith("; and 7 more")


@pytest.fixture
def job(tmp_path):
    """A run of a real process in a session of its own; its workspace."""
    (tmp_path / "sales.py").write_text(SOURCE)
    place = tmp_path / "real"
    source = str(Path(milepost.__file__).parent.parent)
    environment = {**os.environ, "MILEPOST_WORKSPACE": str(place), "PYTHONPATH": source}
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "milepost", *arguments]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    start.place = place
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until_it_works(place):
    """The ledger says that items are done."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (place / "ledger.db").exists():
            with Workspace.open(place, create=False, read_only=True) as workspace:
                run = workspace.store.get(RunRow)
                if run and sum(workspace.store.count_steps(run.id).values()) > 5:
                    return run
        time.sleep(0.05)
    raise AssertionError("the run did not begin")


def checks_of(place, **more):
    with HealthCheckManager(workspace=place, **more) as manager:
        return {check.name: check for check in manager.perform_health_check().checks}


def test_a_killed_run_is_missed_until_it_is_taken_up(job):
    """At once: the kernel has dropped its lock. After `milepost resume` all is well."""
    process = job("run", "sales.py")
    run = wait_until_it_works(job.place)
    assert (HEALTHY, "1 run at work") == _status_and_text(checks_of(job.place)["stalled runs"])
    process.kill()
    process.wait(30)
    dead = checks_of(job.place)["dead sessions"]
    assert WARNING is dead.status
    assert f"milepost resume {run.name}" in dead.text
    resumed = job("resume", "last")
    assert 0 == resumed.wait(120), resumed.stderr.read()
    assert HEALTHY is checks_of(job.place)["dead sessions"].status


def test_a_stopped_run_is_stalled_until_it_goes_on(job):
    """SIGSTOP: it holds its lock and does not beat. An observer an hour later sees its silence."""
    process = job("run", "sales.py")
    wait_until_it_works(job.place)
    process.send_signal(signal.SIGSTOP)
    try:
        stalled = checks_of(job.place, clock=_Later(3600))["stalled runs"]
        assert WARNING is stalled.status
        assert "it is stopped, or cannot write" in stalled.text
    finally:
        process.send_signal(signal.SIGCONT)
    with Workspace.open(job.place, create=False, read_only=True) as workspace:
        before = workspace.store.get(SessionRow).beat
        until = time.monotonic() + 30
        while workspace.store.get(SessionRow).beat <= before and time.monotonic() < until:
            time.sleep(0.05)
    assert HEALTHY is checks_of(job.place)["stalled runs"].status


class _Later(milepost.kernel.clock.Clock):
    """The machine's clock, so many seconds ahead."""

    def __init__(self, seconds):
        self._seconds = seconds

    def now(self):
        return super().now() + self._seconds


def test_the_memory_of_a_run_counts_for_who_looks_from_outside(job, tmp_path):
    """The tree of its session is added to that of the command; here, where it is our own child, it counts once."""
    process = job("run", "sales.py")
    wait_until_it_works(job.place)
    command = [sys.executable, "-m", "milepost", "health", "--json", "--workspace", str(job.place)]
    told = msgspec.json.decode(subprocess.run(command, capture_output=True, cwd=tmp_path, check=False).stdout)
    alone = told["metrics"]["memory_bytes"] - memory_bytes(process.pid)
    assert 5e6 < alone < 80e6  # what a Python with a ledger takes
    ours = checks_of(job.place)["memory"].metrics["memory_bytes"]
    assert abs(ours - memory_bytes()) < 0.5 * memory_bytes(process.pid)


def _status_and_text(check):
    return check.status, check.text


def test_documents_of_a_killed_process_are_missed_until_they_are_taken_up(workspace, found):
    """A warning that names them, from the kill until the ledger is used again."""
    program = (
        "import os, signal, sys\n"
        "from milepost.steps import ProcessingStepManager\n"
        "manager = ProcessingStepManager(sys.argv[1])\n"
        "manager.add_step('done', 'ocr', 'running')\n"
        "manager.add_step('done', 'ocr', 'success')\n"
        "with manager.step('page 7', 'ocr'), manager.step('page 8', 'ocr'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(workspace.path)], check=False)
    dead = found("dead sessions")
    assert dead.status == "warning"
    assert dead.text.startswith("2 documents were at hand of processes that died: ocr of page 7; ocr of page 8;")
    assert dead.metrics["documents_left_behind"] == 2
    ProcessingStepManager(workspace).get_steps("page 7")
    assert found("dead sessions").status == "healthy"
