"""Being asked to stop: the first signal asks, the grace or a second signal insists, a third ends the
process.

Handlers run between any two instructions of the main thread, perhaps while it holds a lock; so they take
none, write no row, and only set fields, write a byte to a pipe or raise. A forked child has its own life: what ended
processes before the run began ends it, too, but for a first Ctrl-C, which a terminal sends to all and the run heeds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from milepost.errors import Cancelled
from milepost.kernel.prompting import NUDGE, PROMPTER, pipe_for_signals
from milepost.kernel.ticker import TICKER, Tick, Ticker
from milepost.kernel.uncaught import leave_with_the_signals_code

STOPPING = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], object] | int | None
received: list[int] = []  # every signal that asked a run to stop, also when that was just about to end by itself


class StopSignals:
    """While entered in the main thread, SIGINT and SIGTERM ask the run to stop; elsewhere only `request`
    does.

    The first sets `requested` and `cause`; Cancelled is raised in the main thread after `grace` seconds,
    or at once by a second signal. A third calls `last_words` and ends the process with 128 + its number.
    A blocking wait can include `fileno()`, readable once asked, or use `wait`. Work that must not be torn
    apart goes into `shielded()`: what would be raised inside is raised when it ends. SIGINT that was
    ignored on entry (a background job of a shell) stays ignored.

    Example:
        >>> with StopSignals(grace=5.0) as stop:
        ...     stop.request("cancelled by milepost cancel")
        ...     stop.is_requested, stop.requested, stop.cause
        (True, None, 'cancelled by milepost cancel')
    """

    def __init__(
        self,
        grace: float = 5.0,
        *,
        last_words: Callable[[], object] | None = None,
        on_request: Callable[[], object] | None = None,
        ticker: Ticker = TICKER,
    ) -> None:
        self.grace = grace
        self.requested: int | None = None  # the first signal's number
        self.cause: str | None = None
        self._last_words = last_words
        self._on_request = on_request  # runs in the handler: it may take no lock
        self._ticker = ticker
        self._signals = 0
        self._shields = 0
        self._is_entered = False
        self._insists = False
        self._previous: dict[int, Handler] = {}
        self._grace_tick: Tick | None = None
        self._reader = self._writer = -1

    @property
    def is_requested(self) -> bool:
        """Whether the run was asked to stop, by a signal or by `request`."""
        return self.cause is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal stopped: 130 for SIGINT, 143 for SIGTERM and
        requests.
        """
        return 128 + (self.requested or signal.SIGTERM)

    def __enter__(self) -> StopSignals:
        self._reader, self._writer = _pipe()
        self._is_entered = True
        if threading.current_thread() is threading.main_thread():
            self._ticker.start()  # its thread cannot be started from a handler
            for number in STOPPING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._on_signal)
            self._previous[NUDGE] = signal.signal(NUDGE, self._on_nudge)
            PROMPTER.start(STOPPING)
            leave_with_the_signals_code()
            _in_force.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._is_entered:
            return  # in a forked child
        self._is_entered = False  # first: from here on a handler only takes note
        if self in _in_force:
            _in_force.remove(self)
            PROMPTER.stop()
        if self._grace_tick is not None:
            self._grace_tick.stop()
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous.clear()
        reader, writer, self._reader, self._writer = self._reader, self._writer, -1, -1
        for descriptor in (reader, writer):
            os.close(descriptor)

    def fileno(self) -> int:
        """A descriptor that becomes readable when a stop is asked for, for `select` and
        `connection.wait`.
        """
        return self._reader

    def wait(self, timeout: float | None = None) -> bool:
        """Block until asked to stop, at most `timeout` seconds; whether it was."""
        if not self.is_requested and self._reader >= 0:
            select.select([self._reader], [], [], timeout)
        return self.is_requested

    def request(self, cause: str) -> None:
        """Ask the run to stop, as a first signal would; from any thread. A second call does nothing."""
        self._ask(cause)

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """A block in which nothing is raised; Cancelled that came due meanwhile is raised at its end."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self._raise_if_due()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        received.append(number)
        if self._signals == 1:
            self.requested = number
            self._ask(f"signal {signal.Signals(number).name}")
            return
        if self._signals >= 3:
            self._end_process(number)
        if self._grace_tick is not None:
            self._grace_tick.stop()  # what cleans up after the second is not torn apart when the grace is over
        self._insists = True
        self._raise_if_due()

    def _on_nudge(self, number: int, frame: FrameType | None) -> None:
        PROMPTER.answer()
        self._raise_if_due()

    def _ask(self, cause: str) -> None:
        if self.cause is not None:
            return
        self.cause = cause
        if self._writer >= 0:
            with contextlib.suppress(OSError):
                os.write(self._writer, b"!")
        if self._previous:
            self._grace_tick = self._ticker.after(self.grace, self._end_grace)
        if self._on_request is not None:
            self._on_request()

    def _end_grace(self) -> None:
        self._insists = True
        if self._is_entered:
            PROMPTER.prompt()

    def _raise_if_due(self) -> None:
        due = self._insists and self._is_entered and not self._shields
        if due and threading.current_thread() is threading.main_thread():
            self._insists = False  # once: what cleans up after it is not torn apart again
            raise Cancelled(f"the run was cancelled: {self.cause}", signal=self.requested)

    def _end_process(self, number: int) -> None:
        if self._last_words is not None:
            with contextlib.suppress(BaseException):
                self._last_words()
        os._exit(128 + number)

    def _let_go(self) -> None:
        """In a forked child: signals mean what they meant before."""
        self._is_entered = False
        for number, handler in self._previous.items():
            before = signal.SIG_DFL if handler is None else handler
            signal.signal(number, _only_the_second(before) if number == signal.SIGINT else before)
        self._previous.clear()
        for descriptor in (self._reader, self._writer):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._reader = self._writer = -1


_in_force: list[StopSignals] = []  # those whose handlers are set, the innermost last


def _only_the_second(before: Callable[[int, FrameType | None], object] | int) -> Handler:
    """A handler that lets one signal pass."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before)

    return handle


def _before_fork() -> None:
    """What reaches a child before its handlers are right would be forgotten by Python: it has to wait."""
    if _in_force:
        _held_back.mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


def _after_fork_in_parent() -> None:
    mask, _held_back.mask = _held_back.mask, None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_fork_in_child() -> None:
    while _in_force:
        _in_force.pop()._let_go()
    _after_fork_in_parent()


class _HeldBack(threading.local):
    mask: set[int] | None = None  # of the thread that forks, as it was


_held_back = _HeldBack()
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _pipe() -> tuple[int, int]:
    reader, writer = pipe_for_signals()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer
