"""Steps of a run by name and status: who asks again, as a live table does, has only those since counted."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import apsw

from milepost.store.sqlite import blocks
from milepost.store.sqlite.blocks import Counted

# What a later attempt, or the end of the same one, replaced; only items with more than one row are looked at.
SUPERSEDED = """
SELECT old.step, old.status, count(*)
FROM (SELECT DISTINCT run, step, item FROM steps INDEXED BY steps_more
      WHERE run = ? AND (attempt <> 1 OR status < 2)) AS more
JOIN steps AS old USING (run, step, item)
WHERE EXISTS (SELECT 1 FROM steps AS new
              WHERE new.item = old.item AND new.step = old.step AND new.run = old.run
                AND (new.attempt, min(new.status, 2)) > (old.attempt, min(old.status, 2)))
GROUP BY old.step, old.status
"""


class _Seen(NamedTuple):
    drops: int  # while it stays, recorded steps stay and seqs grow
    seq: int
    counted: Counted


class Counts:
    """What this process has counted. A thread that comes in between counts the same again, to the same end."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def of(self, connection: apsw.Connection, run: int) -> Counted:
        """Items by step and the status of their last attempt; in a transaction."""
        counts = Counter(self._attempts(connection, run))
        counts.subtract(blocks.by_kind(connection, SUPERSEDED, (run,)))
        return {which: count for which, count in counts.items() if count}

    def _attempts(self, connection: apsw.Connection, run: int) -> Counted:
        now = blocks.marks(connection)
        seen = self._seen.get(run)
        if seen is None or seen.drops != now.drops:
            seen = _Seen(now.drops, 0, {})
        counts = Counter(seen.counted)
        counts.update(blocks.counted(connection, "run = ?", (run,), after=seen.seq))
        self._seen[run] = _Seen(now.drops, now.newest, counts)
        return counts
