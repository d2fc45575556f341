"""The executor with processes of its own: what kills one costs its item an attempt, and not the run."""

from __future__ import annotations

import os
import weakref
from queue import SimpleQueue

from milepost.errors import WorkerError
from milepost.executors.arriving import arrived
from milepost.executors.task import Equipment, Outcome, Task
from milepost.executors.workers.hub import Hub

_hubs: weakref.WeakSet[Hub] = weakref.WeakSet()


class WorkersExecutor:
    """Processes that start with the first tasks, each a fresh Python with the user's modules by value."""

    name = "workers"

    def __init__(self, workers: int | None = None) -> None:
        self.slots = workers or os.cpu_count() or 1
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self._under_way = 0
        self._hub: Hub | None = None

    def open(self, equipment: Equipment) -> None:
        """Take the equipment; processes start with the tasks."""
        self._hub = Hub(equipment, self.slots, self._outcomes)
        _hubs.add(self._hub)

    def submit(self, task: Task) -> None:
        """Hand the task to the next worker that is free."""
        if self._hub is None:
            raise WorkerError("these workers are closed")
        self._under_way += 1
        self._hub.submit(task)

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """All outcomes there are, at latest after `timeout` seconds."""
        if not self._under_way:
            return []
        ready = arrived(self._outcomes, timeout)
        self._under_way -= len(ready)
        return ready

    def cancel(self) -> None:
        """Begin nothing more; workers stop at their next safe point."""
        if self._hub is not None:
            self._hub.cancel()

    def close(self) -> None:
        """End all workers, within two seconds: idle ones by themselves, the others by force."""
        if self._hub is not None:
            self._hub.close()
            self._hub = None


def _forget_in_child() -> None:
    for hub in _hubs:
        hub.forget_in_child()


os.register_at_fork(after_in_child=_forget_in_child)
