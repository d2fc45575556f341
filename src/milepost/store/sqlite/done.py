"""Finding done items by digest, through an index that follows the steps in sorted portions.

Digests come in random order, and an index kept with every row would write a page for each. What the index does not
know yet is kept in memory by who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import apsw

from milepost.store.sqlite.queries import fetch, number

PORTION = 20_000  # steps
CHECK_EVERY = 5_000

MARKS = "SELECT indexed_seq, drops FROM meta"
UNINDEXED = "SELECT (SELECT max(seq) FROM steps) - indexed_seq FROM meta"
TAIL = "SELECT seq, key, digest, status FROM steps WHERE seq > ?"
INDEX = """
INSERT OR IGNORE INTO done_items (key, digest, seq)
SELECT key, digest, seq FROM steps
WHERE seq > ?1 AND seq <= ?2 AND status IN (2, 3) AND digest <> x'' ORDER BY key, digest
"""
FORGET = """
DELETE FROM done_items WHERE (key, digest, seq) IN (SELECT key, digest, seq FROM steps WHERE {condition})
"""
# Deleted steps may be followed by others with the same seqs.
SEQS_MAY_COME_AGAIN = """
UPDATE meta SET drops = drops + 1, indexed_seq = min(indexed_seq, coalesce((SELECT max(seq) FROM steps), 0))
"""
FIND = "SELECT max(seq) FROM done_items WHERE key = ? AND digest IN carray(?) GROUP BY digest"


class Tail:
    """The done steps that the index does not know yet, as this process last saw them."""

    def __init__(self) -> None:
        self._marks: tuple[int, int] | None = None
        self._read_to = 0
        self._seqs: dict[tuple[int, bytes], int] = {}

    def find(self, connection: apsw.Connection, key: int, digests: Sequence[bytes]) -> list[int]:
        """The newest seqs, at most two of each, of done steps with this key and these digests; in a transaction."""
        self._follow(connection)
        if not digests:
            return []
        found = [self._seqs[key, digest] for digest in digests if (key, digest) in self._seqs]
        found.extend(cast(int, row[0]) for row in fetch(connection, FIND, (key, apsw.carray(tuple(digests)))))
        found.sort()
        return found

    def _follow(self, connection: apsw.Connection) -> None:
        marks = cast("tuple[int, int]", fetch(connection, MARKS)[0])
        if marks != self._marks:
            self._marks, self._read_to = marks, marks[0]
            self._seqs.clear()
        for seq, key, digest, status in cast(
            "list[tuple[int, int, bytes, int]]", fetch(connection, TAIL, (self._read_to,))
        ):
            if status in (2, 3) and digest:
                self._seqs[key, digest] = seq
            self._read_to = seq


def index_portion(connection: apsw.Connection) -> bool:
    """Index one portion of steps inside the open transaction; whether another one is waiting."""
    unindexed = number(connection, UNINDEXED)
    if unindexed < PORTION:
        return False
    start = number(connection, "SELECT indexed_seq FROM meta")
    end = start + min(unindexed, 5 * PORTION)
    connection.execute(INDEX, (start, end))
    connection.execute("UPDATE meta SET indexed_seq = ?", (end,))
    return bool(unindexed - (end - start) >= PORTION)
