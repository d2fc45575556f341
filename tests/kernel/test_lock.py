"""The lock of a run: freed by the kernel at death, never kept by a child, never disturbed by who looks."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from milepost.errors import WorkspaceError
from milepost.kernel.lock import is_held, try_acquire

HOLD = """
import sys, os, subprocess, time
from milepost.kernel.lock import try_acquire
lock = try_acquire(sys.argv[1])
{more}
import os; os.write(1, b"held\\n")
time.sleep(60)
"""


def holder(path, more=""):
    process = subprocess.Popen([sys.executable, "-c", HOLD.format(more=more), str(path)], stdout=subprocess.PIPE)
    assert b"held\n" == process.stdout.readline()
    return process


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def test_one_holder(tmp_path):
    """While one holds the lock nobody else gets it, this process included."""
    lock = try_acquire(tmp_path / "r.lock")
    assert is_held(tmp_path / "r.lock")
    assert try_acquire(tmp_path / "r.lock") is None
    lock.release()
    lock.release()
    assert not is_held(tmp_path / "r.lock")
    again = try_acquire(tmp_path / "r.lock")
    assert again.is_mine
    again.release()


def test_kill_frees_at_once(tmp_path):
    """After kill -9 the lock is free as soon as the process is gone, and the file is still there."""
    process = holder(tmp_path / "r.lock")
    assert is_held(tmp_path / "r.lock")
    end(process)
    assert not is_held(tmp_path / "r.lock")
    assert (tmp_path / "r.lock").exists()


FORKED = "if os.fork() == 0: os.write(1, b'child\\n'); time.sleep(60)"
SPAWNED = "subprocess.Popen(['sleep', '60'], close_fds=False); os.write(1, b'child\\n')"
SPAWNED_PYTHON = SPAWNED.replace("'sleep', '60'", "sys.executable, '-c', 'import time; time.sleep(60)'")


@pytest.mark.parametrize("child", [FORKED, SPAWNED, SPAWNED_PYTHON])
def test_orphans_do_not_hold(tmp_path, child):
    """A forked or spawned child that outlives the owner does not keep the run alive."""
    code = HOLD.format(more=child)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "r.lock")], stdout=subprocess.PIPE, start_new_session=True
    )
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert b"held\n" in lines
    assert is_held(tmp_path / "r.lock")
    process.kill()
    process.wait()
    try:
        assert not is_held(tmp_path / "r.lock")
        try_acquire(tmp_path / "r.lock").release()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_child_leaves_the_parents_lock(tmp_path):
    """A forked child that releases, or ends, takes nothing from its parent."""
    lock = try_acquire(tmp_path / "r.lock")
    child = os.fork()
    if child == 0:
        was_mine = lock.is_mine
        lock.release()
        os._exit(1 if was_mine else 0)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert is_held(tmp_path / "r.lock")
    lock.release()


def test_private(tmp_path):
    """The file is for its owner alone, whatever the umask, and a link in its place is refused."""
    former = os.umask(0)
    try:
        lock = try_acquire(tmp_path / "r.lock")
    finally:
        os.umask(former)
    assert 0o600 == stat.S_IMODE(os.stat(lock.path).st_mode)
    lock.release()
    (tmp_path / "link.lock").symlink_to(tmp_path / "r.lock")
    with pytest.raises(WorkspaceError, match=r"link\.lock"):
        try_acquire(tmp_path / "link.lock")


def test_looking_disturbs_nobody(tmp_path):
    """While many look all the time, every acquisition of a free lock succeeds."""
    path, is_over = tmp_path / "r.lock", threading.Event()

    def look():
        while not is_over.is_set():
            is_held(path)

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(200):
            lock = try_acquire(path)
            assert lock is not None
            assert is_held(path)
            lock.release()
    finally:
        is_over.set()
        for looker in lookers:
            looker.join()


RACE = """
import sys
from milepost.kernel.lock import try_acquire
print("ready", flush=True)
for line in sys.stdin:
    lock = try_acquire(line.strip())
    print(int(lock is not None), flush=True)
"""


def test_two_want_it(tmp_path):
    """Of processes that want the lock at once exactly one gets it, each time."""
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for racer in racers:
        racer.stdout.readline()
    for number in range(50):
        for racer in racers:
            racer.stdin.write(f"{tmp_path}/{number}.lock\n")
            racer.stdin.flush()
        assert 1 == sum(int(racer.stdout.readline()) for racer in racers)
    for racer in racers:
        racer.communicate()


def test_swept_file(tmp_path):
    """A lock whose file was removed is not mistaken for the lock of the file that has the name now."""
    first = try_acquire(tmp_path / "r.lock")
    os.unlink(tmp_path / "r.lock")
    second = try_acquire(tmp_path / "r.lock")
    assert second is not None
    first.release()
    assert is_held(tmp_path / "r.lock")
    second.release()


def test_no_file(tmp_path):
    """Nobody holds a lock that was never there, and a folder that is missing is named."""
    assert not is_held(tmp_path / "none.lock")
    with pytest.raises(WorkspaceError, match="nowhere"):
        try_acquire(tmp_path / "nowhere" / "r.lock")
