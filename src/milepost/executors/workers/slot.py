"""A page that a worker and the session's process both see: which items are at hand, since when, and a stop flag.

Telling it costs the worker a store in memory, and it can be read when the worker is dead.
"""

from __future__ import annotations

import mmap
import os
import sys
from time import monotonic

SIZE = 1 << 16
HEADER = 64
CAPACITY = SIZE - HEADER  # items of one task
BEGUN, DONE = 1, 2
STARTED, STOP = 0, 1  # doubles in the header


class Slot:
    """Shared by descriptor: the worker opens the same `fd`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, SIZE)
        self._view = memoryview(self._map)
        self._header = self._view[:HEADER].cast("d")
        self._items = self._view[HEADER:]

    @classmethod
    def create(cls) -> Slot:
        """A new one, in memory only."""
        if sys.platform.startswith("linux"):
            fd = os.memfd_create("milepost-slot")
        else:
            import tempfile  # slow to import, and workers never make one

            fd, path = tempfile.mkstemp(prefix="milepost-slot-")
            os.unlink(path)
        try:
            os.ftruncate(fd, SIZE)
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def at_hand(self, index: int, is_begun: bool) -> None:
        """An item is begun, or done. Called by the worker."""
        if is_begun:
            self._header[STARTED] = monotonic()
            self._items[index] = BEGUN
        else:
            self._items[index] = DONE

    def is_stopped(self) -> bool:
        """Whether the run was cancelled. Called by the worker."""
        return self._header[STOP] != 0.0

    def stop(self) -> None:
        """Tell the worker to stop at its next safe point."""
        self._header[STOP] = 1.0

    def clear(self) -> None:
        """Forget the items, before the next task is sent."""
        self._items[:] = bytes(CAPACITY)

    def begun(self) -> list[int]:
        """The indices of the items at hand."""
        items = bytes(self._items)
        return [index for index, state in enumerate(items.rstrip(b"\0")) if state == BEGUN]

    def done(self) -> set[int]:
        """The indices of the items that are done."""
        items = bytes(self._items)
        return {index for index, state in enumerate(items.rstrip(b"\0")) if state == DONE}

    def seconds_at_hand(self, now: float) -> float | None:
        """How long the item begun last has been at hand; None when none is. `now`: of the monotonic clock."""
        before = self._map.find(b"\1", HEADER)  # BEGUN
        started = self._header[STARTED]
        if before < 0 or self._map.find(b"\1", HEADER) != before:
            return None
        return now - started

    def close(self) -> None:
        """Let go of the page and its descriptor."""
        self._header.release()
        self._items.release()
        self._view.release()
        self._map.close()
        os.close(self.fd)
