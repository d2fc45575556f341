"""`milepost decisions`."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.process.finding import find_run
from milepost.terminal.decisions import decisions_page
from milepost.views.decisions import decisions_of


@click.command("decisions", help="Show the decisions of RUN: value, default, who chose it and why, what it affects.")
@click.argument("run", default="last")
@click.option("--changed", is_flag=True, help="Only those that are not at their default.")
@click.option("--history", is_flag=True, help="Every value that was recorded, the oldest first.")
@face
def decisions_command(run: str, changed: bool, history: bool) -> None:
    """Print a line for each."""
    with open_workspace() as workspace:
        row = find_run(workspace.store, run)
        found = decisions_of(workspace.store, row, only_changed=changed, with_history=history)
    if options().json:
        return show_json(found)
    return show(decisions_page(found, screen(), now()))
