"""Memory beside its limit, and the wait for a CPU."""

import subprocess
import sys

import pytest

from milepost.health import HealthStatus
from milepost.health.machine import cpu_is_left, memory_is_left
from milepost.kernel.host import memory_bytes, parent

HEALTHY, WARNING, UNKNOWN, CRITICAL = HealthStatus


@pytest.fixture
def ground(manager):
    return manager._ground


@pytest.mark.parametrize(
    ("used", "status"), [(799, HEALTHY), (800, WARNING), (899, WARNING), (900, CRITICAL), (2000, CRITICAL)]
)
def test_memory_is_judged_beside_its_limit(ground, used, status):
    found = memory_is_left(ground, limit=lambda: 1000, used=lambda: used)
    assert (status, used / 1000) == (found.status, found.metrics["memory_level"])


def test_a_limit_of_nothing_is_no_limit(ground):
    assert HEALTHY is memory_is_left(ground, limit=lambda: 0, used=lambda: 10).status


def test_memory_is_of_this_process_tree_and_not_of_the_machine(ground):
    """A child counts; what others use does not."""
    alone = memory_is_left(ground).metrics["memory_bytes"]
    program = "keep = bytearray(100_000_000); keep[::4096] = b'x' * len(keep[::4096]); print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        with_child = memory_is_left(ground).metrics["memory_bytes"]
        assert 90e6 < with_child - alone < 150e6
        assert abs(with_child - memory_bytes()) < 30e6
    finally:
        child.communicate(b"\n")


def test_the_parent_of_a_process():
    import os

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert os.getpid() == parent(child.pid)
    finally:
        child.communicate(b"\n")
    assert parent(child.pid) is None


def test_a_machine_that_is_busy_and_no_more_is_healthy(ground, monkeypatch):
    """Work is what it is for: only those that wait for a CPU count."""
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    found = {load: cpu_is_left(ground, load=lambda load=load: load) for load in (0.0, 3.9, 4.0, 8.0, 20.0, 40.0)}
    assert [0, 0, 0, 0.5, 0.8, 0.9] == [round(each.metrics["cpu_level"], 6) for each in found.values()]
    assert [HEALTHY] * 4 + [WARNING, CRITICAL] == [each.status for each in found.values()]
