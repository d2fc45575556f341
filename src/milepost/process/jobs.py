"""A stage being carried out: what to hand out next, what came back, and what has become of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from milepost.errors import StageExecutionError, StageTimeout
from milepost.executors.task import Outcome, Task, Work
from milepost.kernel.recorder import Recorder
from milepost.model.redaction import redact
from milepost.model.retry import Backoff
from milepost.model.rows import StageRow
from milepost.process.planner import StagePlan, Upstream
from milepost.process.stages import StageOptions
from milepost.store.objects import Objects

LOST_TRIES = 3  # a worker's death is not the item's fault, unless it keeps happening


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """What every job of a run works with."""

    run: str
    recorder: Recorder
    objects: Objects
    monotonic: Callable[[], float]
    random: Callable[[], float]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The good end of a job: its result, and whether it may be found again under its key."""

    upstream: Upstream
    size_bytes: int = 0
    seconds: float = 0.0
    is_reusable: bool = True
    note: str | None = None
    items_reused: int = 0
    reused_seconds: float = 0.0  # what the reused items took when they were done, summed
    metrics: dict[str, int | float] = {}


class Job(Protocol):
    """One stage under way."""

    plan: StagePlan
    options: StageOptions
    work: Work
    failure: StageExecutionError | None
    ending: Ending | None

    def next_task(self) -> Task | None:
        """Something to hand out now, or None: all is handed out, waits for a retry, or is over."""
        ...

    def absorb(self, outcome: Outcome) -> None:
        """Record what came back. Sets `ending` or `failure` when that was the last."""
        ...

    def due_in(self) -> float | None:
        """Seconds until a retry is due; None when none waits."""
        ...

    def told(self, row: StageRow) -> StageRow:
        """The stage's row with how far this job is."""
        ...


def backoff_of(options: StageOptions) -> Backoff:
    """The delays between a stage's attempts."""
    return Backoff(attempts=max(options.retries + 1, LOST_TRIES), base=options.retry_delay)


def may_try_again(kind: str, attempt: int, retries: int) -> bool:
    """Whether another attempt is owed after this one ended as it did."""
    tries = max(retries + 1, LOST_TRIES) if kind == "lost" else retries + 1
    return attempt < tries


class WholeJob:
    """A stage that is one call."""

    def __init__(
        self, plan: StagePlan, options: StageOptions, work: Work, trade: Trade, number: Callable[[], int]
    ) -> None:
        self.plan = plan
        self.options = options
        self.work = work
        self.failure: StageExecutionError | None = None
        self.ending: Ending | None = None
        self._trade = trade
        self._number = number
        self._attempt = 1
        self._is_out = False
        self._due: float | None = trade.monotonic()

    def next_task(self) -> Task | None:
        if self._is_out or self._due is None or self._due > self._trade.monotonic():
            return None
        self._is_out, self._due = True, None
        return Task(number=self._number(), stage=self.plan.stage, attempt=self._attempt)

    def absorb(self, outcome: Outcome) -> None:
        self._is_out = False
        if outcome.kind == "done":
            self.ending = _ending(outcome)
        elif outcome.kind == "cancelled":
            self._due = self._trade.monotonic()
        elif outcome.kind == "refused":
            self.failure = refusal(self.plan.stage, outcome)
        elif may_try_again(outcome.kind, self._attempt, self.options.retries):
            self._due = self._trade.monotonic() + self._pause()
            self._attempt += 1
        else:
            self.failure = _failure(self.plan.stage, outcome, self._attempt)

    def _pause(self) -> float:
        return backoff_of(self.options).delay(self._attempt, self._trade.random()) or 0.0

    def due_in(self) -> float | None:
        return None if self._due is None else max(0.0, self._due - self._trade.monotonic())

    def told(self, row: StageRow) -> StageRow:
        return msgspec.structs.replace(row, attempts=self._attempt)


def _ending(outcome: Outcome) -> Ending:
    if outcome.stored is None:
        return Ending(
            upstream=Upstream(digest="", address=None, value=outcome.value),
            seconds=outcome.seconds,
            is_reusable=False,
            note=f"its result cannot be stored, so it is not reusable: {outcome.unencodable}",
            metrics=outcome.metrics,
        )
    stored = outcome.stored
    upstream = Upstream(digest=stored.address, address=stored.address, classes=stored.classes)
    return Ending(upstream=upstream, size_bytes=stored.size_bytes, seconds=outcome.seconds, metrics=outcome.metrics)


def refusal(stage: str, outcome: Outcome) -> StageExecutionError:
    """The failure of a stage that no worker can begin: at no attempt, since another would end alike."""
    text = f"stage {stage!r} cannot run in workers: {redact(outcome.error or outcome.kind)}"
    failure = StageExecutionError(text, stage=stage, traceback=outcome.traceback)
    failure.__cause__ = outcome.exception
    return failure


def _failure(stage: str, outcome: Outcome, attempt: int) -> StageExecutionError:
    tries = "" if attempt == 1 else f" after {attempt} attempts"
    said = redact(outcome.error or outcome.cause or outcome.kind)
    kind = StageTimeout if outcome.kind == "timeout" else StageExecutionError
    failure = kind(f"stage {stage!r} failed{tries}: {said}", stage=stage, traceback=outcome.traceback)
    failure.__cause__ = outcome.exception
    return failure
