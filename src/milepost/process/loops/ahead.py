"""What was recorded of items, read in the order in which it was recorded: who asks in that order asks from memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from milepost.model.rows import StepRow
from milepost.store.protocol import Store

PAGE = 1000  # attempts read at once


class Ahead:
    """The attempts of one item after the other, at one step of one run; `rows_of` asks for all of certain items."""

    def __init__(
        self, store: Store, run: str, step: str, rows_of: Callable[[Sequence[str]], dict[str, list[StepRow]]]
    ) -> None:
        self._store = store
        self._run = run
        self._step = step
        self._rows_of = rows_of
        self._page: dict[str, list[StepRow]] = {}
        self._seq = 0
        self._missed = 0  # items that are recorded elsewhere, since the page was read
        self._is_over = False  # nothing is recorded behind the page

    def take(self, item: str) -> list[StepRow]:
        """The attempts at this item."""
        found = self._page.pop(item, None)
        if found is None and len(self._page) <= PAGE // 4 and not self._is_over:
            self._read_on()
            found = self._page.pop(item, None)
        return self._asked(item) if found is None else found

    def _read_on(self) -> None:
        rows = self._store.rows(StepRow, run=self._run, step=self._step, after=self._seq, limit=PAGE)
        self._is_over = not rows
        if rows:
            self._seq = rows[-1].seq
            self._page = self._rows_of(list({row.item: None for row in rows}))
            self._missed = 0

    def _asked(self, item: str) -> list[StepRow]:
        """Of one that does not come in that order; after many of them it is gone on behind the last."""
        is_known = self._store.last_attempts(self._run, self._step, [item])  # a quarter of what asking for rows costs
        rows = self._rows_of([item]).get(item, []) if is_known else []
        if rows:
            self._missed += 1
            if self._missed >= PAGE:
                self._seq, self._page, self._missed, self._is_over = rows[-1].seq, {}, 0, False
        return rows
