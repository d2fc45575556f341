"""The questions about steps, which are many: their own statements, each with the index that answers it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from typing import cast

import apsw

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.kinds import DONE
from milepost.store.protocol import Standing
from milepost.store.sqlite import blocks
from milepost.store.sqlite.columns import Cell, from_integer, from_real, ordered, to_cell, where
from milepost.store.sqlite.counts import Counts
from milepost.store.sqlite.done import FORGET, SEQS_MAY_COME_AGAIN, Tail
from milepost.store.sqlite.queries import fetch, snapshot
from milepost.store.sqlite.standing import standings
from milepost.store.sqlite.step_cells import CODES, HEX, SAME, STATUSES, Found, decode, item_cells
from milepost.store.sqlite.words import UNKNOWN, Words

SELECT = """
SELECT seq, run, step, coalesce(long_item, item), attempt, status, key, digest, row_digest, seconds, at, address,
       error, result, details, metrics
FROM steps
"""
NAMED_BY_DIGEST = f"""
INDEXED BY steps_once WHERE item IN carray(?) AND key = ? AND status IN (2, 3) AND digest = {SAME}
"""
WRITTEN = {"digest": f"CASE digest WHEN {SAME} THEN substr(item, 2) ELSE digest END"}
WORDS = (1, 2, 6)  # where SELECT has run, step and key
LAST_ATTEMPT = "SELECT max(attempt) FROM steps WHERE item = ? AND step = ? AND run = ?"


TROUBLED = frozenset({ProcessingStatus.WARNING, ProcessingStatus.ERROR, ProcessingStatus.FAILED})
INFINITE = float("inf")
IS_TROUBLED = "status > 2 AND status < 6"  # in the words of the index, which SQLite has to see to take it
TROUBLES = f"""
SELECT status, count(*) FROM steps INDEXED BY steps_troubled WHERE {IS_TROUBLED} AND at >= ? GROUP BY status
"""
AT = "SELECT at FROM steps WHERE seq >= ? ORDER BY seq LIMIT 1"
BORDERS = """
SELECT coalesce((SELECT min(seq) FROM steps), 1), coalesce((SELECT max(seq) FROM steps), 0)  -- in one they scan all
"""
DELETED_AT_ONCE = 4 * blocks.BLOCK  # less than a second, in which nobody else can write

Portion = tuple[str, list[Cell]]  # a condition on steps, and what it binds


class Steps:
    """Questions about steps, asked on a connection that the caller holds."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._tail = Tail()
        self._counts = Counts()

    def select(
        self,
        connection: apsw.Connection,
        equal: Mapping[str, object],
        *,
        after: int,
        limit: int | None,
        newest: bool,
    ) -> list[StepRow]:
        """The steps whose columns equal these."""
        found: list[StepRow] = []
        with snapshot(connection):
            for which, bound in self._portions(connection, equal, after=after, newest=newest):
                rest = None if limit is None else limit - len(found)
                end = which + ordered("seq", limit=rest, newest=newest)
                found += [row for _, row, _ in self.read(connection, end, bound) if row is not None]
                if len(found) == limit:
                    break
        return found

    def read(self, connection: apsw.Connection, end: str, bound: Sequence[object]) -> list[Found]:
        """The steps that the end of a SELECT names, each with whether it is what was written."""
        try:
            rows = fetch(connection, f"{SELECT} {end}", bound)
        except UnicodeDecodeError:  # a text that is damaged keeps the whole answer back: one by one
            seqs = fetch(connection, f"SELECT seq FROM steps {end}", bound)
            rows = [cells for (seq,) in seqs for cells in _readable(connection, seq)]
        for place in WORDS:
            self._words.learn(connection, {cells[place] for cells in rows if cells[1:]})
        texts = self._words.texts()
        return [decode(cells, texts) for cells in rows]

    def find_items(self, connection: apsw.Connection, key: str, digests: Sequence[bytes]) -> dict[bytes, StepRow]:
        """Of these item digests, the newest done and undamaged step of each."""
        wanted = {digest for digest in digests if digest}
        with snapshot(connection):
            number = self._words.number(connection, key)
            read = self._named_by(connection, number, wanted)
            read += self._at(connection, self._tail.find(connection, number, list(wanted)))
        read.sort(key=lambda found: found[0])
        whole = [row for _, row, is_whole in read if row is not None and is_whole]
        return {row.digest: row for row in whole if row.key == key and row.digest in wanted and row.status in DONE}

    def _named_by(self, connection: apsw.Connection, key: int, digests: Set[bytes]) -> list[Found]:
        if not digests:
            return []
        names = apsw.carray(tuple([HEX + digest for digest in digests]))
        return self.read(connection, NAMED_BY_DIGEST, (names, key))

    def _at(self, connection: apsw.Connection, seqs: Sequence[int]) -> list[Found]:
        if not seqs:
            return []
        several = apsw.carray(array("q", seqs), flags=apsw.SQLITE_CARRAY_INT64)
        return self.read(connection, "WHERE seq IN carray(?) ORDER BY seq", (several,))

    def last_attempts(self, connection: apsw.Connection, run: str, step: str, items: Sequence[str]) -> dict[str, int]:
        """The highest attempt of each item that has one."""
        numbers = (self._words.number(connection, step), self._words.number(connection, run))
        last = {item: fetch(connection, LAST_ATTEMPT, (item_cells(item)[0], *numbers))[0][0] for item in items}
        return {item: from_integer(cast(int, attempt)) for item, attempt in last.items() if attempt is not None}

    def standings(self, connection: apsw.Connection, run: str, step: str, items: Sequence[str]) -> dict[str, Standing]:
        """The furthest row of each item that has one."""
        of = (self._words.number(connection, step), self._words.number(connection, run))
        return {} if UNKNOWN in of else standings(connection, *of, items)

    def recent(
        self,
        connection: apsw.Connection,
        statuses: Sequence[ProcessingStatus],
        since: float,
        until: float | None,
        limit: int | None,
    ) -> list[StepRow]:
        """Steps with these statuses in this time, the newest first."""
        if not statuses:
            return []
        codes = ", ".join(str(CODES[status]) for status in statuses)
        end = f"status IN ({codes}) AND at >= ? AND at <= ? ORDER BY at DESC, seq DESC LIMIT ?"
        is_indexed = set(statuses) <= TROUBLED
        end = f"INDEXED BY steps_troubled WHERE {IS_TROUBLED} AND {end}" if is_indexed else f"WHERE {end}"
        bound = (since, INFINITE if until is None else until, -1 if limit is None else limit)
        return [row for _, row, _ in self.read(connection, end, bound) if row is not None]

    def outcomes(self, connection: apsw.Connection, since: float) -> dict[ProcessingStatus, int]:
        """Attempts that ended since then: troubled ones by their time, all by where the ledger stood then."""
        with snapshot(connection):
            troubled = cast("list[tuple[int, int]]", fetch(connection, TROUBLES, (since,)))
            over = _over_since(connection, since)
        counts = {STATUSES[code]: count for code, count in troubled}
        well = over - sum(counts.values())
        return counts | ({ProcessingStatus.SUCCESS: well} if well > 0 else {})

    def count(self, connection: apsw.Connection, run: str) -> dict[tuple[str, ProcessingStatus], int]:
        """Items per step and status of their last attempt."""
        with snapshot(connection):
            counts = self._counts.of(connection, self._words.number(connection, run))
            self._words.learn(connection, {step for step, _ in counts})
        texts = self._words.texts()
        return {(texts[step], STATUSES[code]): count for (step, code), count in counts.items()}

    def portions(self, connection: apsw.Connection, equal: Mapping[str, object]) -> list[Portion]:
        """Steps whose columns equal these, in portions that `delete` takes; in a transaction."""
        return list(self._portions(connection, equal, most=DELETED_AT_ONCE))

    def delete(self, connection: apsw.Connection, portion: Portion) -> int:
        """Delete steps inside the open transaction; how many."""
        which, bound = portion
        connection.execute("UPDATE meta SET is_dropping = 1")
        blocks.leave(connection, which, bound)
        connection.execute(FORGET.format(which=which), bound)
        connection.execute(f"DELETE FROM steps {which}", bound)
        deleted = connection.changes()
        connection.execute("UPDATE meta SET is_dropping = 0")
        connection.execute(SEQS_MAY_COME_AGAIN, (blocks.BLOCK,))
        blocks.forget_empty(connection)
        return deleted

    def _portions(
        self,
        connection: apsw.Connection,
        equal: Mapping[str, object],
        *,
        after: int = 0,
        newest: bool = False,
        most: int = blocks.ENDLESS,
    ) -> Iterator[Portion]:
        """The steps whose columns equal these, a portion at a time, of `most` seqs; in a transaction."""
        cell = partial(self._cell, connection)
        condition, bound = where(equal, cell, WRITTEN)
        if equal.get("item") is not None:  # SQLite would rather walk through all of a run for the order
            yield f"INDEXED BY steps_once WHERE {condition} AND seq > ?", [*bound, after]
            return
        counted_by = where({column: value for column, value in equal.items() if column in blocks.COUNTED}, cell)
        for span in blocks.spans(connection, *counted_by, after=after, newest=newest, most=most):
            yield f"NOT INDEXED WHERE {condition} AND seq > ? AND seq <= ?", [*bound, *span]

    def _cell(self, connection: apsw.Connection, column: str, value: object) -> Cell:
        if column in ("run", "step", "key"):
            return self._words.number(connection, cast(str, value))
        if column == "item":
            return item_cells(cast(str, value))[0]
        return CODES[ProcessingStatus(cast(str, value))] if column == "status" else to_cell(value)


def _over_since(connection: apsw.Connection, since: float) -> int:
    """How many steps were recorded since then and are over. Rows come in the order of their times, save late ones."""
    low, newest = cast("tuple[int, int]", fetch(connection, BORDERS)[0])
    high = newest + 1
    while low < high:
        middle = (low + high) // 2
        found = fetch(connection, AT, (middle,))
        if found and from_real(cast(float, found[0][0])) < since:
            low = middle + 1
        else:
            high = middle
    return blocks.total(connection, "status >= 2", after=low - 1)


def _readable(connection: apsw.Connection, seq: Cell) -> list[tuple[Cell, ...]]:
    try:
        return fetch(connection, f"{SELECT} WHERE seq = ?", (seq,))
    except UnicodeDecodeError:
        return [(seq,)]
