"""`milepost cancel`."""

from __future__ import annotations

import time

import click

from milepost.cli.opening import now, open_to_write, show, show_json
from milepost.cli.options import face, options
from milepost.kernel.workspace import Workspace
from milepost.model.rows import EventRow, RunRow
from milepost.process.finding import find_run
from milepost.process.watching import CANCEL_REQUESTED
from milepost.terminal.sentences import resume_command
from milepost.terminal.text import safe
from milepost.views.runs import RunLine, run_detail

LOOK_SECONDS = 0.1


@click.command("cancel", help="Ask RUN to stop at its next safe point. What is done is kept; it can be resumed.")
@click.argument("run", default="last")
@click.option("--wait", type=click.FloatRange(min=0), default=10.0, show_default=True, help="Seconds to wait for it.")
@face
def cancel_command(run: str, wait: float) -> int:
    """Ask, and wait for the end. Exit code 0 when the run is over or was asked."""
    with open_to_write() as workspace:
        row = find_run(workspace.store, run)
        before = _line(workspace, row)
        if before.state.is_active:
            workspace.store.write(
                [EventRow(at=now(), run=row.id, epoch=row.epoch, kind=CANCEL_REQUESTED)], durable=True
            )
        after = _await(workspace, row, wait) if before.state.is_active else before
    if options().json:
        show_json(after)
        return 0
    name = safe(row.name)
    if not before.state.is_active:
        show([f"run {name} is not running: it is {before.state.value}"])
    elif after.state.is_active:
        show([f"run {name} was asked to stop and will at its next safe point; see `milepost show {name}`"])
    else:
        show([f"run {name} is {after.state.value}; to go on:", resume_command(row.name, options().workspace)])
    return 0


def _line(workspace: Workspace, row: RunRow) -> RunLine:
    fresh = workspace.store.get(RunRow, id=row.id) or row
    return run_detail(workspace.store, fresh, workspace.path / "runs", now=now(), exact=False).run


def _await(workspace: Workspace, row: RunRow, seconds: float) -> RunLine:
    deadline = time.monotonic() + seconds
    line = _line(workspace, row)
    while line.state.is_active and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        line = _line(workspace, row)
    return line
