"""From rows to the steps that people read, and to the errors across documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps import checking
from milepost.steps.ledger import Ledger, StepStore
from milepost.steps.moments import from_seconds
from milepost.steps.step import ProcessingStep
from milepost.steps.telling import heard

PAGE = 1_000
HALF_MICROSECOND = 5e-7
ERRORS = (ProcessingStatus.ERROR, ProcessingStatus.FAILED)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which steps are wanted; both ends of the time count."""

    item: str | None = None
    step: str | None = None
    run: str | None = None
    status: ProcessingStatus | None = None
    since: float | None = None
    until: float | None = None

    def equal(self) -> dict[str, Any]:
        """The columns that a store is to compare."""
        wanted = {"item": self.item, "step": self.step, "run": self.run, "status": self.status}
        return {name: value for name, value in wanted.items() if value is not None}

    def is_in_time(self, row: StepRow) -> bool:
        """Whether the row's time lies between the bounds."""
        at = round(row.at, 6)  # as a datetime has it: a step lies within bounds that are its own time
        return (self.since is None or at >= self.since) and (self.until is None or at <= self.until)


def place_of(after: object) -> int:
    """The place in the ledger after which a page begins: that of a step that was read, or a number."""
    seq = after.metadata.get("seq") if isinstance(after, ProcessingStep) else after
    if seq is None:
        raise ValueError("after is a step that was read from a ledger, which has its `seq`, or that number")
    return checking.count(seq, "after")


def rows_of(ledger: Ledger, asked: Asked, *, after: int = 0, page: int = PAGE) -> Iterator[StepRow]:
    """The rows in the order of recording, fetched by the page. The ledger is held, and so open, as long as this is."""
    equal = asked.equal()
    while True:
        rows = ledger.store.rows(StepRow, after=after, limit=page, **equal)
        yield from filter(asked.is_in_time, rows)
        if len(rows) < page:
            return
        after, page = rows[-1].seq, min(page * 2, 10 * PAGE)


def step_of(row: StepRow) -> ProcessingStep:
    """The row as people read it."""
    return ProcessingStep(
        step_name=row.step,
        status=row.status,
        details=_mapping(heard(row.details)),
        metadata={
            "metrics": metrics_of(row),
            "error_message": row.error,
            "doc_id": row.item,
            "attempt": row.attempt,
            "run": row.run,
            "seq": row.seq,
        },
        timestamp=from_seconds(row.at),
    )


def metrics_of(row: StepRow) -> dict[str, Any]:
    """What was measured, and the duration that the ledger knows where none was given."""
    metrics = _mapping(heard(row.metrics))
    if row.seconds > 0 and row.status.is_terminal:
        metrics.setdefault("duration_ms", round(row.seconds * 1000, 6))
    return metrics


def error_of(row: StepRow) -> dict[str, Any]:
    """A row that went wrong, as `get_recent_errors` lists it."""
    return {
        "doc_id": row.item,
        "step_name": row.step,
        "status": str(row.status),
        "error_message": row.error,
        "timestamp": from_seconds(row.at),
        "details": _mapping(heard(row.details)),
    }


def recent(
    store: StepStore, statuses: tuple[ProcessingStatus, ...], since: float, run: str | None, limit: int | None
) -> list[StepRow]:
    """Steps with one of these statuses since then, the newest first; of one run where it is named."""
    since -= HALF_MICROSECOND  # as a datetime has it, see is_in_time
    if run is None:
        return store.recent_steps(statuses, since, limit=limit)
    kept: list[StepRow] = []
    for row in _newest_first(store, statuses, since, lambda row: row.run == run):
        if limit is not None and len(kept) >= limit:
            break
        kept.append(row)
    return kept


def _newest_first(
    store: StepStore, statuses: tuple[ProcessingStatus, ...], since: float, is_wanted: Callable[[StepRow], bool]
) -> Iterator[StepRow]:
    """By the page, each up to the time of the last row before; rows of that very time are told apart by their seq."""
    until: float | None = None
    seen: set[int] = set()
    page = PAGE
    while True:
        rows = store.recent_steps(statuses, since, until=until, limit=page)
        fresh = [row for row in rows if row.seq not in seen]
        yield from filter(is_wanted, fresh)
        if len(rows) < page:
            return
        if rows[-1].at == rows[0].at:
            page *= 2
        until = rows[-1].at
        seen = {row.seq for row in rows if row.at == until}


def _mapping(value: object) -> dict[str, Any]:
    """Details are a dict to who reads them; what was given in another shape stands under "value"."""
    return dict(value) if isinstance(value, Mapping) else {"value": value}
