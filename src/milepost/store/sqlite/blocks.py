"""Steps in blocks of 8,192 seqs: which blocks hold steps of a run, and how many of each kind.

An index by run would cost every commit a page. The blocks are counted when they are full; newer steps are read through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import apsw

from milepost.store.sqlite.columns import Cell
from milepost.store.sqlite.queries import fetch, number

BLOCK = 8192  # as the migrations say it
COUNTED = frozenset({"run", "step", "status"})  # the columns that blocks are counted by
ENDLESS = 2**63 - 1

MARKS = "SELECT drops, indexed_seq, coalesce((SELECT max(seq) FROM steps), 0) FROM meta"
FILL = """
INSERT INTO step_counts (run, block, step, status, count)
SELECT run, (seq - 1) / ?3, step, status, count(*) FROM steps WHERE seq > ?1 AND seq <= ?2 GROUP BY 1, 2, 3, 4
"""
LEAVE = """
INSERT INTO step_counts (run, block, step, status, count)
SELECT run, (seq - 1) / ?, step, status, -count(*) FROM steps
{which} AND seq <= (SELECT indexed_seq FROM meta) GROUP BY 1, 2, 3, 4
ON CONFLICT DO UPDATE SET count = count + excluded.count
"""
EMPTY = "DELETE FROM step_counts WHERE count = 0 OR block >= (SELECT indexed_seq FROM meta) / ?"
HOLDING = "SELECT DISTINCT block FROM step_counts WHERE {condition} AND block >= ? ORDER BY block"
SUMS = "SELECT step, status, sum(count) FROM step_counts WHERE {condition} AND block >= ? GROUP BY step, status"
SUM = "SELECT sum(count) FROM step_counts WHERE {condition} AND block >= ?"
TOTAL = "SELECT count(*) FROM steps NOT INDEXED WHERE {condition} AND seq > ? AND seq <= ?"
COUNT = "SELECT step, status, count(*) FROM steps WHERE {condition} AND seq > ? AND seq <= ? GROUP BY step, status"

Counted = Mapping[tuple[int, int], int]  # by step (words.id) and status


class Marks(NamedTuple):
    """How far the ledger has come."""

    drops: int  # while it stays, recorded steps stay and seqs grow
    indexed: int  # blocks up to this seq are counted
    newest: int


class Span(NamedTuple):
    """The steps with `after` < seq <= `to`."""

    after: int
    to: int


def marks(connection: apsw.Connection) -> Marks:
    """The marks of now."""
    return Marks(*cast("tuple[int, int, int]", fetch(connection, MARKS)[0]))


def fill(connection: apsw.Connection, start: int, end: int) -> None:
    """Count the blocks from `start`, where one begins, to `end`, where one ends; in the open transaction."""
    connection.execute(FILL, (start, end, BLOCK))


def leave(connection: apsw.Connection, which: str, bound: Sequence[Cell]) -> None:
    """Take the steps that are about to be deleted out of the counts; in the open transaction."""
    connection.execute(LEAVE.format(which=which), (BLOCK, *bound))


def forget_empty(connection: apsw.Connection) -> None:
    """Forget blocks without steps, and those that are not counted any more; in the open transaction."""
    connection.execute(EMPTY, (BLOCK,))


def spans(
    connection: apsw.Connection,
    condition: str,
    bound: Sequence[Cell],
    *,
    after: int = 0,
    newest: bool = False,
    most: int = ENDLESS,
) -> list[Span]:
    """Where steps that fulfil a condition on COUNTED may be, in order; in a transaction.

    Neighbours are one, up to `most` seqs; where blocks are not counted yet, they are always.
    """
    indexed = marks(connection).indexed
    found = fetch(connection, HOLDING.format(condition=condition), (*bound, after // BLOCK))
    several = [Span(block * BLOCK, (block + 1) * BLOCK) for (block,) in cast("list[tuple[int]]", found)]
    merged = _merged([*several, Span(indexed, ENDLESS)], most)
    clipped = [Span(max(span.after, after), span.to) for span in merged if span.to > after]
    return clipped[::-1] if newest else clipped


def counted(connection: apsw.Connection, condition: str, bound: Sequence[Cell], *, after: int) -> Counted:
    """How many steps of each kind fulfil a condition on COUNTED and are later than `after`; in a transaction."""
    first, uncounted = _uncounted(connection, after)
    counts = Counter(by_kind(connection, SUMS.format(condition=condition), (*bound, first)))
    for span in uncounted:
        counts.update(by_kind(connection, COUNT.format(condition=condition), (*bound, *span)))
    return counts


def total(connection: apsw.Connection, condition: str, *, after: int) -> int:
    """How many steps they are in all, which costs less to know; in a transaction."""
    first, uncounted = _uncounted(connection, after)
    rest = [number(connection, TOTAL.format(condition=condition), span) for span in uncounted]
    return number(connection, SUM.format(condition=condition), (first,)) + sum(rest)


def _uncounted(connection: apsw.Connection, after: int) -> tuple[int, list[Span]]:
    """The first block of which all is later, and where the later steps are that are in no counted one."""
    now = marks(connection)
    border = min(-(-after // BLOCK) * BLOCK, max(now.indexed, after))  # whole blocks begin here
    several = (Span(after, border), Span(max(border, now.indexed), now.newest))
    return border // BLOCK, [span for span in several if span.after < span.to]


def by_kind(connection: apsw.Connection, sql: str, bound: Sequence[Cell]) -> dict[tuple[int, int], int]:
    """What a statement counts by step and status."""
    rows = cast("list[tuple[int, int, int]]", fetch(connection, sql, bound))
    return {(step, status): count for step, status, count in rows}


def _merged(several: Sequence[Span], most: int) -> list[Span]:
    merged: list[Span] = []
    for span in several:
        if merged and merged[-1].to == span.after and span.to - merged[-1].after <= most:
            merged[-1] = Span(merged[-1].after, span.to)
        else:
            merged.append(span)
    return merged
