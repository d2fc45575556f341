"""How far one step of a loop run is: counted as items end, shown as the stage's row that every face reads."""

from __future__ import annotations

import threading
import time

from milepost.kernel import host
from milepost.kernel.clock import SYSTEM
from milepost.model.rows import StepRow
from milepost.model.shortening import shortened
from milepost.model.status import ProcessingStatus, StageState
from milepost.process.underway import RunUnderway

SHOWN_FAILURES = 3
SHOWN_CHARACTERS = 600


class Tally:
    """One step of a run, over all loops that have its name. Safe from several threads.

    A row that is given to `settle` is committed before it returns, or with `batch` at latest so many seconds later.
    """

    def __init__(self, underway: RunUnderway, step: str, key: str, *, batch: float = 0.0) -> None:
        self.step = step
        self.key = key
        self.batch = batch
        self.loops = 0  # that are not at their end
        self._underway = underway
        self._lock = threading.RLock()
        self._total: int | None = 0
        self._done = self._found = self._failed = 0
        self._said = 0  # failures that people were told of
        self._undone = 0  # items that were handed out and have no outcome
        self._at_hand: dict[int, str] = {}
        self._failures: list[str] = []
        self._waiting: list[StepRow] = []
        self._since = 0.0
        self._memory = 0
        self._began: float | None = None  # monotonic
        self._error: str | None = None  # what ended its loop

    @property
    def is_begun(self) -> bool:
        """Whether a loop was ever begun."""
        return self._began is not None

    def open(self, total: int | None) -> None:
        """A loop over so many items begins; None: their number is not known."""
        with self._lock:
            self.loops += 1
            self._total = None if total is None or self._total is None else self._total + total
            if self._began is not None:
                self._observe(StageState.RUNNING)
                return
            self._began = time.monotonic()
            reason = "a loop, begun" if self._underway.epoch == 1 else "a loop, continued"
            self._underway.stage(
                self.step,
                state=StageState.RUNNING,
                key=self.key,
                reason=reason,
                attempts=1,
                error=None,
                message=None,
                **self._counts(),
            )

    def close(self) -> None:
        """A loop came to its end."""
        with self._lock:
            self.loops -= 1
            self.flush()
            self.complete_if_idle()

    def complete_if_idle(self) -> None:
        """Where all loops of this step are at their end, and each of their items has an outcome, it is complete.

        Faces see it soon; what the run's end commits is what counts, so that short loops in loops cost no commit.
        """
        with self._lock:
            is_running = self._underway.stages[self.step].state is StageState.RUNNING
            if self.loops or self._at_hand or self._undone or not is_running:
                return
            if self._total is None:
                self._total = self._done + self._found + self._failed
            self._observe(StageState.COMPLETED)

    @property
    def ending(self) -> dict[str, object]:
        """The fields of the stage's row that the run's end commits."""
        self.flush()
        self.complete_if_idle()
        return {"message": None, "error": self._error or self._report(), **self._counts()}

    def fail(self, row: StepRow) -> None:
        """An item failed that ends the loop."""
        with self._lock:
            self.flush()
            self._failed += 1
            self._undone -= 1
            self._error = f"item {row.item!r}: {row.error}"
            self._underway.stage(
                self.step, row, state=StageState.FAILED, error=self._error, message=None, **self._counts()
            )

    def hand_out(self) -> None:
        """An item goes to who loops, for the first time."""
        with self._lock:
            self._undone += 1

    def begin(self, position: int, item: str) -> None:
        """An item is at hand."""
        self._at_hand[position] = item

    def end(self, position: int) -> None:
        """It is not at hand any more."""
        self._at_hand.pop(position, None)

    def find(self, count: int = 1) -> None:
        """So many items were found done."""
        with self._lock:
            self._found += count

    def say(self) -> int:
        """A failure is about to be told; the how many-th it is."""
        with self._lock:
            self._said += 1
            return self._said

    def set_aside(self, item: str, why: str) -> None:
        """An item that failed for good before is not tried again."""
        with self._lock:
            self._failed += 1
            self._note(f"{item}: {why}")

    def settle(self, row: StepRow) -> None:
        """Record an attempt, and count it."""
        with self._lock:
            if row.status is ProcessingStatus.FAILED:
                self._failed += 1
                self._undone -= 1
                self._note(f"{row.item}: {row.error}")
            elif row.status.is_done:
                self._done += 1
                self._undone -= 1
            if not self.batch:
                self._underway.record(row)
                return
            now = time.monotonic()
            if not self._waiting:
                self._since = now
            self._waiting.append(row)
            if now - self._since >= self.batch:
                self.flush()

    def flush(self) -> None:
        """Commit what waits."""
        with self._lock:
            if self._waiting:
                self._underway.record(*self._waiting)
                self._waiting = []

    def flush_due(self) -> None:
        """Commit what has waited long enough; for the ticker."""
        with self._lock:
            if self._waiting and time.monotonic() - self._since >= self.batch:
                self.flush()

    def show(self) -> None:
        """Let faces see how far it is."""
        with self._lock:
            row = self._underway.stages.get(self.step)
            if row is None or row.state is not StageState.RUNNING:
                return
            self._memory = max(self._memory, host.memory_bytes())
            self._observe(StageState.RUNNING)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Items done in this session, found done, and failed."""
        return self._done, self._found, self._failed

    def _observe(self, state: StageState) -> None:
        at_hand = next(iter(list(self._at_hand.values())), None)
        self._underway.observe(
            self.step,
            state=state,
            message=None if at_hand is None else f"at {at_hand}",
            error=self._report(),
            memory_bytes=self._memory or None,
            started=self._underway.stages[self.step].started,
            ended=None if state is StageState.RUNNING else SYSTEM.now(),
            seconds=time.monotonic() - (self._began or 0.0),
            **self._counts(),
        )

    def _counts(self) -> dict[str, object]:
        settled = self._done + self._found + self._failed
        return {
            "items_total": self._total,
            "items_done": self._done,
            "items_reused": self._found,
            "items_failed": self._failed,
            "progress": min(settled / self._total, 1.0) if self._total else None,
        }

    def _note(self, text: str) -> None:
        if len(self._failures) < SHOWN_FAILURES:
            self._failures.append(shortened(text, SHOWN_CHARACTERS))

    def _report(self) -> str | None:
        if not self._failed:
            return None
        rest = self._failed - len(self._failures)
        items = "item" if self._failed == 1 else "items"
        return f"{self._failed} {items} failed: {'; '.join(self._failures)}" + (f"; and {rest} more" if rest else "")
