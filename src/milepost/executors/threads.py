"""The executor with threads of this process: for stages that wait, or that let go of the GIL."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue

from milepost.executors.arriving import arrived
from milepost.executors.carry_out import Carrier, failed
from milepost.executors.inline import not_begun
from milepost.executors.task import Equipment, Outcome, Task

CLOSE_SECONDS = 1.0


class ThreadsExecutor:
    """A pool of daemon threads, started as tasks come."""

    name = "threads"

    def __init__(self, threads: int | None = None) -> None:
        self.slots = threads or os.cpu_count() or 1
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way = 0
        self._is_cancelled = threading.Event()
        self._carrier: Carrier | None = None

    def open(self, equipment: Equipment) -> None:
        """Take the equipment; threads start with the tasks."""
        self._carrier = Carrier(equipment)

    def submit(self, task: Task) -> None:
        """Hand the task to the next thread that is free."""
        self._under_way += 1
        self._tasks.put(task)
        if len(self._threads) < min(self.slots, self._under_way):
            name = f"milepost-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """All outcomes there are, at latest after `timeout` seconds."""
        if not self._under_way:
            return []
        ready = arrived(self._outcomes, timeout)
        self._under_way -= len(ready)
        return ready

    def cancel(self) -> None:
        """Begin nothing more."""
        self._is_cancelled.set()

    def close(self) -> None:
        """End the threads. One that is deep in user code is left behind: it is a daemon."""
        self._is_cancelled.set()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(timeout=CLOSE_SECONDS / len(self._threads))
        if self._carrier is not None:
            self._carrier.close()

    def _serve(self) -> None:
        carrier = self._carrier
        while carrier is not None and (task := self._tasks.get()) is not None:
            if self._is_cancelled.is_set():
                self._outcomes.put(not_begun(task))
                continue
            try:
                self._outcomes.put(carrier.carry_out(task))
            except BaseException as exception:
                self._outcomes.put(failed(task, exception))
