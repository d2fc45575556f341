"""A mapped stage under way: one ledger row per item, batches of about 100 ms, retries, failures collected."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat

import msgspec

from milepost.errors import StageExecutionError, StageTimeout
from milepost.executors.task import ItemOutcome, ItemTask, Outcome, Task, Work
from milepost.kernel.clock import SYSTEM
from milepost.model.redaction import redact
from milepost.model.rows import StageRow, StepRow
from milepost.model.shortening import shortened
from milepost.model.status import ProcessingStatus
from milepost.process.jobs import Ending, Trade, backoff_of, may_try_again, refusal
from milepost.process.mapping.feed import ItemFeed
from milepost.process.mapping.items import count_of
from milepost.process.mapping.ordered import OrderedResults
from milepost.process.mapping.windows import DoneWindow, DoneWindows
from milepost.process.planner import StagePlan, Upstream
from milepost.process.stages import StageOptions
from milepost.store.objects import Packed
from milepost.store.protocol import Store
from milepost.store.sequence import SequenceWriter

BATCH_SECONDS = 0.1
LARGEST_BATCH = 5000  # a commit writes each page of the index that it touches: fewer commits, fewer pages
SHOWN_FAILURES = 3
SHOWN_CHARACTERS = 600  # of each
_NO_RESULT = Packed(None, None)


class BatchSize:
    """Items per batch, so that a batch takes about 100 ms.

    Example:
        >>> size = BatchSize()
        >>> size.learn(items=1, seconds=0.001)
        >>> size.items
        4
    """

    def __init__(self, least: int = 1) -> None:
        self.items = self._least = least
        self._seconds_per_item: float | None = None

    def learn(self, items: int, seconds: float) -> None:
        """Take in how long a batch took; the size grows at most fourfold at a time."""
        if not items:
            return
        seen, known = seconds / items, self._seconds_per_item
        self._seconds_per_item = seen if known is None else 0.7 * known + 0.3 * seen
        wanted = int(BATCH_SECONDS / max(self._seconds_per_item, 1e-9))
        self.items = max(self._least, min(wanted, self.items * 4, LARGEST_BATCH))


class MappedJob:
    """Hands out batches of items, records each batch as it comes back, ends with the sequence of results."""

    def __init__(
        self,
        plan: StagePlan,
        options: StageOptions,
        work: Work,
        trade: Trade,
        store: Store,
        collection: object,
        *,
        number: Callable[[], int],
        is_forced: bool = False,
        is_continued: bool = False,
    ) -> None:
        self.plan = plan
        self.options = options
        self.work = work
        self.failure: StageExecutionError | None = None
        self.ending: Ending | None = None
        self.total = count_of(collection)
        self.done = self.reused = self.failed = 0
        self._trade = trade
        self._number = number
        self._done_windows = DoneWindows(store, trade, stage=plan.stage, items_key=plan.items_key or "")
        self._feed = ItemFeed(
            plan,
            options,
            store,
            trade.objects,
            collection,
            run=trade.run,
            is_forced=is_forced,
            is_continued=is_continued,
            done_windows=self._done_windows,
            on_found=self._reuse,
            on_done_window=self._reuse_window,
        )
        self._windows = self._feed.windows()
        self._is_fed = False
        self._ready: deque[ItemTask] = deque()
        self._later: list[tuple[float, int, ItemTask]] = []
        self._out: dict[int, tuple[ItemTask, ...]] = {}
        self._tries: dict[int, int] = {}  # by position, of items that failed before in this session
        self._size = BatchSize(least=work.concurrency if work.is_async else 1)  # async items of a batch overlap
        writer = SequenceWriter(trade.objects, on_chunk=self._done_windows.stored)
        self._results = OrderedResults(writer, self._recall, self._done_windows.results)
        self._seconds = 0.0
        self._reused_seconds = 0.0
        self._failures: list[str] = []

    def next_task(self) -> Task | None:
        if self.failure is not None:
            return None
        self._bring_back_due()
        while not self._is_fed and len(self._ready) < self._size.items:
            self._fill()
        self._conclude()
        if not self._ready:
            return None
        count = min(self._size.items, len(self._ready))
        batch = tuple(map(deque.popleft, repeat(self._ready, count)))
        task = Task(number=self._number(), stage=self.plan.stage, items=batch)
        self._out[task.number] = batch
        return task

    def absorb(self, outcome: Outcome) -> None:
        handed = self._out.pop(outcome.task)
        statuses = {item.position: self._judge(item) for item in outcome.items if not item.ok}
        self._trade.recorder.record(*self._rows(outcome.items, statuses))  # before anything is told or handed on
        self._hand_on([item for item in outcome.items if item.ok] if statuses else outcome.items)
        for item in outcome.items if statuses else ():
            if not item.ok:
                self._settle(item, statuses[item.position], handed, outcome)
        self._ready.extendleft(reversed(outcome.rest))
        if outcome.kind == "refused":
            self.failure = self.failure or refusal(self.plan.stage, outcome)
        self._seconds += sum(item.seconds for item in outcome.items)
        self._size.learn(len(outcome.items), outcome.seconds)
        self._conclude()

    def due_in(self) -> float | None:
        return max(0.0, self._later[0][0] - self._trade.monotonic()) if self._later else None

    def told(self, row: StageRow) -> StageRow:
        settled = self.done + self.reused + self.failed
        return msgspec.structs.replace(
            row,
            attempts=1,
            items_total=self.total,
            items_done=self.done,
            items_reused=self.reused,
            items_failed=self.failed,
            progress=settled / self.total if self.total else row.progress,
            error=self._report(),
        )

    def _fill(self) -> None:
        window = next(self._windows, None)
        if window is None:
            self._is_fed = True
            self.total = self._feed.seen
        else:
            self._ready.extend(window)

    def _bring_back_due(self) -> None:
        while self._later and self._later[0][0] <= self._trade.monotonic():
            self._ready.appendleft(heapq.heappop(self._later)[2])

    def _reuse(self, found: list[tuple[ItemTask, StepRow]]) -> None:
        self.reused += len(found)
        self._reused_seconds += sum(row.seconds for _, row in found)
        positions = [task.position for task, _ in found]
        self._done_windows.spent(positions, [row.seconds for _, row in found])
        repack = self._trade.objects.repack
        results = [(task.item, repack(row.result, row.address)) for task, row in found]
        self._results.put_all(positions, results, [task.digest for task, _ in found])

    def _reuse_window(self, position: int, found: DoneWindow) -> None:
        self.reused += found.count
        self._reused_seconds += found.seconds
        self._results.put_window(position, found)

    def _recall(self, digest: bytes) -> Packed:
        row = self._feed.find([digest])[digest]
        return self._trade.objects.repack(row.result, row.address)

    def _judge(self, item: ItemOutcome) -> ProcessingStatus:
        """What an item's failure means for its row."""
        tries = self._tries.get(item.position, 0) + 1
        if may_try_again(item.kind, tries, self.options.retries):
            return ProcessingStatus.ERROR
        return ProcessingStatus.FAILED

    def _settle(
        self, item: ItemOutcome, status: ProcessingStatus, handed: tuple[ItemTask, ...], outcome: Outcome
    ) -> None:
        """Decide what follows from an item that failed."""
        if status is ProcessingStatus.ERROR:
            self._try_again(item, next(task for task in handed if task.position == item.position))
        elif self.options.errors == "collect":
            self.failed += 1
            self._failures.append(f"{item.item}: {item.error}")
            self._results.leave_out(item.position)
        else:
            self.failed += 1
            self.failure = self.failure or self._failure(item, outcome)

    def _try_again(self, item: ItemOutcome, task: ItemTask) -> None:
        tries = self._tries[item.position] = self._tries.get(item.position, 0) + 1
        due = self._trade.monotonic() + (backoff_of(self.options).delay(tries, self._trade.random()) or 0.0)
        again = msgspec.structs.replace(task, attempt=task.attempt + 1)
        heapq.heappush(self._later, (due, item.position, again))

    def _rows(self, items: Sequence[ItemOutcome], statuses: Mapping[int, ProcessingStatus]) -> list[StepRow]:
        """The ledger's rows of these; `statuses` of those that failed, by position."""
        run, step, key, now = self._trade.run, self.plan.stage, self.plan.items_key or "", SYSTEM.now()
        done = ProcessingStatus.SUCCESS
        return [
            StepRow(
                run=run,
                step=step,
                item=item.item,
                attempt=item.attempt,
                status=done if item.ok else statuses[item.position],
                key=key,
                digest=item.digest,
                result=(packed := item.packed or _NO_RESULT).result,
                address=packed.address,
                error=redact(item.error) if item.error else None,
                seconds=item.seconds,
                at=now,
            )
            for item in items
        ]

    def _hand_on(self, items: Sequence[ItemOutcome]) -> None:
        """These are done, and in the ledger."""
        self.done += len(items)
        positions = [item.position for item in items]
        self._done_windows.spent(positions, [item.seconds for item in items])
        results = [(item.item, item.packed or _NO_RESULT) for item in items]
        self._results.put_all(positions, results, [item.digest for item in items])

    def _failure(self, item: ItemOutcome, outcome: Outcome) -> StageExecutionError:
        tries = self._tries.get(item.position, 0) + 1
        kind = StageTimeout if item.kind == "timeout" else StageExecutionError
        failure = kind(
            f"stage {self.plan.stage!r} failed at item {item.item!r}"
            + (f" after {tries} attempts" if tries > 1 else "")
            + f": {redact(item.error or item.kind)}",
            stage=self.plan.stage,
            item=item.item,
            traceback=item.traceback,
        )
        failure.__cause__ = outcome.exception
        return failure

    def _report(self) -> str | None:
        if not self._failures:
            return None
        shown = "; ".join(shortened(redact(text), SHOWN_CHARACTERS) for text in self._failures[:SHOWN_FAILURES])
        rest = len(self._failures) - SHOWN_FAILURES
        items = "item" if self.failed == 1 else "items"
        return f"{self.failed} {items} failed: {shown}" + (f"; and {rest} more" if rest > 0 else "")

    def _conclude(self) -> None:
        """End when every item has an outcome. With failed items the result may not be found again under its key."""
        if self.ending or self.failure or not self._is_fed or self._ready or self._later or self._out:
            return
        stored = self._results.close()
        self.ending = Ending(
            upstream=Upstream(digest=stored.address, address=stored.address, classes=stored.classes),
            size_bytes=stored.size_bytes,
            seconds=self._seconds,
            is_reusable=self.failed == 0,
            note=self._report(),
            items_reused=self.reused,
            reused_seconds=self._reused_seconds,
        )
