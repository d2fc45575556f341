"""The items of a run: a page of the ledger, and failures grouped by what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.protocol import Standing, Store
from milepost.views.view import View, utc

FAILED = (ProcessingStatus.ERROR, ProcessingStatus.FAILED)


class ItemView(View, frozen=True, kw_only=True):
    """The latest known attempt of one item at one step."""

    seq: int
    stage: str
    item: str
    attempt: int
    status: ProcessingStatus
    seconds: float
    error: str | None
    at: datetime | None


class FailureGroup(View, frozen=True, kw_only=True):
    """Items of one stage that failed in the same way. `items` names the first few."""

    stage: str
    error: str
    count: int
    items: tuple[str, ...]


def list_items(
    store: Store,
    run: str,
    *,
    stage: str | None = None,
    status: Sequence[ProcessingStatus] | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[ItemView]:
    """A page of attempts in the order they were recorded; the next page begins `after` the last one's `seq`.

    An attempt that a later one replaced is left out: a failure that was retried well is none. So is the beginning of
    one that is over.
    """
    equal: dict[str, Any] = {"run": run}
    if stage is not None:
        equal["step"] = stage
    if status is not None:
        equal["status"] = tuple(status)
    found: list[ItemView] = []
    while len(found) < limit:
        page = store.rows(StepRow, after=after, limit=limit, **equal)
        found += [_item(row) for row in last_attempts(store, run, page)]
        if len(page) < limit:
            break
        after = page[-1].seq
    return found[:limit]


def has_steps_of_no_run(store: Store) -> bool:
    """Whether programs recorded documents outside of runs."""
    return store.get(StepRow, run="") is not None


def group_failures(store: Store, run: str, *, stage: str | None = None, examples: int = 3) -> list[FailureGroup]:
    """What went wrong, the commonest first; errors that differ only in figures or quoted names are one group."""
    groups: dict[tuple[str, str], list[ItemView]] = {}
    after = 0
    while page := list_items(store, run, stage=stage, status=FAILED, after=after, limit=1000):
        for item in page:
            groups.setdefault((item.stage, error_family(item.error)), []).append(item)
        after = page[-1].seq
    return [
        FailureGroup(
            stage=where,
            error=items[0].error or "failed without a message",
            count=len(items),
            items=tuple(item.item for item in items[:examples]),
        )
        for (where, _), items in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def error_family(error: str | None) -> str:
    """An error's text with its figures and quoted names taken out, and that it was the last attempt.

    Example:
        >>> error_family("given up after 3 attempts: ValueError: row 17 has no 'price'")
        'ValueError: row # has no …'
    """
    import re

    text = (error or "").splitlines()[0] if error else ""
    text = re.sub(r"^given up after \d+ attempts?: |;? \(?given up after \d+ (?:attempts|times)\)?$", "", text)
    text = text.removesuffix(" (not tried again: the loop had come to its end)")
    return re.sub(r"0x[0-9a-fA-F]+|\d+(\.\d+)?", "#", re.sub(r"'[^']*'|\"[^\"]*\"", "…", text))


def last_attempts(store: Store, run: str, page: Sequence[StepRow]) -> list[StepRow]:
    """Of these attempts, those that are the last of their item, as far as it came."""
    kept: list[StepRow] = []
    for step in {row.step for row in page}:
        rows = [row for row in page if row.step == step]
        furthest = store.standings(run, step, [row.item for row in rows])
        kept += [row for row in rows if _is_furthest(row, furthest.get(row.item))]
    return sorted(kept, key=lambda row: row.seq)


def _is_furthest(row: StepRow, standing: Standing | None) -> bool:
    """Whether no later attempt, and no later phase of this one, is recorded."""
    if standing is None:
        return True
    return (row.attempt, row.status.phase) >= (standing.attempt, standing.status.phase)


def _item(row: StepRow) -> ItemView:
    return ItemView(
        seq=row.seq,
        stage=row.step,
        item=row.item,
        attempt=row.attempt,
        status=row.status,
        seconds=row.seconds,
        error=row.error,
        at=utc(row.at),
    )
