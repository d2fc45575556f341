"""Sessions: seen dead at once on their host, by silence elsewhere, with the cause by elimination."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import msgspec
import pytest

from milepost.kernel import host, sessions
from milepost.kernel.lock import is_held, try_acquire
from milepost.kernel.sessions import Session, liveness, new_session
from milepost.model.rows import SessionRow
from milepost.model.status import RunState
from milepost.testing.clock import FakeClock

RUN = """
import sys, os, time, signal
import msgspec
from milepost.kernel.lock import try_acquire
from milepost.kernel.sessions import Session, new_session
from milepost.model.status import RunState
folder = sys.argv[1]
row, lock = new_session(run="r", epoch=1), try_acquire(folder + "/r.lock")
session = Session(row, folder + "/r", write=lambda row: None, lock=lock)
session.begin()
sys.stdout.buffer.write(msgspec.json.encode(session.row) + b"\\n")
sys.stdout.flush()
def score(what):
    exec(what)
score(sys.stdin.read())
"""


def run_session(folder, what):
    """Start a session in a process of its own, let it do `what` and end; its row and its exit code."""
    script = folder / "sales.py"
    script.write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    row = msgspec.json.decode(process.stdout.readline(), type=SessionRow)
    alive = liveness(row, folder / "r.lock", now=row.beat)
    process.communicate(what.encode())
    return row, alive, process.returncode


CAUSES = {
    "os.kill(os.getpid(), 9)": "killed",
    "os._exit(3)": "killed",
    "import ctypes; ctypes.string_at(0)": "crashed: SIGSEGV in sales.py:14 (score)",
    "os.abort()": "crashed: SIGABRT in sales.py:14 (score)",
    "os.kill(os.getpid(), signal.SIGBUS)": "crashed: SIGBUS in sales.py:14 (score)",
    "if os.fork() == 0: os.abort()\nos.wait(); os.kill(os.getpid(), 9)": "killed",
    "from threading import Thread; t = Thread(target=os.abort); t.start(); t.join()": "crashed: SIGABRT",
}


@pytest.mark.parametrize("what", CAUSES)
def test_seen_dead_at_once_with_its_cause(tmp_path, what):
    """A session that dies without a word is alive before and dead right after, and its cause is what happened."""
    row, alive, code = run_session(tmp_path, what)
    assert ("alive", 0) == (alive.kind, row.oom_kills or 0)
    assert code != 0
    found = liveness(row, tmp_path / "r.lock", now=row.beat)
    assert "dead" == found.kind
    assert found.cause.startswith(CAUSES[what])


def test_ended_sessions_leave_nothing(tmp_path):
    """A session that ends gives its end marker before its lock is free, and leaves no crash log."""
    what = """
def commit(row):
    from milepost.kernel.lock import is_held
    assert is_held(folder + "/r.lock") and row.end is RunState.COMPLETED
assert session.end(RunState.COMPLETED, commit=commit).ended is not None
assert session.end(RunState.FAILED).end is RunState.COMPLETED
"""
    row, _, code = run_session(tmp_path, what)
    assert 0 == code
    assert [] == list((tmp_path / "r").iterdir())
    assert not is_held(tmp_path / "r.lock")
    ended = msgspec.structs.replace(row, ended=row.beat, end=RunState.CANCELLED, cause="signal SIGINT")
    assert ("dead", "signal SIGINT") == msgspec.structs.astuple(liveness(ended, tmp_path / "r.lock", now=row.beat))


def test_memory_kill(tmp_path, monkeypatch):
    """A death while the group's count of memory kills rose is called out of memory, in whatever group one looks."""
    row, _, _ = run_session(tmp_path, "os.kill(os.getpid(), 9)")
    (tmp_path / "memory.events").write_text("oom_kill 2\n")
    header = {"memory_group": str(tmp_path / "memory.events"), "oom_kills": 1}
    (tmp_path / "r" / "crash-1.log").write_bytes(msgspec.json.encode(header) + b"\n")
    assert "out of memory" == liveness(row, tmp_path / "r.lock", now=row.beat).cause
    header["oom_kills"] = 2
    (tmp_path / "r" / "crash-1.log").write_bytes(msgspec.json.encode(header) + b"\n")
    assert "killed" == liveness(row, tmp_path / "r.lock", now=row.beat).cause


def test_damaged_crash_log(tmp_path):
    """A crash log full of rubbish, or a folder in its place, is no error: the session was killed, for all we know."""
    row, _, _ = run_session(tmp_path, "os.kill(os.getpid(), 9)")
    log = tmp_path / "r" / "crash-1.log"
    for rubbish in (
        b"",
        b"\xff\x00{",
        b"{}\nFatal Python error",
        b"{}\n" + bytes(range(256)) * 2000,
        b'{"oom_kills": "x"}\n',
    ):
        log.write_bytes(rubbish)
        assert "killed" == liveness(row, tmp_path / "r.lock", now=row.beat).cause
    log.unlink()
    log.mkdir()
    assert "killed" == liveness(row, tmp_path / "r.lock", now=row.beat).cause


def test_reused_pid(tmp_path):
    """A living process that has the dead owner's pid is not the owner: its start time is another."""
    row = msgspec.structs.replace(new_session(run="r", epoch=1), pid_started=1.0)
    lock = try_acquire(tmp_path / "r.lock")  # held, as by an orphan that a C library forked
    assert "dead" == liveness(row, lock.path, now=row.beat).kind
    assert "alive" == liveness(new_session(run="r", epoch=1), lock.path, now=row.beat).kind
    lock.release()
    assert "dead" == liveness(new_session(run="r", epoch=1), lock.path, now=row.beat).kind


def test_other_pid_space(tmp_path):
    """In another container of this boot pids mean nothing, but the kernel's lock does."""
    row = msgspec.structs.replace(new_session(run="r"), boot_id=host.boot_id() + " pid:[1]", host="box", pid=2**22 + 5)
    lock = try_acquire(tmp_path / "r.lock")
    assert "alive" == liveness(row, lock.path, now=row.beat + 1e6).kind
    lock.release()
    assert "dead" == liveness(row, lock.path, now=row.beat).kind


def test_new_host_name(tmp_path):
    """A machine that was given another name meanwhile is still the same machine."""
    row = msgspec.structs.replace(new_session(run="r"), host="former-name")
    lock = try_acquire(tmp_path / "r.lock")
    assert "alive" == liveness(row, lock.path, now=row.beat + 1e6).kind
    lock.release()


def test_reboot(tmp_path):
    """A session of an earlier boot is dead at once, even if it beat seconds before the machine went down."""
    row = msgspec.structs.replace(new_session(run="r"), boot_id="an-earlier-boot", beat=host.booted() - 1)
    assert ("dead", "reboot: the machine was restarted") == msgspec.structs.astuple(
        liveness(row, tmp_path / "r.lock", now=row.beat + 2)
    )


def test_namesake_elsewhere(tmp_path):
    """A machine of the same name that beat after ours had started is another machine, and may be alive."""
    row = msgspec.structs.replace(new_session(run="r"), boot_id="a-namesakes-boot")
    assert "alive" == liveness(row, tmp_path / "r.lock", now=row.beat + 1).kind


@pytest.mark.parametrize(
    ("silence", "kind"),
    [(-3600, "alive"), (0, "alive"), (14.9, "alive"), (15, "stalled"), (299, "stalled"), (300, "dead")],
)
def test_other_hosts_are_heard(tmp_path, silence, kind):
    """Elsewhere a session is stalled after 15 s of silence and dead after 300 s."""
    row = msgspec.structs.replace(new_session(run="r"), boot_id="their-boot", host="their-host")
    found = liveness(row, tmp_path / "r.lock", now=row.beat + silence)
    assert kind == found.kind
    assert (found.cause is None) == (kind == "alive")
    assert kind == "alive" or "their-host" in found.cause
    jumped = liveness(row, tmp_path / "r.lock", now=row.beat + 1e9, unchanged_seconds=silence)
    assert kind == jumped.kind


def test_beats(tmp_path, monkeypatch):
    """The session's row is written with every beat, not after its end, and a failing write is tried again."""
    monkeypatch.setattr(sessions, "BEAT_SECONDS", 0.01)
    clock, beaten, rung = FakeClock(now=1000.0), [], threading.Event()

    def write(row):
        clock.advance(5)
        beaten.append(row)
        if len(beaten) == 1:
            raise OSError("no space")
        if len(beaten) >= 3:
            rung.set()

    session = Session(new_session(clock, run="r", epoch=1), tmp_path / "r", write=write, clock=clock)
    with pytest.warns(RuntimeWarning, match="no space"):
        session.begin()
        assert rung.wait(60)
    ended = session.end(RunState.COMPLETED)
    count = len(beaten)
    session.beat()
    assert count == len(beaten)
    assert [1000.0, 1005.0, 1010.0] == [row.beat for row in beaten[:3]]
    assert ended.beat == ended.ended >= 1015.0
    assert all(row.ended is None for row in beaten)


def test_two_sessions_in_one_process(tmp_path):
    """A run inside a run has its own crash log; when it ends, crashes go to the outer one's again."""
    what = """
inner = Session(new_session(run="i", epoch=7), folder + "/i", write=lambda row: None)
inner.begin()
inner.end(RunState.COMPLETED)
os.abort()
"""
    row, _, _ = run_session(tmp_path, what)
    assert liveness(row, tmp_path / "r.lock", now=row.beat).cause.startswith("crashed: SIGABRT")
    assert [] == list((tmp_path / "i").iterdir())


def test_unwritable_folder(tmp_path):
    """Where no crash log can be made the session begins all the same, with a warning."""
    (tmp_path / "r").write_text("a file in the way")
    session = Session(new_session(run="r"), tmp_path / "r", write=lambda row: None)
    with pytest.warns(RuntimeWarning, match="crashes"):
        session.begin()
    assert session.end(RunState.FAILED, "x").cause == "x"


def test_stopped_is_alive(tmp_path):
    """A process that is stopped, as by a laptop's sleep, keeps its run."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    row = msgspec.json.decode(process.stdout.readline(), type=SessionRow)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        assert "alive" == liveness(row, tmp_path / "r.lock", now=row.beat + 1e6).kind
    finally:
        process.kill()
        process.communicate()
    assert "dead" == liveness(row, tmp_path / "r.lock", now=row.beat).kind
