"""Documents that belong to no run and failed: each gets an attempt that waits, for the program that works on them."""

from __future__ import annotations

from typing import Any

import msgspec

from milepost.kernel.clock import SYSTEM
from milepost.kernel.recorder import Recorder
from milepost.kernel.user import user_name
from milepost.kernel.workspace import Workspace
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus

PAGE = 1_000
NO_RUN = ""


def retry_documents(workspace: Workspace, step: str | None = None) -> int:
    """Record a PENDING attempt for each document whose last attempt at a step failed; how many there were.

    `ProcessingStepManager.latest_status` then says PENDING of it. Raises StoreFull, StoreBusy.
    """
    recorder = Recorder(workspace.store, None, wait_seconds=workspace.config.store_wait_seconds)
    details = msgspec.json.encode({"asked_by": user_name(), "asked_with": "milepost retry"}).decode()
    equal: dict[str, Any] = {} if step is None else {"step": step}
    failed = (ProcessingStatus.ERROR, ProcessingStatus.FAILED)
    after = marked = 0
    while page := workspace.store.rows(StepRow, run=NO_RUN, status=failed, after=after, limit=PAGE, **equal):
        after = page[-1].seq
        marked += recorder.record(*(_waiting(row, details) for row in _last(workspace, page)))
    return marked


def _last(workspace: Workspace, page: list[StepRow]) -> list[StepRow]:
    """Those of these attempts that no other followed."""
    kept: list[StepRow] = []
    for step in {row.step for row in page}:
        rows = [row for row in page if row.step == step]
        last = workspace.store.last_attempts(NO_RUN, step, [row.item for row in rows])
        kept += [row for row in rows if row.attempt == last[row.item]]
    return sorted(kept, key=lambda row: row.seq)


def _waiting(row: StepRow, details: str) -> StepRow:
    return StepRow(
        run=NO_RUN,
        step=row.step,
        item=row.item,
        attempt=row.attempt + 1,
        status=ProcessingStatus.PENDING,
        at=SYSTEM.now(),
        details=details,
    )
