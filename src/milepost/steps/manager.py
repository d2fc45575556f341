"""`ProcessingStepManager`: records what happens to documents, step by step, and finds it again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from milepost.errors import StoreError
from milepost.kernel.context import current
from milepost.kernel.warning import warn
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps import checking
from milepost.steps.announcing import LEVELS, Announcing, announce_one
from milepost.steps.attempts import Starts
from milepost.steps.dependencies import Dependencies
from milepost.steps.drafts import Draft, Reported, draft, drafts, ending
from milepost.steps.ledger import Ledger
from milepost.steps.moments import span, to_seconds
from milepost.steps.reading import ERRORS, Asked, error_of, place_of, recent, rows_of, step_of
from milepost.steps.recording import RUNNING, announced, batches, no_longer_at_hand, record, record_batch
from milepost.steps.step import ProcessingStep, status_of
from milepost.steps.under_way import StepUnderWay
from milepost.steps.whereabouts import Whereabouts

P = ParamSpec("P")
T = TypeVar("T")


class ProcessingStepManager:
    """The steps of any number of documents, from any thread, task or process.

    `storage_backend`: None for the workspace, and then the run that the calling code belongs to, if any; a path or
    `sqlite:///FILE`; a store; or an object with `get_lineage`, `save_lineage` and `get_all_lineage` (see
    `milepost.steps.lineage` for what that can do). `run`: the run that steps are recorded in and read from, by name,
    id, or as an object with an `id`. `strict`: a document that nobody announced (by a PENDING step) is refused.

    What returned is committed. A store that is full or locked is waited for; then comes StoreError, a RuntimeError.

    Example:
        >>> manager = ProcessingStepManager("sqlite://")
        >>> manager.add_step("doc1", "ocr", "running")
        >>> manager.add_step("doc1", "ocr", "success", {"pages": 3})
        >>> [(str(step.status), step.details) for step in manager.get_steps("doc1")]
        [('running', {}), ('success', {'pages': 3})]
    """

    def __init__(self, storage_backend: object = None, *, run: object = None, strict: bool = False) -> None:
        self.strict = strict
        self._begin(Whereabouts(storage_backend, run))

    def _begin(self, where: Whereabouts) -> None:
        self._where = where
        self._starts = Starts()
        self._left: deque[tuple[Any, ...]] = deque()
        self._dependencies = Dependencies()

    # Recording

    def add_step(
        self,
        doc_id: str,
        step_name: str,
        status: ProcessingStatus | str,
        details: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        error_message: str | None = None,
        timestamp: datetime | None = None,
        *,
        attempt: int | None = None,
    ) -> None:
        """Record one step, committed when this returns.

        Attempts follow from what is there: what the last attempt has had already, or has gone past, begins the next.
        With `attempt`, the row is that attempt's, and ignored where it has such a row. A duration is filled in from
        the start unless `metrics` have `duration_ms`. Secrets are masked; what JSON cannot hold becomes text.

        Raises ValueError (status, empty name, unknown document under `strict`), TypeError, DependencyError when the
        step cannot start yet, StoreError.
        """
        self._add(draft(doc_id, step_name, status, details, metrics, error_message, timestamp, attempt))

    def add_steps(self, steps: Iterable[Reported]) -> int:
        """Record many, in commits of up to 5,000 steps or 100 ms; how many rows were kept.

        Each is a dict with the parameters of `add_step`, a tuple in their order, `(doc_id, ProcessingStep)`, or what
        `ProcessingStep.to_dict` gave with its `doc_id`. Memory does not grow with their number. An error in between,
        also of a generator that gives them, comes after those before it were committed. Dependencies are not checked:
        these are facts.
        """
        self._leave_those_left()
        (ledger, run), count = self._where.to_write(), 0
        ledger.file.check()
        said, announcing = drafts(steps), Announcing()
        try:
            for batch in batches(announced(ledger, said) if self.strict else said):
                changed, kept = record_batch(ledger, run, batch)
                announcing.announce(kept)
                count += changed
        finally:
            announcing.close()
        return count

    def step(self, doc_id: str, step_name: str, /, **details: Any) -> StepUnderWay:
        """A block that is a step: `with manager.step("doc1", "ocr", engine="x") as step:`; `async with` works too."""
        return StepUnderWay(self, doc_id, step_name, details)

    def tracked(
        self,
        step_name: str | None = None,
        *,
        key: str | Callable[..., object] | None = None,
        retries: int = 0,
        retry_delay: float = 1.0,
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Decorate a function, async or not, whose calls are steps of the document in its first argument.

        `key`: the parameter that names the document, or what finds it in the arguments. `retries`: further attempts,
        each recorded, after at most `retry_delay` seconds, doubled each time; the last one ends as FAILED.
        """
        from milepost.steps.tracking import Tracking

        return Tracking(self, step_name, key, retries, retry_delay)

    def begin(
        self, doc_id: str, step_name: str, details: Mapping[str, Any] | None = None, *, is_bound: bool = False
    ) -> int:
        """Record RUNNING and give the attempt's number, for `finish`. `is_bound`: it cannot outlive this process."""
        row = self._add(draft(doc_id, step_name, ProcessingStatus.RUNNING, details), is_bound=is_bound)
        return 1 if row is None else row.attempt

    def finish(self, doc_id: str, step_name: str, status: ProcessingStatus | str, **said: Any) -> None:
        """Record the end of an attempt that `begin` gave, with the parameters of `add_step`.

        Where the attempt has an end already, that stands, but an error is never lost: it becomes the next attempt's.
        """
        ended = ending(doc_id, step_name, status, said)
        if self._add(ended) is None and ended.status in ERRORS:
            self._add(draft(doc_id, step_name, status, **{**said, "attempt": None}))

    def leave(self, doc_id: str, step_name: str, attempt: int, reason: str) -> None:
        """Record that an attempt was broken off, neither done nor wrong: the document waits for the next.

        What the ledger cannot take now costs a warning, for this is said while something else is on its way out.
        """
        ledger, run = self._where.to_write()
        no_longer_at_hand(ledger, run, step_name, doc_id, attempt)
        said = f"attempt {attempt} was interrupted: {reason}"
        waiting = draft(doc_id, step_name, ProcessingStatus.PENDING, error_message=said, attempt=attempt + 1)
        try:
            self._record(ledger, run, waiting)
        except StoreError as error:
            warn(f"milepost: that step {step_name} of document {doc_id:.80} waits again is not recorded: {error}")

    def leave_later(self, *attempt: Any) -> None:
        """The same, with whatever is asked next: nothing is locked and nothing written now."""
        self._left.append(attempt)

    # Reading

    def get_steps(
        self,
        doc_id: str,
        status: ProcessingStatus | str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        *,
        step_name: str | None = None,
        limit: int | None = None,
        after: ProcessingStep | int = 0,
    ) -> list[ProcessingStep]:
        """The document's steps in the order of recording, of all runs unless the manager has one of its own.

        Both times are inclusive. For pages: `limit`, and `after` the last step of the page before.
        """
        most = None if limit is None else checking.count(limit, "limit")
        document = checking.document_id(doc_id)
        found = self.iter_steps(document, status, start_time, end_time, step_name=step_name, after=after)
        return list(islice(found, most))

    def iter_steps(
        self,
        doc_id: str | None = None,
        status: ProcessingStatus | str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        *,
        step_name: str | None = None,
        after: ProcessingStep | int = 0,
    ) -> Iterator[ProcessingStep]:
        """As `get_steps`, one by one, a page in memory at a time; without `doc_id`, of all documents."""
        ledger, run = self._ledger(), self._where.run()
        since, until = span(start_time, end_time)
        asked = Asked(
            item=None if doc_id is None else checking.document_id(doc_id),
            step=None if step_name is None else checking.step_name(step_name),
            run=run,
            status=None if status is None else status_of(status),
            since=since,
            until=until,
        )
        return map(step_of, rows_of(ledger, asked, after=place_of(after)))

    def get_recent_errors(
        self, since: datetime, include_warnings: bool = False, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Steps of all documents that ended in ERROR or FAILED since then, the newest first; WARNING if asked for.

        Each is a dict of doc_id, step_name, status (text), error_message (None where none was given), timestamp and
        details.
        """
        statuses = (*ERRORS, ProcessingStatus.WARNING) if include_warnings else ERRORS
        most = None if limit is None else checking.count(limit, "limit")
        rows = recent(self._ledger().store, statuses, to_seconds(since, "since"), self._where.run(), most)
        return [error_of(row) for row in rows]

    def latest_status(self, doc_id: str, step_name: str) -> ProcessingStatus | None:
        """Where the document stands at this step: the status recorded last; None where nothing was."""
        asked = Asked(item=checking.document_id(doc_id), step=checking.step_name(step_name), run=self._where.run())
        rows = self._ledger().store.rows(StepRow, newest=True, limit=1, **asked.equal())
        return rows[0].status if rows else None

    # Dependencies

    def declare(self, step_name: str, *, after: Iterable[str] = (), most_attempts: int | None = None) -> None:
        """A step comes after others: it starts only for documents at which those are done (SUCCESS, WARNING, SKIPPED).

        `most_attempts`: an exception in this or a later attempt of a block ends it as FAILED instead of ERROR.
        Raises DependencyError for a circle.
        """
        self._dependencies.declare(step_name, after, most_attempts)

    @property
    def dependencies(self) -> Mapping[str, tuple[str, ...]]:
        """Each declared step with those that it comes after."""
        return self._dependencies.as_mapping()

    def missing(self, doc_id: str, step_name: str) -> dict[str, ProcessingStatus | None]:
        """What has to be done before this step of the document can start, with where it stands."""
        document, step = checking.document_id(doc_id), checking.step_name(step_name)
        return self._dependencies.missing(document, step, self.latest_status)

    def show_dependencies(self, doc_id: str | None = None) -> str:
        """The declared steps in an order that works, one a line; of a document with where each stands."""
        return self._dependencies.shown(doc_id, self.latest_status)

    def is_last_attempt_of(self, step_name: str) -> Callable[[int], bool]:
        """Whether an attempt of this step is the last that was declared for it."""
        return lambda attempt: self._dependencies.is_last(step_name, attempt)

    # Its own life

    def close(self) -> None:
        """Let the storage go; what was recorded is on disk. Used again, it is opened again."""
        self._where.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        where, declared = self._where, self._dependencies
        return {"storage": where.storage, "run": where.run(), "strict": self.strict, "declared": declared}

    def __milepost_key__(self) -> str:
        """What counts of it in a stage that reports to it: nothing, for where steps are kept changes no result."""
        return "steps"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.strict = state["strict"]
        self._begin(Whereabouts(state["storage"], state["run"]))
        self._dependencies = state["declared"]

    def _add(self, said: Draft, *, is_bound: bool = False) -> StepRow | None:
        if self._left:
            self._leave_those_left()
        ledger, run = self._where.to_write()
        return self._record(ledger, run, said, is_bound=is_bound)

    def _record(self, ledger: Ledger, run: str, said: Draft, *, is_bound: bool = False) -> StepRow | None:
        where = current.get()
        if where is not None and where.item is not None and where.stage == said.step and where.run_id == run:
            raise ValueError(
                f"stage {said.step!r} records its items under its own name: call the step of the document otherwise"
            )
        if self.strict:
            said = next(announced(ledger, [said]))
        if said.status is RUNNING:
            self._dependencies.check(said.item, said.step, self.latest_status)
        row = record(ledger, run, said, self._starts, is_bound=is_bound)
        if row is not None and row.status in LEVELS:
            announce_one(row)
        return row

    def _ledger(self) -> Ledger:
        """Where it is now, so that what is lost is said as such."""
        ledger = self._where.ledger()
        ledger.file.check()
        self._leave_those_left()
        return ledger

    def _leave_those_left(self) -> None:
        while self._left:
            self.leave(*self._left.popleft())
