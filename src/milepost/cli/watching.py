"""One run of another process, followed live: the same table as its own `run` shows, read from the same rows."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from milepost.cli.following import LINES_SECONDS, LIVE_SECONDS, Display
from milepost.cli.opening import now, open_workspace, screen, show, show_json
from milepost.cli.options import options
from milepost.cli.trouble import INTERRUPTED, TERMINATED, exit_code
from milepost.errors import Cancelled, StoreBusy, UnknownRunError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow
from milepost.model.status import RunState
from milepost.process.finding import find_run
from milepost.terminal.lines import Lines
from milepost.terminal.sentences import beginning, resume_command, summary
from milepost.terminal.text import safe
from milepost.views.runs import RunDetail, run_detail
from milepost.views.watch import Sight, Watch, continuation

if TYPE_CHECKING:
    from milepost.terminal.live import LiveTable

EXIT_CODES = {RunState.COMPLETED: 0, RunState.FAILED: 1, RunState.INTERRUPTED: 1, RunState.CANCELLED: TERMINATED}


def watch_run(words: str) -> int:
    """Follow the run that is meant until it is over; its exit code. Ctrl-C ends the looking, never the run."""
    with open_workspace() as workspace:
        row = find_run(workspace.store, words)
        quiet = options().json
        try:
            with termination():
                if not quiet:
                    show([beginning(row.name, row.process, continuation(workspace.store, row), now())])
                    sys.stdout.flush()
                detail = _until_it_ends(workspace, row, quiet)
        except (KeyboardInterrupt, Cancelled) as stopped:
            sys.stderr.write(f"run {safe(row.name)} goes on without being watched\n")
            return exit_code(stopped)
    if quiet:
        show_json(detail)
    else:
        show(summary(detail, screen()))
        if detail.run.state.can_continue:
            show(["to go on:", resume_command(detail.run.name, options().workspace)])
    return code_of(detail)


@contextlib.contextmanager
def termination() -> Iterator[None]:
    """While entered, SIGTERM raises Cancelled, so that what is open is closed as at Ctrl-C."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Cancelled("the watch was ended", signal=number)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def code_of(detail: RunDetail) -> int:
    """What the run's own process left with, as far as its rows say: killed without a word counts as failed."""
    if detail.run.state is RunState.CANCELLED and "SIGINT" in (detail.run.cause or ""):
        return INTERRUPTED
    return EXIT_CODES.get(detail.run.state, 1)


def _until_it_ends(workspace: Workspace, row: RunRow, quiet: bool) -> RunDetail:
    """Look and show, until what is seen twice is an end: one look may fall between a run's last two words."""
    watch = Watch(workspace.store, row.id, workspace.path / "runs")
    table = _table(quiet)
    display: Display | None = None if quiet else table or Lines(_write, screen(), at=time.monotonic())
    pause = LIVE_SECONDS if table else LINES_SECONDS
    try:
        ends = 0
        while ends < 2:
            sight = _look(watch, row)
            if sight is not None:
                ends = 0 if sight.detail.run.state.is_active else ends + 1
                if display is not None:
                    display.update(sight, at=time.monotonic())
            if ends < 2:
                time.sleep(pause)
    finally:
        if table is not None:
            table.close()
    return run_detail(workspace.store, find_run(workspace.store, row.id), workspace.path / "runs", now=now())


def _look(watch: Watch, row: RunRow) -> Sight | None:
    """None while the ledger is locked by others."""
    with contextlib.suppress(StoreBusy):
        sight = watch.look(now=now(), at=time.monotonic())
        if sight is None:
            raise UnknownRunError(f"run {safe(row.name)} was removed while it was watched")
        return sight
    return None


def _table(quiet: bool) -> LiveTable | None:
    if quiet or not screen().live:
        return None
    from milepost.terminal.live import LiveTable

    return LiveTable(sys.stdout)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
