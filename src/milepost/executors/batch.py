"""The items of one task and what has become of them so far."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING

from milepost.errors import StageTimeout
from milepost.executors.faults import describe
from milepost.executors.task import ItemOutcome, ItemTask, OutcomeKind

if TYPE_CHECKING:
    from milepost.store.objects import Packed

BATCH_SECONDS = 0.2  # a batch that takes longer comes back with a rest, so that what is done can be committed


class Overdue(StageTimeout):
    """An async call that our own timeout ended. A TimeoutError of the user's is a failure like any other."""


class Batch:
    """Items in order, each settled at most once."""

    def __init__(self, items: tuple[ItemTask, ...]) -> None:
        self.items = items
        self.outcomes: list[ItemOutcome] = []
        self.exception: BaseException | None = None

    @property
    def kind(self) -> OutcomeKind:
        """ "failed" as soon as one item is."""
        return "done" if self.exception is None else "failed"

    def in_time(self) -> Iterator[tuple[int, ItemTask, float]]:
        """The items with their index and the time, as long as the batch has time to begin one; at least one."""
        deadline = perf_counter() + BATCH_SECONDS
        for index, item in enumerate(self.items):
            now = perf_counter()
            if index and now > deadline:
                return
            yield index, item, now

    def finish(self, item: ItemTask, packed: Packed, seconds: float) -> None:
        """An item has its result."""
        self.outcomes.append(
            ItemOutcome(item.position, item.item, item.digest, item.attempt, True, packed, None, None, seconds)
        )

    def fail(self, item: ItemTask, exception: BaseException, seconds: float) -> None:
        """An item raised."""
        error, traceback = describe(exception)
        kind: OutcomeKind = "timeout" if isinstance(exception, Overdue) else "failed"
        self.outcomes.append(
            ItemOutcome(
                item.position,
                item.item,
                item.digest,
                item.attempt,
                False,
                error=error,
                traceback=traceback,
                seconds=seconds,
                kind=kind,
            )
        )
        self.exception = self.exception or exception

    def fail_all(self, exception: BaseException) -> None:
        """None of the items that are left can be begun."""
        for item in self.rest():
            self.fail(item, exception, 0.0)

    def rest(self) -> tuple[ItemTask, ...]:
        """The items that are not settled."""
        if len(self.outcomes) == len(self.items):
            return ()
        settled = {outcome.position for outcome in self.outcomes}
        return tuple(item for item in self.items if item.position not in settled)
