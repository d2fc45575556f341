"""The tour: from the start, killed part-way, continued, one decision changed; then what it cost and what it saved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TextIO

import msgspec

from milepost.cli.demo.material import place, require_extra
from milepost.cli.demo.shell import CommandFailed, Shell
from milepost.errors import MilepostError
from milepost.kernel.workspace import Workspace
from milepost.model.status import StageState
from milepost.process.finding import find_run
from milepost.terminal.style import Style
from milepost.terminal.table import Cell, Column, lay_out
from milepost.terminal.text import count, duration
from milepost.views.runs import RunDetail, run_detail

KILL_AT = 0.4  # of the mapped stage's items
OTHER = ("--set", "clean.late_after=30")

TRY = """\
Now it is yours, in {folder}/:
  edit a helper in flights.py, chance() say, and: milepost run flights.py
  milepost why last   what ran, what was reused, and which change it was
  milepost run flights.py --set study.samples=800   Ctrl-C, and the same again
  milepost run flights.py --sweep rank.threshold=0.2,0.3   two runs, compared\
"""


class Leg(msgspec.Struct, frozen=True):
    """One line of the closing table. `saved_seconds`: what the reused work took when it was done."""

    what: str
    took_seconds: float
    ran: int
    items_ran: int
    reused: int
    items_reused: int
    saved_seconds: float | None = None


def demo(folder: Path, out: TextIO) -> int:
    """Place the demo in `folder`, carry the tour out there, writing to `out`; the exit code.

    `out` needs a file descriptor. A demo that was killed, started again in its folder, goes on. Raises MissingExtra
    when the extra `demo` is not installed, WorkspaceError when the folder holds other things or cannot be written.
    """
    require_extra()
    begun = place(folder)
    shell = Shell(folder, out)
    shell.say()
    shell.say(f"{folder}/ {'is there already: going on in it' if begun else 'now holds flights.py and its data'}.")
    try:
        legs = _tour(shell)
    except CommandFailed as failed:
        shell.say(f"The command above failed (exit code {failed.code}); after a repair, `milepost demo` goes on.")
        return failed.code
    _close(shell, legs)
    return 0


def _tour(shell: Shell) -> list[Leg]:
    _heading(shell, 1, "From the start: 336,776 flights, nine stages, a model for each route")
    took = shell.milepost("run", "flights.py")
    first = _last(shell)
    whole = sum(stage.seconds or stage.saved_seconds or 0.0 for stage in first.stages)
    legs = [_leg("from the start", took, first, whole)]
    legs += _kill_and_continue(shell, whole)
    _heading(shell, 4, "Another threshold: only what depends on it runs")
    took = shell.milepost("run", "flights.py", "--set", "rank.threshold=0.3")
    legs.append(_leg("threshold changed", took, _last(shell), whole))
    _heading(shell, 5, "The findings, from the same process as a script")
    shell.python("flights.py")
    return legs


def _kill_and_continue(shell: Shell, whole: float) -> list[Leg]:
    _heading(shell, 2, "Late means 30 minutes now: killed part-way through the routes")
    before = _last(shell).run.id
    took = shell.killed("run", "flights.py", *OTHER, when=lambda: _is_midway(shell, before))
    if took is None:
        shell.say("Nothing was left to kill: all of it had been done before in this folder.", Style.DIM)
        return []
    killed = _leg("killed part-way", took, _last(shell), None)
    shell.milepost("ls")
    _heading(shell, 3, "The same command again: it continues where it was")
    took = shell.milepost("run", "flights.py", *OTHER)
    return [killed, _leg("continued", took, _last(shell), whole)]


def _is_midway(shell: Shell, before: str) -> bool:
    """Whether the newest run, if it is not `before`, has done its share of the mapped stage's items."""
    try:
        run = _last(shell)
    except (MilepostError, OSError):  # looked at while it is being written: look again
        return False
    study = next((stage for stage in run.stages if stage.items_total), None)
    if study is None or study.state is not StageState.RUNNING or study.items_total is None:
        return False
    return run.run.id != before and (study.items_done or 0) >= KILL_AT * study.items_total


def _last(shell: Shell) -> RunDetail:
    with Workspace.open(shell.folder / ".milepost", create=False, read_only=True) as workspace:
        store = workspace.store
        return run_detail(store, find_run(store, "last"), workspace.path / "runs", now=time.time())


def _leg(what: str, took: float, run: RunDetail, whole: float | None) -> Leg:
    reused = [stage for stage in run.stages if stage.state is StageState.REUSED]
    ran = [stage for stage in run.stages if stage.state is StageState.COMPLETED]
    mapped = [stage for stage in run.stages if stage.items_total]
    items_reused = sum((stage.items_done or 0) if stage in reused else stage.items_reused for stage in mapped)
    return Leg(
        what=what,
        took_seconds=took,
        ran=len(ran),
        items_ran=sum(stage.items_done or 0 for stage in mapped) - items_reused,
        reused=len(reused),
        items_reused=items_reused,
        saved_seconds=max(whole - took, 0.0) if whole and (reused or items_reused) else None,
    )


def _heading(shell: Shell, number: int, text: str) -> None:
    shell.say()
    shell.say(f"{number}  {text}", Style.BOLD)
    shell.say()


def _close(shell: Shell, legs: list[Leg]) -> None:
    _heading(shell, 6, "What ran, what was reused, what that saved")
    titles = [("", "", "", "ran", "", "reused", ""), ("", "took", "stages", "routes", "stages", "routes", "saved")]
    rows = [[Cell(title, Style.DIM) for title in line] for line in titles] + [_figures(leg) for leg in legs]
    columns = [Column(""), *(Column("", right=True) for _ in titles[1][1:])]
    wide, colour = shell.screen.columns, shell.screen.colour
    for line in lay_out(columns, rows, columns_wide=wide, colour=colour, indent=3, titles=False):
        shell.say(line)
    shell.say()
    shell.say(TRY.format(folder=shell.folder))


def _figures(leg: Leg) -> list[Cell]:
    counts = (leg.ran, leg.items_ran, leg.reused, leg.items_reused)
    saved = Cell(duration(leg.saved_seconds), Style.GREEN)
    return [Cell(leg.what), Cell(duration(leg.took_seconds)), *(Cell(count(number)) for number in counts), saved]
