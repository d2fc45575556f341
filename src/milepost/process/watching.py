"""What goes on beside a run: its log is kept, its memory sampled, a request to cancel noticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from milepost.kernel.signals import StopSignals
from milepost.kernel.ticker import TICKER
from milepost.kernel.workspace import Workspace
from milepost.model.rows import EventRow
from milepost.process.board import Board
from milepost.process.opening import Opened

SAMPLE_SECONDS = 1.0
CANCEL_SECONDS = 0.5
CANCEL = "cancel_requested"


@contextmanager
def watch_run(workspace: Workspace, opened: Opened, board: Board, stop: StopSignals) -> Iterator[None]:
    """While entered, the ticker samples memory and polls for `milepost cancel`."""

    def look_for_cancel() -> None:
        asked = workspace.store.get(EventRow, run=opened.run.id, kind=CANCEL, epoch=opened.epoch)
        if asked is not None:
            stop.request("milepost cancel")

    with ExitStack() as stack:
        for tick in (TICKER.every(SAMPLE_SECONDS, board.sampled), TICKER.every(CANCEL_SECONDS, look_for_cancel)):
            stack.callback(tick.stop)
        yield
