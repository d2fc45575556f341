"""`milepost compare`."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.process.finding import find_run
from milepost.terminal.compare import comparison_page
from milepost.views.compare import compare_runs, comparison_document


@click.command("compare", help="Show RUNs beside each other: what differs in decisions, metrics and time.")
@click.argument("runs", nargs=-1, metavar="RUN…")
@click.option("--all", "everything", is_flag=True, help="Also what is the same in all.")
@face
def compare_command(runs: tuple[str, ...], everything: bool) -> None:
    """Print a table of differences."""
    if len(runs) < 2:
        raise click.UsageError("name at least two runs to compare")
    with open_workspace() as workspace:
        found = [find_run(workspace.store, words) for words in runs]
        comparison = compare_runs(workspace.store, workspace.path / "runs", found, now=now())
    if options().json:
        return show_json(comparison_document(comparison, everything=everything))
    return show(comparison_page(comparison, screen(), now(), everything=everything))
