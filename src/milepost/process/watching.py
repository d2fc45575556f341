"""What goes on beside a run: its log is kept, its memory sampled, a request to cancel noticed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from milepost.executors.task import Notice
from milepost.kernel.context import Context, current
from milepost.kernel.logs import RunLog
from milepost.kernel.signals import StopSignals
from milepost.kernel.ticker import TICKER
from milepost.kernel.workspace import Workspace
from milepost.model.rows import EventRow
from milepost.process.board import Board
from milepost.process.opening import Opened

SAMPLE_SECONDS = 1.0
CANCEL_SECONDS = 0.5
CANCEL_REQUESTED = "cancel_requested"


class Watch:
    """Listens to what code that works has to say, wherever it works."""

    def __init__(self, workspace: Workspace, opened: Opened, board: Board, stop: StopSignals) -> None:
        self._workspace = workspace
        self._opened = opened
        self._board = board
        self._stop = stop
        self._log = RunLog(workspace.log_folder(opened.run.id), opened.epoch)

    @contextmanager
    def on(self) -> Iterator[None]:
        """While entered, output is kept, memory sampled, and `milepost cancel` noticed."""
        ticks = [
            TICKER.every(SAMPLE_SECONDS, self._board.sampled),
            TICKER.every(CANCEL_SECONDS, self._look_for_cancel),
        ]
        try:
            with self._log:
                yield
        finally:
            for tick in ticks:
                tick.stop()

    def noticed(self, notice: Notice) -> None:
        """Progress goes to the stage's row, a log line to the log, a worker's output to both log and terminal."""
        text = str(notice.payload.get("text", ""))
        if notice.kind == "output":
            self._show(notice, text)
        elif notice.kind == "log":
            level = str(notice.payload.get("level", "INFO"))
            self._log.write_line("log", text, level=level, stage=notice.stage, item=notice.item)
        else:
            self._board.noticed(notice)

    def _show(self, notice: Notice, text: str) -> None:
        """Print a worker's line here, as its stage's: what records this process's output takes it along."""
        here = Context(
            run_id=self._opened.run.id,
            run_name=self._opened.run.name,
            stage=notice.stage,
            item=notice.item,
            tell=lambda where, kind, payload: None,
            is_cancelled=lambda: self._stop.is_requested,
        )
        token = current.set(here)
        try:
            (sys.stderr if notice.payload.get("stream") == "err" else sys.stdout).write(text + "\n")
        finally:
            current.reset(token)

    def _look_for_cancel(self) -> None:
        asked = self._workspace.store.get(
            EventRow, run=self._opened.run.id, kind=CANCEL_REQUESTED, epoch=self._opened.epoch
        )
        if asked is not None:
            self._stop.request("milepost cancel")
