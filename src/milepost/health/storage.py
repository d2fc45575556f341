"""Whether the ledger and the objects can be written, and how long the disk lasts."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from milepost.health.check import Finding
from milepost.health.ground import Ground
from milepost.health.history import History
from milepost.model.health import HealthStatus, Levels, Thresholds, worst
from milepost.model.health_looks import Sample, seconds_until_full
from milepost.model.rows import RunRow
from milepost.model.text import duration, size

PROBE_BYTES = 1 << 16
TOLD_SECONDS = 3 * 86_400.0


def store_is_writable(ground: Ground) -> Finding:
    """A commit that moves a counter and survives a power cut, a read, and a file that is gone with its descriptor."""
    began = time.perf_counter()
    ground.writing().sync()
    ground.writing().get(RunRow)
    if ground.folder is not None:
        _write_and_forget(ground.folder / "objects")
    seconds = time.perf_counter() - began
    return Finding(HealthStatus.HEALTHY, f"written and read in {seconds * 1000:.0f} ms", {"store_seconds": seconds})


def _write_and_forget(folder: Path) -> None:
    path = folder / f".tmp-health-{os.getpid()}-{secrets.token_hex(4)}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.unlink(path)  # first: who is killed here leaves nothing
        written = os.write(handle, bytes(PROBE_BYTES))
        if written < PROBE_BYTES:
            raise OSError(28, os.strerror(28), str(folder))
    finally:
        os.close(handle)


def disk_has_room(ground: Ground, history: History) -> Finding:
    """How much is free, and at the rate of the last hour, for how long."""
    if ground.folder is None:
        return Finding(HealthStatus.HEALTHY, "no workspace on a disk")
    found = os.statvfs(_there(ground.folder))
    free, whole = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    lasts = seconds_until_full(history.sample(Sample(ground.clock.now(), free)), free)
    statuses = [_by_size(free, whole, ground.thresholds)]
    text = f"{size(free)} free of {size(whole)}"
    metrics = {"disk_free_bytes": float(free), "disk_total_bytes": float(whole)}
    if lasts is not None:
        statuses.append(_sooner(lasts, ground.thresholds.disk_full_in_seconds))
        text += f", full in {duration(lasts)} at the rate of the last hour" if lasts < TOLD_SECONDS else ""
        metrics["disk_full_in_seconds"] = lasts
    if found.f_files and not found.f_favail:
        statuses.append(HealthStatus.CRITICAL)
        text += ", and no more files can be made on it"
    status = worst(statuses)
    return Finding(
        status, text if status is HealthStatus.HEALTHY else f"{text}; make room, or see `milepost gc`", metrics
    )


def _there(folder: Path) -> Path:
    """The folder, or where it will be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _by_size(free: int, whole: int, thresholds: Thresholds) -> HealthStatus:
    large, small = thresholds.disk_free_bytes, thresholds.small_disk_share
    return _sooner(
        float(free),
        Levels(min(large.warning, small.warning * whole), min(large.critical or 0.0, (small.critical or 0.0) * whole)),
    )


def _sooner(left: float, levels: Levels) -> HealthStatus:
    """Levels that are bad from below."""
    if levels.critical is not None and left <= levels.critical:
        return HealthStatus.CRITICAL
    return HealthStatus.WARNING if left <= levels.warning else HealthStatus.HEALTHY
