"""How far items have come at a step: one probe of the index each, many of them in one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import apsw

from milepost.store.protocol import Standing
from milepost.store.sqlite.columns import Cell, from_integer, from_real
from milepost.store.sqlite.queries import fetch
from milepost.store.sqlite.step_cells import LONGEST_ITEM, STATUSES, item_cells

FURTHEST = """
SELECT attempt, status, at FROM steps WHERE item = ? AND step = ? AND run = ?
ORDER BY attempt DESC, min(status, 2) DESC LIMIT 1
"""
FURTHEST_OF_MANY = """
SELECT wanted.value, steps.attempt, steps.status, steps.at FROM carray(?) AS wanted JOIN steps ON steps.seq = (
    SELECT seq FROM steps WHERE item = wanted.value AND step = ? AND run = ?
    ORDER BY attempt DESC, min(status, 2) DESC LIMIT 1)
"""


def standings(connection: apsw.Connection, step: int, run: int, items: Sequence[str]) -> dict[str, Standing]:
    """The furthest row of each of these items at this step of this run (words.id), where there is one."""
    plain = tuple(item for item in items if _is_plain(item)) if len(items) > 1 else ()
    alone = [item for item in items if not _is_plain(item)] if plain else items
    found = dict(_many(connection, plain, step, run)) if plain else {}
    for item in alone:
        for row in fetch(connection, FURTHEST, (item_cells(item)[0], step, run)):
            found[item] = _standing(*row)
    return found


def _many(connection: apsw.Connection, items: tuple[str, ...], step: int, run: int) -> Iterator[tuple[str, Standing]]:
    for item, *row in fetch(connection, FURTHEST_OF_MANY, (apsw.carray(items), step, run)):
        yield cast(str, item), _standing(*row)


def _is_plain(item: str) -> bool:
    """Whether the index holds the item as it is, and an array of C strings can."""
    return item.isascii() and len(item) <= LONGEST_ITEM and "\0" not in item


def _standing(attempt: Cell, status: Cell, at: Cell) -> Standing:
    return Standing(
        from_integer(cast("int | bytes", attempt)),
        STATUSES[cast(int, status)],
        from_real(cast("float | str | bytes", at)),
    )
