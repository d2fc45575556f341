"""`milepost show`."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.model.status import ProcessingStatus
from milepost.process.finding import find_run
from milepost.terminal.lists import detail_page, failures_table, items_table
from milepost.terminal.style import Style
from milepost.views.items import FAILED, group_failures, list_items
from milepost.views.runs import run_detail

DONE = tuple(status for status in ProcessingStatus if status.is_done)
STATUSES = {
    "done": DONE,
    "failed": FAILED,
    **{status.value: (status,) for status in ProcessingStatus if status not in FAILED},
}


@click.command("show", help="Show RUN: its stages, decisions and sessions, or with --items its items.")
@click.argument("run", default="last")
@click.option("--items", is_flag=True, help="The items, in the order they were recorded.")
@click.option("--status", type=click.Choice(sorted(STATUSES)), help="Only items with this status.")
@click.option("--stage", metavar="STAGE", help="Only items of this stage.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many items.")
@click.option("--after", type=int, default=0, metavar="SEQ", help="The page after this item's seq.")
@face
def show_command(run: str, items: bool, status: str | None, stage: str | None, limit: int, after: int) -> None:
    """Print one run."""
    if items or status or stage or after:
        return _show_items(run, status, stage, limit, after)
    with open_workspace() as workspace:
        store = workspace.store
        detail = run_detail(store, find_run(store, run), workspace.path / "runs", now=now())
        failures = group_failures(store, detail.run.id) if detail.run.items_failed else []
    if options().json:
        return show_json(detail)
    lines = detail_page(detail, screen(), now())
    return show(lines + (["", *failures_table(failures, screen())] if failures else []))


def _show_items(run: str, status: str | None, stage: str | None, limit: int, after: int) -> None:
    with open_workspace() as workspace:
        store = workspace.store
        found = find_run(store, run)
        page = list_items(
            store,
            found.id,
            stage=stage,
            status=STATUSES[status] if status else None,
            after=after,
            limit=limit + 1,
        )
    more = len(page) > limit
    page = page[:limit]
    if options().json:
        return show_json({"run": found.name, "items": page, "next_after": page[-1].seq if more else None})
    if not page:
        return show(["no such items"])
    lines = items_table(page, screen())
    if more:
        lines.append(screen().paint(f"more: milepost show {found.name} --items --after {page[-1].seq}", Style.DIM))
    return show(lines)
