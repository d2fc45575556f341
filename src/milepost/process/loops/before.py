"""What the ledger knows of the items of a loop, asked for many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from milepost.model.deaths import is_set_aside
from milepost.model.rows import StepRow
from milepost.process.loops.ahead import Ahead
from milepost.store.protocol import Store


class Known(NamedTuple):
    """One item as earlier sessions left it."""

    attempts: int = 0  # in this run
    is_done: bool = False
    is_set_aside: bool = False


FRESH = Known()


class Before:
    """Questions about one step of one run; `ever`: what other runs of that name did counts too."""

    def __init__(self, store: Store, run: str, step: str, key: str, *, ever: bool, retries_all: bool) -> None:
        self._store = store
        self._run = run
        self._step = step
        self._key = key
        self._ever = ever and store.may_have_items(key)
        self._retries_all = retries_all
        self._has_rows = store.get(StepRow, run=run, step=step) is not None
        self._ahead = Ahead(store, run, step, self._rows)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be found, so that nobody need ask."""
        return not (self._has_rows or self._ever)

    def look(self, items: Sequence[tuple[str, bytes]]) -> list[Known]:
        """What is known of each of these (item key, digest); at most 1,000."""
        one = items[0][0]  # of a source that may wait, each comes alone
        rows = {one: self._ahead.take(one)} if len(items) == 1 else self._rows([item for item, _ in items])
        known = [self._known(rows.get(item, []), digest) for item, digest in items]
        if not self._ever:
            return known
        open_ones = [digest for (_, digest), one in zip(items, known, strict=True) if not one.is_done]
        found = self._store.find_items(self._key, open_ones) if open_ones else {}
        return [
            one._replace(is_done=True, is_set_aside=False) if digest in found else one
            for (_, digest), one in zip(items, known, strict=True)
        ]

    def _rows(self, items: Sequence[str]) -> dict[str, list[StepRow]]:
        groups: dict[str, list[StepRow]] = {}
        if self._has_rows:
            for row in self._store.rows(StepRow, run=self._run, step=self._step, item=items):
                groups.setdefault(row.item, []).append(row)
        return groups

    def _known(self, rows: list[StepRow], digest: bytes) -> Known:
        if not rows:
            return FRESH
        last = max(rows, key=lambda row: (row.attempt, row.status.phase))
        is_same = last.digest == digest
        return Known(
            attempts=last.attempt,
            is_done=is_same and last.status.is_done,
            is_set_aside=is_same and is_set_aside(last) and not self._retries_all,
        )
