"""Which attempt a row belongs to, and how long it took: rules, and what this process remembers of its starts."""

from __future__ import annotations

import threading
from typing import NamedTuple

from milepost.kernel.clock import SYSTEM
from milepost.model.status import ProcessingStatus
from milepost.store.protocol import Standing

MOST_STARTS = 10_000  # beyond it the oldest is forgotten: its duration is taken from the wall clock


def attempt_for(standing: Standing | None, status: ProcessingStatus) -> int:
    """The attempt that a row of this status is of, when its item has come this far.

    An attempt waits, runs and ends, each at most once and in this order: what would repeat one or go back is the
    next attempt's.

    Example:
        >>> running = Standing(2, ProcessingStatus.RUNNING, 0.0)
        >>> attempt_for(running, ProcessingStatus.SUCCESS), attempt_for(running, ProcessingStatus.RUNNING)
        (2, 3)
    """
    if standing is None:
        return 1
    return standing.attempt if status.phase > standing.status.phase else standing.attempt + 1


class Start(NamedTuple):
    """When an attempt began that this process began itself. `at`: epoch seconds, `monotonic`: this boot's clock."""

    attempt: int
    at: float
    monotonic: float
    is_dated: bool  # the caller said when it was, so only such times can be compared

    def seconds_until(self, at: float, *, is_dated: bool) -> float:
        """How long until an end at `at`, or now; never negative."""
        if self.is_dated or is_dated:
            return max(0.0, at - self.at)
        return max(0.0, SYSTEM.monotonic() - self.monotonic)


class Starts:
    """The attempts that threads of this process began and have not ended, the newest of each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str, int], Start] = {}

    def begin(self, run: str, item: str, step: str, start: Start) -> None:
        """This thread began it."""
        which = (run, item, step, threading.get_ident())
        with self._lock:
            self._known.pop(which, None)
            self._known[which] = start
            if len(self._known) > MOST_STARTS:
                del self._known[next(iter(self._known))]

    def end(self, run: str, item: str, step: str) -> Start | None:
        """The attempt that this thread began, once."""
        return self._known.pop((run, item, step, threading.get_ident()), None) if self._known else None


def seconds_since(standing: Standing | None, attempt: int, at: float) -> float:
    """How long an attempt that others began took, by the wall clock; 0 where its start was not recorded."""
    if standing is None or standing.attempt != attempt or standing.status is not ProcessingStatus.RUNNING:
        return 0.0
    seconds = at - standing.at
    return seconds if seconds > 0 else 0.0
