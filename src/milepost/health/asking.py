"""Asking many at once, each in a daemon thread of its own: who does not answer in time holds up nobody.

A thread cannot be ended from outside. One that hangs is left alone, and what it was asked is not asked again
until it has answered. One that has answered waits for the next time: it has the ledger open.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from _queue import SimpleQueue
from collections.abc import Callable
from inspect import iscoroutine

Call = Callable[[], object]


class Question:
    """One call that is under way in a thread, and what came of it."""

    def __init__(self, call: Call, timeout: float) -> None:
        self.answer: object = None
        self.error: BaseException | None = None
        self.seconds = 0.0  # it took
        self._call = call
        self._timeout = timeout
        self._pid = os.getpid()
        self._began = time.monotonic()
        self._answered = threading.Event()

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

    def ask(self) -> None:
        """Call, in whatever thread this is; nothing is raised."""
        try:
            self.answer = _awaited(self._call())
        except BaseException as error:
            self.error = error
        self.seconds = self.waited_seconds
        self._answered.set()

    def refuse(self, error: BaseException) -> None:
        """It could not be asked."""
        self.error = error
        self._answered.set()


def _awaited(answer: object) -> object:
    if not iscoroutine(answer):
        return answer
    import asyncio

    return asyncio.run(answer)


Queue = SimpleQueue[Question | None]


class Asking:
    """Which questions are under way, by name; safe from any thread.

    Example:
        >>> asking = Asking()
        >>> question = asking.begin("two", lambda: 2, timeout=5)
        >>> question.wait(), question.answer
        (True, 2)
        >>> asking.close()
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._questions: dict[str, Question] = {}
        self._queues: dict[str, Queue] = {}
        weakref.finalize(self, _dismiss, self._queues)

    def begin(self, name: str, call: Call, *, timeout: float) -> Question:
        """Ask it now, or join who asks it already."""
        if self._pid != os.getpid():
            self._forget()
        with self._lock:
            question = self._questions.get(name)
            if question is not None and question.is_open:
                return question
            question = self._questions[name] = Question(call, timeout)
            try:
                self._queue(name).put(question)
            except RuntimeError as error:  # no more threads
                question.refuse(error)
            return question

    @property
    def is_waiting(self) -> bool:
        """Whether some question has not been answered."""
        return any(question.is_open for question in list(self._questions.values()))

    def forget(self, name: str) -> None:
        """What is asked under this name is another thing from now on; a thread that hangs there ends when it can."""
        if self._pid != os.getpid():
            self._forget()
        with self._lock:
            self._questions.pop(name, None)
            queue = self._queues.pop(name, None)
        if queue is not None:
            queue.put(None)

    def close(self) -> None:
        """Let the threads go that have answered; a later question starts new ones."""
        with self._lock:
            _dismiss(self._queues)

    def _queue(self, name: str) -> Queue:
        if name not in self._queues:
            queue: Queue = SimpleQueue()
            threading.Thread(target=_work, args=(queue,), name=f"milepost-health-{name}", daemon=True).start()
            self._queues[name] = queue
        return self._queues[name]

    def _forget(self) -> None:
        """In a forked child there are no threads but this, and the lock may be held by one of them."""
        self._lock = threading.Lock()
        self._questions.clear()
        self._queues.clear()
        self._pid = os.getpid()


def _work(queue: Queue) -> None:
    while (question := queue.get()) is not None:
        question.ask()
        del question  # and what it holds, while waiting for the next


def _dismiss(queues: dict[str, Queue]) -> None:
    for queue in queues.values():
        queue.put(None)
    queues.clear()
