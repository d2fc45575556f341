"""`milepost export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from milepost.cli.opening import open_workspace, show, show_json
from milepost.cli.options import face, options
from milepost.cli.show import STATUSES
from milepost.process.finding import find_run
from milepost.views.export import FORMATS, WRITERS, export, item_pages


@click.command("export", help="Write the items of RUN as CSV, JSON or Parquet, for spreadsheets and other programs.")
@click.argument("run", default="last")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Else as the file is named, else csv.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Else it is printed."
)
@click.option("--stage", metavar="STAGE", help="Only items of this stage.")
@click.option("--status", type=click.Choice(sorted(STATUSES)), help="Only items with this status.")
@click.option("--attempts", is_flag=True, help="Every attempt, not the last of each item alone.")
@click.option("--documents", is_flag=True, help="Documents that belong to no run, instead of a run's items.")
@face
def export_command(
    run: str,
    form: str | None,
    output: Path | None,
    stage: str | None,
    status: str | None,
    attempts: bool,
    documents: bool,
) -> None:
    """Write items to a file or standard output."""
    form = form or _form(output)
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet is no text: say where to with -o FILE")
    if options().json and output is None and form != "json":
        raise click.UsageError("give one of --json and --format csv, or -o FILE")
    with open_workspace() as workspace:
        store = workspace.store
        found = None if documents else find_run(store, run)
        pages = item_pages(
            store,
            found.id if found else "",
            name=found.name if found else "",
            stage=stage,
            status=STATUSES[status] if status else None,
            attempts=attempts,
        )
        if output is None:
            return WRITERS[form](pages, sys.stdout)
        export(pages, form, output)
    what = f"the items of run {found.name}" if found else "the documents"
    if options().json:
        return show_json({"message": f"wrote {what}", "path": str(output), "format": form})
    return show([f"wrote {what} to {output}"])


def _form(output: Path | None) -> str:
    if options().json and output is None:
        return "json"
    suffix = "" if output is None else output.suffix.lstrip(".").lower()
    return {"pq": "parquet"}.get(suffix, suffix if suffix in FORMATS else "csv")
