"""Makes the main thread run its signal handlers at once, whichever thread the system gave the signal to.

Python runs handlers in the main thread alone. Of two signals at once the system hands the second to another thread,
and nothing tells a main thread that sleeps: it heeds that signal when it happens to wake up. So every signal leaves a
byte in a pipe (`signal.set_wakeup_fd`), and who reads them interrupts the main thread until it answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Collection

from milepost.model.refusal import refusals_said

# What interrupts. By default it is ignored, so one that arrives after we left does no harm. Its number is higher than
# those of the signals it speaks for, so that a round of handlers comes to it last.
NUDGE = signal.SIGURG
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.25  # seconds between two nudges
_PLEASE = b"\0"


def pipe_for_signals() -> tuple[int, int]:
    """A pipe, to read and to write; WorkspaceError, saying what to do, where too many files are open."""
    with refusals_said("the pipe that tells of signals cannot be made"):
        return os.pipe()


class Prompter:
    """One for a process: a thread that begins when it is first needed, and a pipe while somebody needs it."""

    def __init__(self) -> None:
        self._users = self._answers = 0
        self._numbers: frozenset[int] = frozenset()
        self._reader = self._writer = -1

    def start(self, numbers: Collection[int]) -> None:
        """From now on see to it that these signals are heeded; in the main thread."""
        self._numbers = frozenset((*_PLEASE, *numbers))
        if self._reader < 0:
            self._reader, self._writer = pipe_for_signals()
            os.set_blocking(self._writer, False)
            threading.Thread(target=self._work, args=(self._reader,), name="milepost-signals", daemon=True).start()
        self._users += 1
        before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        if before not in (-1, self._writer):
            signal.set_wakeup_fd(before)  # an event loop's: it wakes the main thread itself

    def stop(self) -> None:
        """The last of those who started it lets the signals go."""
        self._users -= 1
        if not self._users:
            self._let_go()

    def prompt(self) -> None:
        """Have the main thread run a handler for NUDGE; from any thread."""
        with contextlib.suppress(BlockingIOError):  # so much is unread that it will be read
            os.write(self._writer, _PLEASE)

    def answer(self) -> None:
        """The main thread runs its handlers; to be called by the one for NUDGE, before it calls another function:
        as a function begins, handlers run that are due.
        """
        self._answers += 1

    def _work(self, reader: int) -> None:
        while numbers := os.read(reader, 4096):
            if not self._numbers.isdisjoint(numbers):
                self._nudge()

    def _nudge(self) -> None:
        """Again and again: each time the main thread may be on its way to sleep, where it has not looked any more."""
        before, pause = self._answers, FIRST_PAUSE
        while self._users and self._answers == before:
            signal.pthread_kill(threading.main_thread().ident or 0, NUDGE)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _let_go(self) -> None:
        current = signal.set_wakeup_fd(-1)
        if current != self._writer:
            signal.set_wakeup_fd(current)

    def _after_fork_in_child(self) -> None:
        if self._writer >= 0:
            self._let_go()
            os.close(self._reader)
            os.close(self._writer)
        self._users = 0
        self._reader = self._writer = -1


PROMPTER = Prompter()
os.register_at_fork(after_in_child=PROMPTER._after_fork_in_child)
