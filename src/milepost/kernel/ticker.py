"""The one background thread of a process: it beats, samples, renders and commits groups.

Callers hand their wishes over through a `SimpleQueue`, which takes no lock that Python code could hold, so
`every` and `after` may be called from a signal handler. Callbacks run one after the other on the ticker's
thread and should be short; a slow one delays the others, and missed rounds are not made up for. After a
fork the child starts with nothing to do and a thread of its own on first use.
"""

from __future__ import annotations

import atexit
import heapq
import os
import threading
from _queue import Empty, SimpleQueue
from collections.abc import Callable

from milepost.kernel.clock import SYSTEM, Clock
from milepost.kernel.warning import warn


class Tick:
    """One callback that waits for its time; `stop` it when it is no longer wanted."""

    __slots__ = ("_complained", "due", "function", "is_stopped", "seconds")

    def __init__(self, due: float, function: Callable[[], object], seconds: float | None) -> None:
        self.due = due
        self.function = function
        self.seconds = seconds  # None: once
        self.is_stopped = False
        self._complained = False

    def stop(self) -> None:
        """Not again. A call that runs at this moment goes on to its end; nothing is waited for."""
        self.is_stopped = True

    def __lt__(self, other: Tick) -> bool:
        return self.due < other.due

    def carry_out(self) -> None:
        """Call it; what it raises is warned of once and never passed on."""
        try:
            self.function()
        except BaseException as error:
            if not self._complained:
                self._complained = True
                name = getattr(self.function, "__qualname__", repr(self.function))
                warn(f"{name} failed and goes on being called: {type(error).__name__}: {error}")


class Ticker:
    """Calls functions at their time on one daemon thread, started by the first wish.

    Example:
        >>> ticker, rung = Ticker(), threading.Event()
        >>> tick = ticker.after(0.01, rung.set)
        >>> rung.wait(5)
        True
        >>> ticker.close()
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._begin_afresh()

    def every(self, seconds: float, function: Callable[[], object]) -> Tick:
        """Call `function` every `seconds`, first after `seconds`, until the tick is stopped."""
        return self._add(seconds, function, seconds)

    def after(self, seconds: float, function: Callable[[], object]) -> Tick:
        """Call `function` once, `seconds` from now."""
        return self._add(seconds, function, None)

    def start(self) -> None:
        """Start the thread now: for those who will call `after` from a signal handler."""
        self._ensure_thread()

    def close(self) -> None:
        """Stop the thread and forget every tick; what runs is given a second. A later wish starts it
        again.
        """
        thread, queue = self._thread, self._queue
        if thread is None or self._pid != os.getpid():
            return
        self._begin_afresh()
        queue.put(None)
        if thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def _add(self, seconds: float, function: Callable[[], object], again: float | None) -> Tick:
        tick = Tick(self._clock.monotonic() + seconds, function, again)
        self._ensure_thread()
        self._queue.put(tick)
        return tick

    def _begin_afresh(self) -> None:
        self._pid = os.getpid()
        self._queue: SimpleQueue[Tick | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def _ensure_thread(self) -> None:
        if self._pid != os.getpid():
            self._begin_afresh()
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, args=(self._queue,), name="milepost-ticker", daemon=True)
                thread.start()
                self._thread = thread

    def _work(self, queue: SimpleQueue[Tick | None]) -> None:
        waiting: list[Tick] = []
        while True:
            for tick in _take(queue, self._pause(waiting)):
                if tick is None:
                    return
                heapq.heappush(waiting, tick)
            while waiting and (waiting[0].is_stopped or waiting[0].due <= self._clock.monotonic()):
                self._turn(heapq.heappop(waiting), waiting)

    def _pause(self, waiting: list[Tick]) -> float | None:
        return max(0.0, waiting[0].due - self._clock.monotonic()) if waiting else None

    def _turn(self, tick: Tick, waiting: list[Tick]) -> None:
        if tick.is_stopped:
            return
        tick.carry_out()
        if tick.seconds is not None and not tick.is_stopped:
            tick.due = max(tick.due + tick.seconds, self._clock.monotonic())
            heapq.heappush(waiting, tick)


def _take(queue: SimpleQueue[Tick | None], pause: float | None) -> list[Tick | None]:
    """All that was asked for, after waiting at most `pause` for the first."""
    taken: list[Tick | None] = []
    try:
        taken.append(queue.get(timeout=pause) if pause != 0.0 else queue.get(block=False))
        while True:
            taken.append(queue.get(block=False))
    except Empty:
        return taken


TICKER = Ticker()
atexit.register(TICKER.close)
