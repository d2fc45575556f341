"""`milepost gc`: mark what rows reach, then sweep the rest; a dry run unless told otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from milepost.cli.opening import now, open_workspace, show, show_json
from milepost.cli.options import face, options
from milepost.kernel.workspace import Workspace
from milepost.model.rows import (
    DecisionRow,
    EventRow,
    PartsRow,
    ResultRow,
    RunRow,
    SessionRow,
    StageRow,
    StepRow,
)
from milepost.terminal.text import counted, listed, safe, size
from milepost.views.storage import finished_before, keys_of_others

OF_A_RUN = (StepRow, StageRow, DecisionRow, EventRow, SessionRow)


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, removed."""

    deleted: bool
    objects: int
    size_bytes: int
    runs: tuple[str, ...]


@click.command("gc", help="Find what no run reaches. A dry run, unless --delete is given.")
@click.option("--delete", is_flag=True, help="Remove it.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Forget runs that ended so long ago, too.",
)
@click.option(
    "--grace", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="MINUTES",
    help="Keep objects younger than this: their row may be still to come.",
)  # fmt: skip
@face
def gc_command(delete: bool, older_than: float | None, grace: float) -> None:
    """Print what would be freed, or free it."""
    with open_workspace(read_only=not delete) as workspace:
        runs = [] if older_than is None else finished_before(workspace.store, now() - older_than * 86400)
        if delete:
            _forget(workspace, runs)
        keep = set(workspace.store.addresses()) if delete or not runs else _kept_without(workspace, runs)
        swept = workspace.objects.sweep(keep, older_than_seconds=grace * 60, dry_run=not delete)
    found = Collected(
        deleted=delete, objects=swept.count, size_bytes=swept.size_bytes, runs=tuple(run.name for run in runs)
    )
    if options().json:
        return show_json(msgspec.to_builtins(found))
    return show(_told(found))


def _forget(workspace: Workspace, runs: Sequence[RunRow]) -> None:
    """Drop the rows of these runs, and the results that no other run reaches; the run itself goes last."""
    alone, _ = keys_of_others(workspace.store, runs)
    for start in range(0, len(keys := sorted(alone)), 500):
        for kind in (ResultRow, PartsRow):
            workspace.store.drop(kind, key=keys[start : start + 500])
    for run in runs:
        for of_run in OF_A_RUN:
            workspace.store.drop(of_run, run=run.id)
        workspace.store.drop(RunRow, id=run.id)


def _kept_without(workspace: Workspace, runs: Sequence[RunRow]) -> set[str]:
    """The addresses that would still be named if these runs were forgotten."""
    gone = {run.id for run in runs}
    alone, _ = keys_of_others(workspace.store, runs)
    store = workspace.store
    kept = {row.address for row in store.rows(ResultRow) if row.key not in alone}
    kept |= {row.address for row in store.rows(StageRow) if row.run not in gone and row.address}
    kept |= {row.address for row in store.rows(DecisionRow) if row.run not in gone and row.address}
    after = 0
    while page := store.rows(StepRow, after=after, limit=10_000):
        kept |= {row.address for row in page if row.run not in gone and row.address}
        after = page[-1].seq
    return kept


def _told(found: Collected) -> list[str]:
    if not found.objects and not found.runs:
        return ["nothing to collect: every object is reached by a run"]
    verb = "removed" if found.deleted else "would remove"
    lines = [f"{verb} {counted(found.objects, 'object')}, {size(found.size_bytes)}"]
    if found.runs:
        lines.append(f"{'forgot' if found.deleted else 'would forget'} {listed([safe(name) for name in found.runs])}")
    return lines if found.deleted else [*lines, "to do it: milepost gc --delete"]
