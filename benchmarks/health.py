"""What a health check costs over a ledger of a million rows, whole and check by check."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from milepost import Workspace
from milepost.health import HealthCheckManager
from milepost.model.rows import RunRow, StepRow
from milepost.model.status import ProcessingStatus, RunState

MANY = int(os.environ.get("BENCH_STEPS", "1_000_000"))
BATCH = 2_000
FAILED_OF = 100  # one attempt in so many fails
ROUNDS = 31


def rows() -> list[dict[str, object]]:
    """All measurements: what, ours, limit, unit."""
    with tempfile.TemporaryDirectory() as folder, Workspace.open(Path(folder) / "health") as workspace:
        fill(workspace)
        first = milliseconds(lambda: once(workspace.path), rounds=5)
        with HealthCheckManager(workspace=workspace) as manager:
            again = milliseconds(manager.perform_health_check)
            ready = milliseconds(manager.perform_readiness_check)
        return [
            row(f"a health check, {MANY:,} rows, half of them of the last hour", again, "≤ 20 ms"),
            row("the first one of a process that opens the ledger", first, None),
            row("a readiness check: a commit that survives a power cut", ready, None, limit=synced(Path(folder))),
        ]


def fill(workspace: Workspace) -> None:
    """Half of the rows are of the last hour, evenly spread, and one in a hundred failed."""
    common = {"process": "p", "decisions_hash": "d", "state": RunState.COMPLETED}
    workspace.store.write([RunRow(id=f"run-{n}", name=f"run-{n}", created=1.0 + n, **common) for n in range(20)])
    begin = time.time() - 7200
    for start in range(0, MANY, BATCH):
        workspace.store.write([step(n, begin + 7200 * n / MANY) for n in range(start, start + BATCH)])


def step(n: int, at: float) -> StepRow:
    """An attempt as the ledger of documents writes it."""
    status = ProcessingStatus.FAILED if n % FAILED_OF == 0 else ProcessingStatus.SUCCESS
    error = "ValueError: the page is empty" if n % FAILED_OF == 0 else None
    return StepRow(run="run-1", step="extract", item=f"doc-{n:07d}", status=status, error=error, seconds=0.01, at=at)


def once(path: Path) -> None:
    """As a command does it, its interpreter left out."""
    with HealthCheckManager(workspace=path) as manager:
        manager.perform_health_check()


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median."""
    work()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found)[rounds // 2]


def synced(folder: Path) -> float:
    """What this disk takes to sync a page, in milliseconds."""
    with open(folder / "page", "wb", buffering=0) as file:

        def write() -> None:
            os.pwrite(file.fileno(), os.urandom(4096), 0)
            os.fsync(file.fileno())

        return milliseconds(write)


def row(what: str, ours: float, target: str | None, limit: float | None = None) -> dict[str, object]:
    """One line of the table."""
    return {
        "what": what,
        "ours": round(ours, 2),
        "limit": None if limit is None else round(limit, 2),
        "unit": "ms",
        "target": target,
    }
