"""`milepost doctor`."""

from __future__ import annotations

import os
import platform
import sys
from textwrap import wrap

import click
import msgspec

from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.errors import MilepostError
from milepost.model.shortening import shortened
from milepost.model.status import RunState
from milepost.store.protocol import Store
from milepost.terminal.style import Style
from milepost.terminal.table import Cell, Column, lay_out
from milepost.terminal.text import safe, size
from milepost.views.runs import RunLine, list_runs

BEFORE_TEXT = 4 + 2 + 11 + 2  # a verdict and a name, each with its gap
READ_THROUGH_BYTES = 100_000_000  # a second or so; beyond that only `milepost verify` reads it all


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at: `verdict` is ok, note or bad, `advice` what to do about it."""

    name: str
    verdict: str
    found: str
    advice: str = ""


@click.command("doctor", help="Check the workspace and what Milepost stands on.")
@face
def doctor_command() -> int:
    """Exit code 0 when nothing is bad, else 4."""
    checks = [_python(), *_workspace()]
    if options().json:
        show_json({"checks": [msgspec.to_builtins(check) for check in checks]})
    else:
        show(_page(checks))
    return MilepostError.exit_code if any(check.verdict == "bad" for check in checks) else 0


def _python() -> Check:
    from milepost import __version__

    return Check("milepost", "ok", f"{__version__} on Python {platform.python_version()}, {platform.platform()}")


def _workspace() -> list[Check]:
    try:
        with open_workspace() as workspace:
            store = workspace.store
            checks = [Check("workspace", "ok", str(workspace.path)), *_ledger(store)]
            checks.append(_key(workspace.key))
            checks.append(_space(workspace.path))
            checks += _runs(list_runs(store, workspace.path / "runs", now=now(), limit=200))
            return checks
    except MilepostError as error:
        return [Check("workspace", "bad", str(error))]


def _ledger(store: Store) -> list[Check]:
    described = store.describe()
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in described.items() if name != "path")
    return [Check("ledger", "ok", told), _soundness(store, int(described.get("size_bytes", "0")))]


def _soundness(store: Store, size_bytes: int) -> Check:
    if size_bytes > READ_THROUGH_BYTES:
        return Check("soundness", "note", f"{size(size_bytes)} were not read through", "to do it: milepost verify")
    damage = next(iter(store.verify()), None)
    if damage is None:
        return Check("soundness", "ok", "every page and row of the ledger is as it was written")
    where = " ".join(part for part in (damage.table, damage.identity) if part)
    return Check(
        "soundness", "bad", f"the ledger is damaged: {where} {damage.problem}".replace("  ", " "),
        "see all of it with `milepost verify`, and put a copy of the ledger back",
    )  # fmt: skip


def _key(key: bytes) -> Check:
    if key:
        return Check("signing key", "ok", "on this machine")
    return Check(
        "signing key", "note", "not on this machine",
        "results stored as pickle are refused here; plain data, arrays and frames can be read",
    )  # fmt: skip


def _space(path: os.PathLike[str]) -> Check:
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    if free < 1_000_000_000:
        return Check("disk", "note", f"{size(free)} free", "make room, or see `milepost gc`")
    return Check("disk", "ok", f"{size(free)} free")


def _runs(runs: list[RunLine]) -> list[Check]:
    dead = [run.name for run in runs if run.state is RunState.INTERRUPTED]
    alive = sum(run.state is RunState.RUNNING for run in runs)
    checks = [Check("runs", "ok", f"{len(runs)} looked at, {alive} running")]
    if dead:
        checks.append(Check("interrupted", "note", ", ".join(dead[:5]), f"milepost resume {dead[0]}"))
    return checks


def _page(checks: list[Check]) -> list[str]:
    styles = {"ok": Style.GREEN, "note": Style.YELLOW, "bad": Style.RED}
    wide = max(screen().columns, 40) if sys.stdout.isatty() else 1000
    rows: list[list[Cell]] = []
    for check in checks:
        text = safe(shortened(check.found + (f"; {check.advice}" if check.advice else "")))
        first, *rest = wrap(text, wide - BEFORE_TEXT, break_on_hyphens=False) or [""]
        rows.append([Cell(check.verdict, styles[check.verdict]), Cell(check.name), Cell(first)])
        rows += [[Cell(""), Cell(""), Cell(line)] for line in rest]
    columns = (Column(""), Column(""), Column(""))
    return lay_out(columns, rows, columns_wide=wide, colour=screen().colour, titles=False)
