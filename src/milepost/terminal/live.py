"""The one live table on a terminal, and what the user's code prints meanwhile, above it. rich is loaded here only."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TextIO

from milepost.terminal.board import draw
from milepost.terminal.style import Screen, screen_of
from milepost.views.watch import Sight

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

FRAMES_PER_SECOND = 8


class LiveTable:
    """A table that redraws itself in place on `stream`, which must be a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        self._tick = 0
        self._lock = threading.RLock()

    def update(self, sight: Sight, *, at: float) -> None:
        """Draw what was seen; the first time, below what is on the screen."""
        screen = screen_of(self._stream)
        with self._lock:
            live = self._live or self._start()
            self._tick += 1
            console = live.console
            console.width = screen.columns
            live.update(self._frame(sight, screen, console.height), refresh=True)

    def close(self) -> None:
        """Take the table away; a summary replaces it."""
        with self._lock:
            live, self._live = self._live, None
            if live is not None:
                live.stop()

    def print_above(self, line: str) -> bool:
        """Print a line of the user's above the table; False when there is no table now."""
        with self._lock:
            if self._live is None:
                return False
            from rich.text import Text

            self._live.console.print(Text.from_ansi(line), soft_wrap=True)
            return True

    def _start(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()
        return self._live

    def _frame(self, sight: Sight, screen: Screen, height: int) -> Text:
        from rich.text import Text

        lines = draw(sight, screen, tick=self._tick, height=height)
        return Text.from_ansi("\n".join(lines), no_wrap=True, overflow="crop")


class Above:
    """Stands in for sys.stdout or sys.stderr: whole lines go above the table, and as they are when there is none."""

    def __init__(self, stream: TextIO, table: LiveTable) -> None:
        self._stream = stream
        self._table = table
        self._rest = ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Keep what is no whole line yet; of a line that overwrote itself, the last version counts."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            self._rest = self._rest[-100_000:]
            for line in lines:
                shown = line.rstrip("\r").rpartition("\r")[2]
                if not self._table.print_above(shown):
                    self._stream.write(line + "\n")
        return len(text)

    def flush(self) -> None:
        """Without a table, nothing is kept back."""
        self._stream.flush()

    def drain(self) -> None:
        """What is left at the end goes to the stream as it is."""
        with self._lock:
            rest, self._rest = self._rest, ""
            if rest:
                self._stream.write(rest + "\n")

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
