"""The items of a loop, one after the other: those done before are passed over, failed ones come again."""

from __future__ import annotations

import heapq
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice, tee
from typing import TYPE_CHECKING, Generic, TypeVar

from xxhash import xxh3_128_digest

from milepost.errors import InvalidDataError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.context import Context
from milepost.model.items import Key, item_keys
from milepost.model.retry import Backoff
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.process.loops.before import Before, Known
from milepost.process.loops.flight import Entry
from milepost.process.loops.step import LoopStep, traceback_text
from milepost.process.loops.tally import Tally
from milepost.steps.telling import error_text

if TYPE_CHECKING:
    from milepost.process.loops.run import LoopRun

T = TypeVar("T")
MOST_SAID = 1000  # failures of a step that are printed and logged with their traceback, in a session
WINDOW = 1000  # items that the ledger is asked for at once
PROMISE_SECONDS = 0.002  # between two looks for an attempt that another thread is about to give back
WINDOW_SECONDS = 0.02  # at most so long are they collected before the first is handed out


class Rules(Generic[T]):
    """How a loop's items are called, compared, and tried again; see `LoopRun.items`."""

    def __init__(
        self, *, key: Key, version: object, by: str, retries: int, retry_delay: float, errors: str, once: str
    ) -> None:
        _check("by", by, ("content", "key"))
        _check("once", once, ("run", "ever"))
        _check("errors", errors, ("collect", "stop"))
        if retries < 0:
            raise InvalidDataError(f"retries= is a number from 0 up, not {retries}")
        if by == "key" and key is None:
            raise InvalidDataError('by="key" needs key=: without it an item is called by its content')
        self.key = key
        self.version = b"" if version is None else repr(version).encode()
        self.by_content = by == "content"
        self.backoff = Backoff(attempts=retries + 1, base=retry_delay)
        self.collects = errors == "collect"
        self.ever = once == "ever"


class LoopItems(Generic[T]):
    """An iterator of steps. Taken from by one thread; the steps may be entered in any."""

    def __init__(
        self,
        loop: LoopRun,
        items: Iterator[T],
        rules: Rules[T],
        tally: Tally,
        before: Before,
        total: int | None,
        *,
        may_wait: bool,  # for its next item, as a generator may
    ) -> None:
        self.loop = loop
        self.step = tally.step
        self._rules = rules
        self._tally = tally
        self._before = before
        shown, keyed = tee(items)
        keys = item_keys(keyed, rules.key, stage=tally.step, content=rules.by_content)
        is_alone = may_wait or before.is_empty  # no item is kept back until the next one comes
        self._window_length = 1 if is_alone else WINDOW
        self._source = enumerate(zip(shown, keys, strict=True))
        self._ready: deque[LoopStep[T]] = deque()
        self._again: list[tuple[float, int, LoopStep[T]]] = []
        self._tries: dict[int, int] = {}  # by position, of items that will be tried again in this session
        self._promised = 0  # attempts that failed and will come again, but are not in `_again` yet
        self._lock = threading.Lock()
        self._is_over = False
        tally.open(total)

    def __iter__(self) -> Iterator[LoopStep[T]]:
        return self

    def __next__(self) -> LoopStep[T]:
        self.loop.check()
        while not self._is_over:
            step = self._due() or self._fresh() or self._awaited()
            if step is not None:
                return step
            with self._lock:
                self._is_over = not (self._again or self._promised)
            if self._is_over:
                self._tally.close()
        raise StopIteration

    # What a step calls

    def context(self, step: LoopStep[T]) -> Context:
        """Where the code inside the step stands."""
        return self.loop.context(self.step, step.item, step.attempt)

    def begun(self, step: LoopStep[T]) -> int:
        """Note that it is at hand; where."""
        self._tally.begin(step.position, step.item)
        return self.loop.flight.begin(
            Entry(self.step, step.item, step.attempt, self._tally.key, step.digest, SYSTEM.now())
        )

    def left(self, step: LoopStep[T]) -> bool:
        """It ended with the program, not by its own fault: nothing is recorded."""
        self._over(step)
        return False

    def ended(self, step: LoopStep[T], status: ProcessingStatus, text: str | None, seconds: float) -> bool:
        """It is done."""
        with self._shielded():
            try:
                self._tally.settle(self._row(step, status, text, seconds))
            finally:
                self._over(step)
        return False

    def failed(self, step: LoopStep[T], error: BaseException, seconds: float) -> bool:
        """Record what went wrong; whether the loop goes on."""
        text, delay = self._next_try(step, error_text(error))
        row = self._row(step, ProcessingStatus.FAILED if delay is None else ProcessingStatus.ERROR, text, seconds)
        goes_on = delay is not None or (self._rules.collects and isinstance(error, Exception))
        try:
            with self._shielded():
                try:
                    if goes_on:
                        self._tally.settle(row)
                    else:
                        self._tally.fail(row)
                finally:
                    self._over(step)
            self._say(step, text, error)
        finally:
            if delay is not None:
                self._come_again(step, delay)
        return goes_on

    def _next_try(self, step: LoopStep[T], text: str) -> tuple[str, float | None]:
        """What to say of a failure, and in how many seconds it is tried again; None: not in this session.

        One that will be is promised here, so that the loop does not end before it comes.
        """
        with self._lock:
            tries = self._tries.pop(step.position, 0) + 1
            delay = self._rules.backoff.delay(tries, random.random())
            if delay is None:
                return f"{text} (given up after {tries} attempts)" if tries > 1 else text, None
            if self._is_over:
                return f"{text} (not tried again: the loop had come to its end)", None
            self._tries[step.position] = tries
            self._promised += 1
        return text, delay

    def _come_again(self, step: LoopStep[T], delay: float) -> None:
        again = LoopStep(
            self, step.value, item=step.item, digest=step.digest, attempt=step.attempt + 1, position=step.position
        )
        with self._lock:
            self._promised -= 1
            heapq.heappush(self._again, (time.monotonic() + delay, step.position, again))

    def _row(self, step: LoopStep[T], status: ProcessingStatus, text: str | None, seconds: float) -> StepRow:
        details, metrics = step.told()
        return StepRow(
            run=self.loop.id,
            step=self.step,
            item=step.item,
            attempt=step.attempt,
            status=status,
            key=self._tally.key,
            digest=step.digest,
            error=text,
            seconds=seconds,
            at=SYSTEM.now(),
            details=details,
            metrics=metrics,
        )

    def _over(self, step: LoopStep[T]) -> None:
        self.loop.flight.end(step.slot)
        self._tally.end(step.position)
        if self._is_over:
            self._tally.complete_if_idle()  # the last of those that other threads or tasks had at hand

    def _say(self, step: LoopStep[T], text: str, error: BaseException) -> None:
        """To people and the log; where everything fails, no more than the first so many."""
        logger, number = logging.getLogger("milepost.loops"), self._tally.say()
        if number <= MOST_SAID:
            logger.error("%s: item %s: %s", self.step, step.item, text)
            self.loop.log(traceback_text(error), level="DEBUG")
        elif number == MOST_SAID + 1:
            logger.error("%s: further failures are recorded, and not printed: milepost errors", self.step)

    def _shielded(self) -> AbstractContextManager[None]:
        if threading.current_thread() is threading.main_thread():
            return self.loop.stop.shielded()
        return nullcontext()

    # What comes next

    def _due(self) -> LoopStep[T] | None:
        if not self._again:
            return None
        with self._lock:
            if self._again and self._again[0][0] <= time.monotonic():
                return heapq.heappop(self._again)[2]
        return None

    def _awaited(self) -> LoopStep[T] | None:
        """What is to be tried again and is not due yet: wait for it, ready to stop."""
        while self._again or self._promised:
            due = self._again[0][0] - time.monotonic() if self._again else PROMISE_SECONDS
            self.loop.stop.wait(max(0.0, due))
            self.loop.check()
            step = self._due()
            if step is not None:
                return step
        return None

    def _fresh(self) -> LoopStep[T] | None:
        while not self._ready:
            window = list(self._window())
            if not window:
                return None
            self._take(window)
        self._tally.hand_out()
        return self._ready.popleft()

    def _window(self) -> Iterator[tuple[int, T, str, bytes]]:
        """The next items, as many as come at once; one where they may wait, or nobody is asked."""
        end = time.monotonic() + WINDOW_SECONDS
        for position, (value, (item, digest)) in islice(self._source, self._window_length):
            yield position, value, item, self._digest(item, digest)
            if time.monotonic() >= end:
                return

    def _digest(self, item: str, digest: bytes) -> bytes:
        """What has to be equal for an item to count as done: its key, its content unless `by="key"`, the version."""
        return xxh3_128_digest(b"\0".join((digest, self._rules.version, item.encode("utf-8", "surrogatepass"))))

    def _take(self, window: list[tuple[int, T, str, bytes]]) -> None:
        known = (
            [Known()] if self._before.is_empty else self._before.look([(item, digest) for *_, item, digest in window])
        )
        for (position, value, item, digest), one in zip(window, known, strict=True):
            if one.is_done:
                self._tally.find()
            elif one.is_set_aside:
                self._tally.set_aside(item, "set aside, since it ended its process each time")
            else:
                self._ready.append(
                    LoopStep(self, value, item=item, digest=digest, attempt=one.attempts + 1, position=position)
                )


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidDataError(f"{name}= is {' or '.join(map(repr, known))}, not {value!r}")
