"""`milepost compare`."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.kernel.workspace import Workspace
from milepost.model.comparison.formats import csv, markdown
from milepost.model.comparison.lines import Comparison
from milepost.terminal.compare import comparison_page
from milepost.views.compare import compare_named, compare_newest, comparison_document


@click.command(
    "compare",
    help="Show runs and scenarios beside each other: what differs in decisions, metrics, time. WHAT is a run's name or "
    "id, last, or a scenario's name; run:NAME and scenario:NAME where it is both.",
)
@click.argument("what", nargs=-1)
@click.option("--process", metavar="NAME", help="Whose scenarios, or with --last whose runs.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="The newest N runs instead.")
@click.option("--all", "everything", is_flag=True, help="Also what is the same in all.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a table in Markdown.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a line for each, all its values separated by commas.")
@face
def compare_command(
    what: tuple[str, ...], process: str | None, last: int | None, everything: bool, as_markdown: bool, as_csv: bool
) -> None:
    """Print a table of differences."""
    if (len(what) < 2) == (last is None) or (what and last):
        raise click.UsageError("name at least two runs or scenarios to compare, or give --last N")
    if as_markdown + as_csv + options().json > 1:
        raise click.UsageError("give one of --json, --markdown and --csv")
    with open_workspace() as workspace:
        comparison = _compare(workspace, what, process, last)
    if options().json:
        return show_json(comparison_document(comparison, everything=everything))
    if not comparison.columns:
        return show(["no runs like that to compare"])
    if as_markdown:
        return show([markdown(comparison, everything=everything)])
    if as_csv:
        return show(csv(comparison))
    return show(comparison_page(comparison, screen(), now(), everything=everything))


def _compare(workspace: Workspace, what: tuple[str, ...], process: str | None, last: int | None) -> Comparison:
    folder = workspace.path / "runs"
    if last is not None:
        return compare_newest(workspace.store, folder, last, process=process, now=now())
    return compare_named(workspace.store, workspace.objects, folder, what, process=process, now=now())
