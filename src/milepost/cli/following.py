"""While a run works in the main thread, a thread of the face's own looks at its rows and shows them."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from milepost.kernel.handles import Run
from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow
from milepost.terminal.lines import Lines
from milepost.terminal.sentences import beginning
from milepost.terminal.style import Screen, screen_of
from milepost.views.watch import Sight, Watch, continuation

if TYPE_CHECKING:
    from milepost.terminal.live import Above, LiveTable

LIVE_SECONDS = 1 / 8
LINES_SECONDS = 0.1


class Display(Protocol):
    """Shows what was seen; `at` is monotonic seconds."""

    def update(self, sight: Sight, *, at: float) -> None:
        """Show it."""
        ...


class Following:
    """Entered before the user's code is loaded, so that what it prints comes above the live table."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._out = sys.stdout
        self._screen = screen_of(self._out)
        self._quiet = quiet
        self._table: LiveTable | None = None
        self._above: list[Above] = []
        self._real: tuple[TextIO, TextIO] | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def screen(self) -> Screen:
        """What the output could do when this began."""
        return self._screen

    def __enter__(self) -> Following:
        if self._screen.live and not self._quiet:
            from milepost.terminal.live import Above, LiveTable

            self._table = LiveTable(self._out)
            self._real = (sys.stdout, sys.stderr)
            self._above = [Above(stream, self._table) for stream in self._real]
            sys.stdout, sys.stderr = (cast(TextIO, above) for above in self._above)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(5.0)
        if self._table is not None:
            self._table.close()
        for above in self._above:
            above.drain()
        if self._real is not None:
            sys.stdout, sys.stderr = self._real

    def begin(self, run: Run, workspace: Workspace) -> None:
        """A run was claimed: say what it is and what it continues, and look at it from now on."""
        if self._quiet:
            return
        row = workspace.store.get(RunRow, id=run.id)
        before = continuation(workspace.store, row) if row else None
        self._write(beginning(run.name, run.process, before, time.time()) + "\n")
        watch = Watch(workspace.store, run.id, workspace.path / "runs")
        self._thread = threading.Thread(target=self._follow, args=(watch,), name="milepost-face", daemon=True)
        self._thread.start()

    def _follow(self, watch: Watch) -> None:
        """Look until it is over, and once more. What goes wrong here never touches the run."""
        display: Display = self._table or Lines(self._write, self._screen, at=time.monotonic())
        pause = LIVE_SECONDS if self._table else LINES_SECONDS
        with contextlib.suppress(Exception):
            self._look(watch, display)
            while not self._over.wait(pause):
                self._look(watch, display)
            if not self._table:
                self._look(watch, display)

    def _look(self, watch: Watch, display: Display) -> None:
        at = time.monotonic()
        sight = watch.look(now=time.time(), at=at)
        if sight is not None:
            display.update(sight, at=at)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more: the run goes on
            self._out.write(text)
            self._out.flush()
