"""Async calls: with a timeout of their own, and several items of a mapped stage at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, cast

from milepost.errors import Cancelled
from milepost.executors.batch import Batch, Overdue
from milepost.executors.task import ItemTask, Work

if TYPE_CHECKING:
    from milepost.store.objects import Packed

STOPS = (Cancelled, KeyboardInterrupt, asyncio.CancelledError)


async def in_time(coroutine: Awaitable[object], work: Work) -> object:
    """The coroutine's result. Raises Overdue when it takes longer than the work's timeout."""
    if work.timeout is None:
        return await coroutine
    limit = asyncio.timeout(work.timeout)
    try:
        async with limit:
            return await coroutine
    except TimeoutError:
        if not limit.expired():
            raise
        raise Overdue(f"took longer than {work.timeout:g} s", stage=work.stage) from None


class Lanes:
    """Computes a batch of an async stage, `work.concurrency` items at once.

    `call(index, item)` begins an item and returns its coroutine, `pack` makes its result storable,
    `done(index)` is told when it is settled.
    """

    def __init__(
        self,
        work: Work,
        batch: Batch,
        call: Callable[[int, ItemTask], object],
        pack: Callable[[object], Packed],
        done: Callable[[int], None],
    ) -> None:
        self._work = work
        self._batch = batch
        self._call = call
        self._pack = pack
        self._done = done

    async def compute(self) -> None:
        """Compute items until the batch or its time is over."""
        items = self._batch.in_time()
        lanes = min(max(1, self._work.concurrency), len(self._batch.items))
        await asyncio.gather(*(self._lane(items) for _ in range(lanes)))

    async def _lane(self, items: Iterator[tuple[int, ItemTask, float]]) -> None:
        for index, item, begun in items:
            try:
                coroutine = cast("Coroutine[object, object, object]", self._call(index, item))
                packed = self._pack(await in_time(coroutine, self._work))
            except STOPS:
                raise
            except BaseException as exception:
                self._batch.fail(item, exception, perf_counter() - begun)
            else:
                self._batch.finish(item, packed, perf_counter() - begun)
            self._done(index)
