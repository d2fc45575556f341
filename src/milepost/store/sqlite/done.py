"""Finding done items by digest, through an index that follows the steps in sorted portions.

Digests come in random order, and an index kept with every row would write a page for each. What the index does not
know yet is kept in memory by who asks. Items that are named by their digest are not in it: their name is indexed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import apsw

from milepost.store.sqlite import blocks
from milepost.store.sqlite.queries import fetch, number

LEAST, MOST = 3, 15  # blocks in a portion
CHECK_EVERY = 5_000

TAIL = "SELECT key, digest, seq FROM steps WHERE seq > ? AND seq <= ? AND status IN (2, 3) AND digest > x''"
INDEX = """
INSERT OR IGNORE INTO done_items (key, digest, seq)
SELECT key, digest, seq FROM steps
WHERE seq > ?1 AND seq <= ?2 AND status IN (2, 3) AND digest > x'' ORDER BY key, digest  -- an integer is less
"""
FORGET = """
DELETE FROM done_items WHERE (key, digest, seq) IN (SELECT key, digest, seq FROM steps {which})
"""
# Deleted steps may be followed by others with the same seqs.
SEQS_MAY_COME_AGAIN = """
UPDATE meta
SET drops = drops + 1, indexed_seq = min(indexed_seq, coalesce((SELECT max(seq) FROM steps), 0) / ?1 * ?1)
"""
HAS_KEY = "SELECT EXISTS (SELECT 1 FROM done_items WHERE key = ?)"
# Driven by the digests, and in the order of seq for each: twice as fast as `IN` and `GROUP BY`.
FIND = """
SELECT asked.value, done_items.seq FROM carray(?) AS asked
CROSS JOIN done_items ON done_items.key = ? AND done_items.digest = asked.value
"""


class Tail:
    """The done steps that the index does not know yet, as this process last saw them."""

    def __init__(self) -> None:
        self._marks: tuple[int, int] | None = None
        self._read_to = 0
        self._seqs: defaultdict[int, dict[bytes, int]] = defaultdict(dict)  # by key and digest

    def find(self, connection: apsw.Connection, key: int, digests: Sequence[bytes]) -> list[int]:
        """The newest seq of each done step with this key and one of these digests, sorted; in a transaction."""
        self._follow(connection)
        if not digests:
            return []
        newest: dict[bytes, int] = {}
        if number(connection, HAS_KEY, (key,)):
            newest.update(cast("list[tuple[bytes, int]]", fetch(connection, FIND, (apsw.carray(tuple(digests)), key))))
        recent = self._seqs.get(key, {})
        newest.update((digest, recent[digest]) for digest in digests if digest in recent)
        return sorted(newest.values())

    def _follow(self, connection: apsw.Connection) -> None:
        now = blocks.marks(connection)
        if (now.indexed, now.drops) != self._marks:
            self._marks, self._read_to = (now.indexed, now.drops), now.indexed
            self._seqs.clear()
        unread = (self._read_to, now.newest)
        for key, digest, seq in cast("list[tuple[int, bytes, int]]", fetch(connection, TAIL, unread)):
            self._seqs[key][digest] = seq
        self._read_to = max(self._read_to, now.newest)


def index_portion(connection: apsw.Connection) -> bool:
    """Index and count one portion of steps inside the open transaction; whether another one is waiting."""
    now = blocks.marks(connection)
    waiting = (now.newest - now.indexed) // blocks.BLOCK
    if waiting < LEAST:
        return False
    end = now.indexed + min(waiting, MOST) * blocks.BLOCK
    connection.execute(INDEX, (now.indexed, end))
    blocks.fill(connection, now.indexed, end)
    connection.execute("UPDATE meta SET indexed_seq = ?", (end,))
    return waiting - MOST >= LEAST
