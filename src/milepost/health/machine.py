"""What the runs use of their machine: memory of their processes beside their limit, and the wait for a CPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from milepost.errors import MilepostError
from milepost.health.check import Finding
from milepost.health.ground import Ground
from milepost.health.runs import open_runs
from milepost.kernel import host
from milepost.kernel.limits import memory_limit_bytes
from milepost.kernel.sessions import new_session
from milepost.model.text import size

_DEEPEST = 100  # ancestors that are looked at


def memory_is_left(
    ground: Ground, *, limit: Callable[[], int] = memory_limit_bytes, used: Callable[[], int] | None = None
) -> Finding:
    """This process tree and those of the runs that work here, beside the container's limit or the machine's memory."""
    whole = limit()
    taken = sum(host.memory_bytes(pid) for pid in _roots(ground)) if used is None else used()
    level = taken / whole if whole > 0 else 0.0
    text = f"{size(taken)} of {size(whole)} ({level:.0%})"
    metrics = {"memory_bytes": taken, "memory_limit_bytes": whole, "memory_level": level}
    return Finding(ground.thresholds.memory.judge(level), text, metrics)


def cpu_is_left(ground: Ground, *, load: Callable[[], float] | None = None) -> Finding:
    """Which share of those that could work has to wait for a CPU: a machine that is busy and no more is at 0."""
    cores = os.cpu_count() or 1
    wanting = os.getloadavg()[0] if load is None else load()
    level = max(0.0, 1 - cores / wanting) if wanting > 0 else 0.0
    text = f"{wanting:.1f} want to work on {cores} cores; {level:.0%} of them wait"
    return Finding(ground.thresholds.cpu.judge(level), text, {"cpu_load": wanting, "cpu_level": level})


def _roots(ground: Ground) -> list[int]:
    """Processes none of which is below another: this one, and the sessions that work in this space of pids."""
    chosen: list[int] = []
    for pid in sorted({os.getpid(), *_sessions(ground)}, key=lambda pid: len(list(_ancestors(pid)))):
        if not set(_ancestors(pid)) & set(chosen):
            chosen.append(pid)
    return chosen


def _sessions(ground: Ground) -> Iterator[int]:
    place = new_session(ground.clock).boot_id
    try:
        sights = open_runs(ground)
    except (MilepostError, OSError):  # then it is this process that is measured
        return
    for _, session, seen in sights:
        if session is not None and seen.state.is_active and session.boot_id == place:
            yield session.pid


def _ancestors(pid: int) -> Iterator[int]:
    for _ in range(_DEEPEST):
        parent = host.parent(pid)
        if parent is None or parent <= 0:
            return
        yield parent
        pid = parent
