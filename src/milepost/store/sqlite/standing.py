"""How far items have come at a step: one probe of the index each, many of them in one statement."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import cast

import apsw

from milepost.store.protocol import Standing
from milepost.store.sqlite.columns import Cell, from_integer, from_real
from milepost.store.sqlite.queries import fetch
from milepost.store.sqlite.step_cells import STATUSES, item_cells

PHASE = "CASE WHEN status < 2 THEN status ELSE 2 END"  # as steps_once has it; a function would cost more, also there
FURTHEST = f"""
SELECT attempt, status, at FROM steps WHERE item = ? AND step = ? AND run = ?
ORDER BY attempt DESC, {PHASE} DESC LIMIT 1
"""
FURTHEST_OF_MANY = f"""
SELECT wanted.value, steps.attempt, steps.status, steps.at FROM carray(?) AS wanted JOIN steps ON steps.seq = (
    SELECT seq FROM steps WHERE item = wanted.value AND step = ? AND run = ?
    ORDER BY attempt DESC, {PHASE} DESC LIMIT 1)
"""


def standings(connection: apsw.Connection, step: int, run: int, items: Sequence[str]) -> dict[str, Standing]:
    """The furthest row of each of these items at this step of this run (words.id), where there is one."""
    of_cells = {item_cells(item)[0]: item for item in items}
    found: dict[str, Standing] = {}
    for several in _arrays(tuple(of_cells)):
        for cell, *row in fetch(connection, FURTHEST_OF_MANY, (apsw.carray(several), step, run)):
            found[of_cells.pop(cell)] = _standing(*row)
        for cell in several:
            of_cells.pop(cell, None)
    for cell, item in of_cells.items():
        for known in fetch(connection, FURTHEST, (cell, step, run)):
            found[item] = _standing(*known)
    return found


def _arrays(cells: Collection[Cell]) -> Iterator[tuple[str, ...] | tuple[bytes, ...]]:
    """Those of several cells that an array can hold, which are blobs and C strings."""
    if len(cells) < 2:
        return
    blobs = tuple(cell for cell in cells if isinstance(cell, bytes))
    texts = tuple(cell for cell in cells if isinstance(cell, str) and cell.isascii() and "\0" not in cell)
    if blobs:
        yield blobs
    if texts:
        yield texts


def _standing(attempt: Cell, status: Cell, at: Cell) -> Standing:
    return Standing(
        from_integer(cast("int | bytes", attempt)),
        STATUSES[cast(int, status)],
        from_real(cast("float | str | bytes", at)),
    )
