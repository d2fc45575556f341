"""Whether log lines were lost: each gap leaves a line in its file once there is room again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from milepost import typed
from milepost.health.check import Finding
from milepost.health.ground import Ground, unknown_without_ledger
from milepost.kernel.clock import SYSTEM
from milepost.kernel.logfile import GAP
from milepost.kernel.loglines import LogLine
from milepost.model.health import LONG_SECONDS, HealthStatus
from milepost.model.rows import RunRow
from milepost.model.text import counted

RUNS = 20
TAIL_BYTES = 1 << 16


@unknown_without_ledger
def log_lines_are_written(ground: Ground) -> Finding:
    """Gaps of the last hour, in the ends of the newest runs' files."""
    if ground.folder is None:
        return Finding(HealthStatus.HEALTHY, "no workspace, no logs")
    since = ground.clock.now() - LONG_SECONDS
    runs = ground.reading().rows(RunRow, newest=True, limit=RUNS)
    written_since = SYSTEM.now() - LONG_SECONDS  # the time of a file is the machine's own
    files = [path for run in runs for path in _written_since(ground.folder / "logs" / run.id, written_since)]
    dropped = sum(lost for path in files for lost in _gaps(path, since))
    metrics = {"log_lines_dropped": dropped}
    if dropped:
        return Finding(HealthStatus.WARNING, f"{counted(dropped, 'line')} lost in the last hour", metrics)
    return Finding(HealthStatus.HEALTHY, "none lost in the last hour", metrics)


def _written_since(folder: Path, since: float) -> Iterator[Path]:
    try:
        yield from (Path(entry.path) for entry in os.scandir(folder) if entry.stat().st_mtime >= since)
    except OSError:  # a run that wrote nothing, or whose logs were swept
        return


def _gaps(path: Path, since: float) -> Iterator[int]:
    for raw in _tail(path).splitlines():
        if GAP.encode() not in raw:
            continue
        try:
            line = typed.from_json(raw, LogLine)
        except msgspec.DecodeError:
            continue
        number = line.text.removesuffix(GAP).replace(",", "")
        if line.logger == "milepost" and line.at >= since and number.isdecimal():
            yield int(number)


def _tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return file.read()
    except OSError:
        return b""
