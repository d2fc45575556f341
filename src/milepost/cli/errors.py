"""`milepost errors`."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.cli.times import MOMENT
from milepost.process.finding import find_run
from milepost.terminal.errors import errors_page
from milepost.views.errors import list_errors
from milepost.views.view import utc


@click.command("errors", help="What failed lately, in any run and outside of runs, grouped by type and message.")
@click.option("--since", type=MOMENT, default="1h", show_default=True, metavar="TIME", help="1h, 30m, 2d or a date.")
@click.option("--until", type=MOMENT, metavar="TIME", help="Not later than this.")
@click.option("--run", metavar="RUN", help="Only of this run.")
@click.option("--stage", metavar="STAGE", help="Only of this stage or step.")
@click.option("--warnings", is_flag=True, help="Warnings too.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many kinds.")
@click.option("--examples", type=click.IntRange(min=1), default=3, show_default=True, help="Items named of each.")
@face
def errors_command(
    since: float, until: float | None, run: str | None, stage: str | None, warnings: bool, limit: int, examples: int
) -> None:
    """Print groups of failures."""
    with open_workspace() as workspace:
        store = workspace.store
        groups = list_errors(
            store,
            since=since,
            until=until,
            run=None if run is None else find_run(store, run).id,
            step=stage,
            warnings=warnings,
            examples=examples,
        )
    if options().json:
        return show_json({"since": utc(since), "until": utc(until), "kinds": len(groups), "groups": groups[:limit]})
    return show(errors_page(groups, screen(), now(), since=since, limit=limit))
