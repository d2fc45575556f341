"""`milepost gc`: a dry run unless told otherwise."""

from __future__ import annotations

import click
import msgspec

from milepost.cli.opening import now, open_workspace, show, show_json
from milepost.cli.options import face, options
from milepost.process.collecting import Collected, collect
from milepost.terminal.text import counted, listed, safe, size

GRACE_MINUTES = 60.0


@click.command("gc", help="Find what no run reaches. A dry run, unless --delete is given.")
@click.option("--delete", is_flag=True, help="Remove it.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Forget runs that ended so long ago, too.",
)
@click.option(
    "--grace", type=click.FloatRange(min=0), default=GRACE_MINUTES, show_default=True, metavar="MINUTES",
    help="Keep objects younger than this: their row may be still to come.",
)  # fmt: skip
@face
def gc_command(delete: bool, older_than: float | None, grace: float) -> None:
    """Print what would be freed, or free it."""
    with open_workspace(read_only=not delete) as workspace:
        found = collect(
            workspace,
            now=now(),
            grace_seconds=grace * 60,
            older_than_seconds=None if older_than is None else older_than * 86400,
            delete=delete,
        )
    if options().json:
        return show_json(msgspec.to_builtins(found))
    lines = _told(found, asked_to_forget=older_than is not None)
    is_more = bool(found.objects or found.runs or found.alerts) and not delete
    return show([*lines, f"to do it: {_in_earnest(older_than, grace)}"] if is_more else lines)


def _in_earnest(older_than: float | None, grace: float) -> str:
    words = ["milepost gc --delete"]
    words += [f"--older-than {older_than:g}"] if older_than is not None else []
    words += [f"--grace {grace:g}"] if grace != GRACE_MINUTES else []
    return " ".join(words)


def _told(found: Collected, *, asked_to_forget: bool) -> list[str]:
    lines = _removed(found)
    if found.alive:
        who = listed([safe(name) for name in found.alive])
        lines.insert(0, f"{who} may be working now: {_kept(found, asked_to_forget=asked_to_forget)}")
    return lines


def _kept(found: Collected, *, asked_to_forget: bool) -> str:
    if found.runs:
        return "it began in the meantime, so no object was removed"
    return "no run was forgotten, and what is newer than it stays" if asked_to_forget else "what is newer stays"


def _removed(found: Collected) -> list[str]:
    if not found.objects and not found.runs and not found.alerts:
        return ["nothing to collect" if found.alive else "nothing to collect: every object is reached by a run"]
    verb = "removed" if found.deleted else "would remove"
    lines = [f"{verb} {counted(found.objects, 'object')}, {size(found.size_bytes)}"]
    if found.runs:
        lines.append(f"{'forgot' if found.deleted else 'would forget'} {listed([safe(name) for name in found.runs])}")
    if found.alerts:
        old = counted(found.alerts, "old event")
        lines.append(f"{'forgot' if found.deleted else 'would forget'} {old} of alerts; those that are open stay so")
    return lines
