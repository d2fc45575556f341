"""From the command line to the workspace and to the run that is meant."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from milepost.cli.options import options
from milepost.kernel.at_hand import folder_beside, left_behind
from milepost.kernel.workspace import LEDGER, Workspace
from milepost.terminal.style import Screen, screen_of
from milepost.views.view import View, to_json


def open_workspace(*, read_only: bool = True, notes_deaths: bool = True) -> Workspace:
    """The workspace that is meant. None is made: that is left to a run that begins.

    What killed processes had at hand of documents is written down first, so that every command tells it.
    """
    workspace = Workspace.open(options().workspace, create=False, read_only=read_only)
    if notes_deaths and any(left_behind(folder_beside(workspace.path / LEDGER))):
        from milepost.steps.deaths import write_down_in

        write_down_in(workspace.path)
    return workspace


def open_to_write() -> Workspace:
    """The same for a command that writes: what could never be written is said at once, and not waited for."""
    workspace = open_workspace(read_only=False)
    workspace.refuse_unwritable()
    return workspace


def screen() -> Screen:
    """What standard output can do."""
    return screen_of(sys.stdout)


def now() -> float:
    """UTC epoch seconds."""
    return time.time()


def show(lines: list[str]) -> None:
    """Print lines at once."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def show_json(view: View | Sequence[View] | dict[str, object]) -> None:
    """Print one JSON document."""
    sys.stdout.write(to_json(view) + "\n")
