"""The executor that carries tasks out in the thread that waits for them."""

from __future__ import annotations

from collections import deque

from milepost.executors.carry_out import Carrier
from milepost.executors.task import Equipment, Outcome, Task


class InlineExecutor:
    """Runs one task per `wait`, in the calling thread."""

    name = "inline"
    slots = 1

    def __init__(self) -> None:
        self._carrier: Carrier | None = None
        self._waiting: deque[Task] = deque()
        self._is_cancelled = False

    def open(self, equipment: Equipment) -> None:
        """Take the equipment."""
        self._carrier = Carrier(equipment)

    def submit(self, task: Task) -> None:
        """Keep the task until `wait` carries it out."""
        self._waiting.append(task)

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Carry the next task out, however long it takes."""
        if not self._waiting or self._carrier is None:
            return []
        task = self._waiting.popleft()
        return [not_begun(task) if self._is_cancelled else self._carrier.carry_out(task)]

    def cancel(self) -> None:
        """Begin nothing more."""
        self._is_cancelled = True

    def close(self) -> None:
        """Let go of what waits."""
        self._waiting.clear()
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None


def not_begun(task: Task) -> Outcome:
    """The outcome of a task that nobody began before the run was cancelled."""
    return Outcome(
        task=task.number,
        stage=task.stage,
        kind="cancelled",
        error="the run was cancelled",
        rest=task.items or (),
    )
