"""What went wrong lately, in any run: attempts that failed, grouped by the type and shape of their message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from milepost.model.rows import RunRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.protocol import Store
from milepost.views.items import FAILED, error_family
from milepost.views.view import View, utc

PAGE = 5_000  # attempts read at once
MOST_NAMED = 5  # steps and runs of a group
_TYPE = re.compile(r"([A-Za-z_][\w.]*)(?::\s|$)")


class ErrorGroup(View, frozen=True, kw_only=True):
    """Attempts that failed alike. `kind` is the exception's type, "" for a message without one; `message` the newest.

    `items` names a few, the newest first; `runs` by name, "" for documents outside of runs. `more`: which of steps,
    runs and items are not all of them.
    """

    kind: str
    shape: str
    message: str
    count: int
    statuses: dict[str, int]
    first_at: datetime
    last_at: datetime
    steps: tuple[str, ...]
    runs: tuple[str, ...]
    items: tuple[str, ...]
    more: tuple[str, ...] = ()


class _Gathering:
    """A group while it grows; the newest attempt comes first."""

    def __init__(self, kind: str, shape: str, newest: StepRow) -> None:
        self.kind = kind
        self.shape = shape
        self.newest = self.oldest = newest
        self.statuses: dict[str, int] = {}
        self.steps: dict[str, None] = {}
        self.runs: dict[str, None] = {}
        self.items: dict[str, None] = {}
        self.more: dict[str, None] = {}

    def add(self, row: StepRow, examples: int) -> None:
        self.oldest = row
        self.statuses[row.status.value] = self.statuses.get(row.status.value, 0) + 1
        for what, known, name, most in (
            ("steps", self.steps, row.step, MOST_NAMED),
            ("runs", self.runs, row.run, MOST_NAMED),
            ("items", self.items, row.item, examples),
        ):
            if len(known) < most:
                known[name] = None
            elif name not in known:
                self.more[what] = None


def list_errors(
    store: Store,
    *,
    since: float,
    until: float | None = None,
    run: str | None = None,
    step: str | None = None,
    warnings: bool = False,
    examples: int = 3,
) -> list[ErrorGroup]:
    """The groups, the commonest first. Times are UTC epoch seconds; memory grows with the groups alone."""
    statuses = (*FAILED, ProcessingStatus.WARNING) if warnings else FAILED
    groups: dict[tuple[str, str], _Gathering] = {}
    for row in _attempts(store, statuses, since, until):
        if (run is not None and row.run != run) or (step is not None and row.step != step):
            continue
        kind, shape = _kind_and_shape(row.error)
        group = groups.get((kind, shape))
        if group is None:
            group = groups[kind, shape] = _Gathering(kind, shape, row)
        group.add(row, examples)
    names = _names(store, {run for group in groups.values() for run in group.runs})
    return sorted((_group(group, names) for group in groups.values()), key=lambda group: -group.count)


def _attempts(
    store: Store, statuses: Sequence[ProcessingStatus], since: float, until: float | None
) -> Iterator[StepRow]:
    """The newest first, a page at a time; several may have one time, so that a page begins where the last ended."""
    seen: set[int] = set()
    limit = PAGE
    while True:
        page = store.recent_steps(statuses, since, until=until, limit=limit)
        fresh = [row for row in page if row.seq not in seen]
        yield from fresh
        if len(page) < limit:
            return
        last = page[-1].at
        if last == until and not fresh:
            limit *= 2  # more attempts of one time than a page holds
        until, seen = last, {row.seq for row in page if row.at == last} | (seen if last == until else set())


def _kind_and_shape(error: str | None) -> tuple[str, str]:
    """The type that stands before the message, and the message without what differs from one to the next."""
    shape = error_family(error)
    found = _TYPE.match(shape)
    if found is None or not (found[1][:1].isupper() or "." in found[1]):
        return "", shape
    return found[1], shape[found.end() :]


def _group(group: _Gathering, names: dict[str, str]) -> ErrorGroup:
    first, last = utc(group.oldest.at), utc(group.newest.at)
    assert first is not None
    assert last is not None
    return ErrorGroup(
        kind=group.kind,
        shape=group.shape,
        message=group.newest.error or "failed without a message",
        count=sum(group.statuses.values()),
        statuses=group.statuses,
        first_at=first,
        last_at=last,
        steps=tuple(group.steps),
        runs=tuple(names.get(run, run) for run in group.runs),
        items=tuple(group.items),
        more=tuple(group.more),
    )


def _names(store: Store, runs: set[str]) -> dict[str, str]:
    wanted = sorted(runs - {""})
    return {row.id: row.name for row in store.rows(RunRow, id=wanted)} if wanted else {}
