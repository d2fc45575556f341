"""The arguments a stage is called with: decoded here, so no stage holds another's live object."""

from __future__ import annotations

import threading
from copy import deepcopy
from typing import TYPE_CHECKING

from milepost.executors.task import Argument, Given, Handle, Loaded, Value, Work
from milepost.kernel.handles import Run, Stage

if TYPE_CHECKING:
    from milepost.kernel.context import Context
    from milepost.store.objects import Objects

IMMUTABLE = (type(None), bool, int, float, complex, str, bytes)


class Arguments:
    """Makes arguments from what a `Work` says; those of a mapped stage are shared by its items."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._shared: tuple[Work, dict[str, object]] | None = None

    def of(self, work: Work, context: Context) -> dict[str, object]:
        """All arguments of a stage that is called as a whole."""
        return self._decoded(work) | handles(work, context)

    def of_items(self, work: Work) -> dict[str, object]:
        """The arguments all items of a stage have in common. Kept until another stage's are asked for."""
        with self._lock:
            if self._shared is None or self._shared[0] is not work:
                self._shared = None  # let go before the next are decoded
                self._shared = (work, self._decoded(work))
            return self._shared[1]

    def _decoded(self, work: Work) -> dict[str, object]:
        return {
            name: self._value(argument) for name, argument in work.arguments.items() if not isinstance(argument, Handle)
        }

    def _value(self, argument: Argument) -> object:
        if isinstance(argument, Loaded):
            return self._objects.get(argument.address)
        if isinstance(argument, Value):
            return own_copy(argument.value)
        return argument.value if isinstance(argument, Given) else None


def own_copy(value: object) -> object:
    """A copy that nobody else changes; the value itself where it cannot be copied."""
    if isinstance(value, IMMUTABLE):
        return value
    try:
        return deepcopy(value)
    except Exception:
        return value


def has_handles(work: Work) -> bool:
    """Whether each call needs handles of its own."""
    return any(isinstance(argument, Handle) for argument in work.arguments.values())


def handles(work: Work, context: Context) -> dict[str, object]:
    """The `Run` and `Stage` that a call in this context receives."""
    return {
        name: Run(work.run_id, work.run_name) if argument.kind == "run" else Stage(work.stage, context)
        for name, argument in work.arguments.items()
        if isinstance(argument, Handle)
    }
