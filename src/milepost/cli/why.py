"""`milepost why`."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.process.finding import find_run
from milepost.terminal.reasons import why_page
from milepost.views.runs import seen_run
from milepost.views.why import why_stages


@click.command("why", help="Say why RUN's stages, or one STAGE, ran or were reused, and what changed.")
@click.argument("run", default="last")
@click.argument("stage", required=False)
@face
def why_command(run: str, stage: str | None) -> None:
    """Print a reason for each stage, with the parts of its key that changed."""
    with open_workspace() as workspace:
        row = find_run(workspace.store, run)
        seen = seen_run(workspace.store, row, workspace.path / "runs", now=now())
        found = why_stages(workspace.store, row, stage, seen=seen)
    if options().json:
        return show_json(found)
    return show(why_page(found, screen()))
