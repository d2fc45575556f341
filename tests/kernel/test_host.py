"""What the machine says about itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from milepost.kernel import host


def test_boot_id_is_the_kernels():
    """The boot id is one per boot and the same in every process."""
    other = subprocess.run(
        [sys.executable, "-c", "from milepost.kernel.host import boot_id; print(boot_id())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert host.boot_id() == other.stdout.strip() != ""


def test_booted():
    """The machine started when psutil says it did."""
    assert host.booted() == pytest.approx(psutil.boot_time(), abs=2)


def test_pid_started():
    """A start time names a process: it stays, another process has another, and a dead one or a zombie has none."""
    mine = host.pid_started(os.getpid())
    assert mine == host.pid_started(os.getpid()) is not None
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    assert host.pid_started(child) is not None
    os.kill(child, 9)
    while host.pid_started(child) is not None:  # it is a zombie until we wait for it
        time.sleep(0.001)
    os.waitpid(child, 0)
    assert host.pid_started(child) is None
    assert host.pid_started(0) is None
    assert host.pid_started(2**31 - 1) is None


def test_start_times_of_both_ways_agree():
    """What /proc says is what psutil says, in seconds since boot."""
    since_boot = host._started_by_psutil(os.getpid()) - psutil.boot_time()
    assert host.pid_started(os.getpid()) == pytest.approx(since_boot, abs=1.5)


def test_command_with_brackets(tmp_path):
    """A process whose name holds spaces and brackets is read rightly."""
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    process = subprocess.Popen([odd, "60"])
    try:
        assert host.pid_started(process.pid) >= host.pid_started(os.getpid())
    finally:
        process.kill()
        process.wait()


def test_memory_counts_children():
    """Memory is that of the whole tree of processes, read in two ways that agree."""
    alone = host.memory_bytes()
    code = "x = bytearray(60_000_000); print('ready', flush=True); import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    try:
        together = host.memory_bytes()
        assert together - alone > 60_000_000
        assert together == pytest.approx(host._memory_by_psutil(os.getpid()), rel=0.1)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_memory_of_the_gone():
    """A process that is gone uses nothing, and asking is no error."""
    assert 0 == host.memory_bytes(2**31 - 1)


@pytest.mark.parametrize("text", ["low 0\noom 4\noom_kill 3\noom_group_kill 0\n", "under_oom 0\noom_kill 3\n"])
def test_oom_kills(tmp_path, text):
    """The count is read from both versions of control groups, and what cannot be read is no count."""
    (tmp_path / "memory.events").write_text(text)
    assert 3 == host.oom_kills(str(tmp_path / "memory.events"))
    assert host.oom_kills(str(tmp_path / "gone")) is None


def test_oom_kills_here():
    """This process's own group is found if there is one, and asking never raises."""
    count = host.oom_kills()
    assert count is None or count >= 0
