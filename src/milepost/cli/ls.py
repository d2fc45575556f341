"""`milepost ls`."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.model.status import RunState
from milepost.terminal.lists import runs_table
from milepost.views.items import has_steps_of_no_run
from milepost.views.runs import list_runs


@click.command("ls", help="List runs, the newest first.")
@click.option("--process", metavar="NAME", help="Only runs of this process.")
@click.option("--state", type=click.Choice([state.value for state in RunState]), help="Only runs in this state.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@face
def ls_command(process: str | None, state: str | None, limit: int, everything: bool) -> None:
    """Print the runs of the workspace."""
    with open_workspace() as workspace:
        runs = list_runs(
            workspace.store,
            workspace.path / "runs",
            now=now(),
            limit=None if everything else limit,
            process=process,
            state=RunState(state) if state else None,
        )
        has_documents = not runs and has_steps_of_no_run(workspace.store)
    if options().json:
        return show_json(runs)
    if not runs:
        which = " like that" if process or state else " yet"
        documents = "; documents of no run: `milepost export --documents`" if has_documents else ""
        return show([f"no runs{which}; start one with `milepost run FILE.py`{documents}"])
    return show(runs_table(runs, screen(), now()))
