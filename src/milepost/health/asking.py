"""Asking many at once, each in a daemon thread of its own: who does not answer in time holds up nobody.

A thread cannot be ended from outside. One that hangs is left alone, and what it was asked is not asked again
until it has answered.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Question(Generic[T]):
    """One call that is under way in its thread."""

    def __init__(self, name: str, call: Callable[[], T], timeout: float) -> None:
        self.answer: T | None = None
        self.error: BaseException | None = None
        self.seconds = 0.0  # it took
        self._call = call
        self._timeout = timeout
        self._pid = os.getpid()
        self._began = time.monotonic()
        self._answered = threading.Event()
        try:
            threading.Thread(target=self._ask, name=f"milepost-health-{name}", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self.error = error
            self._answered.set()

    def wait(self) -> bool:
        """Wait for the rest of its time; whether it has answered."""
        return self._answered.wait(max(0.0, self._timeout - self.waited_seconds))

    @property
    def waited_seconds(self) -> float:
        """Since it was asked."""
        return time.monotonic() - self._began

    @property
    def is_open(self) -> bool:
        """Whether it has not answered yet; the threads of a process that was forked never will."""
        return not self._answered.is_set() and self._pid == os.getpid()

    def _ask(self) -> None:
        try:
            self.answer = self._call()
        except BaseException as error:
            self.error = error
        self.seconds = self.waited_seconds
        self._answered.set()


class Asking:
    """Which questions are under way, by name; safe from any thread.

    Example:
        >>> asking = Asking()
        >>> question = asking.begin("two", lambda: 2, timeout=5)
        >>> question.wait(), question.answer
        (True, 2)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: dict[str, Question[object]] = {}

    def begin(self, name: str, call: Callable[[], object], *, timeout: float) -> Question[object]:
        """Ask it now, or join who asks it already."""
        with self._lock:
            question = self._questions.get(name)
            if question is None or not question.is_open:
                question = self._questions[name] = Question(name, call, timeout)
            return question
