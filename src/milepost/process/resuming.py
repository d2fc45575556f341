"""From a run's name to the process and decisions that carry it on."""

from __future__ import annotations

import msgspec

from milepost.errors import TargetError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow
from milepost.process.definition import Process
from milepost.process.finding import find_run
from milepost.process.opening import recorded_decisions
from milepost.process.targets import load_target


class Reopened(msgspec.Struct, frozen=True, kw_only=True):
    """A run with what carries it on: `process.run(decisions, run=row.id)`."""

    row: RunRow
    process: Process
    decisions: dict[str, object]


def reopen_run(workspace: Workspace, reference: str) -> Reopened:
    """The run of this name or id ("last": the newest), its process loaded again, its decisions as recorded.

    Raises UnknownRunError, and TargetError for a run that was not started from a file or module.
    """
    row = find_run(workspace.store, reference)
    if row.target is None:
        raise TargetError(
            f"run {row.name} was started from Python, not from a file that a shell can find; "
            f"call  process.run(run={row.name!r})  where the process is defined"
        )
    process = load_target(row.target)
    return Reopened(row=row, process=process, decisions=recorded_decisions(workspace.store, row, process))
