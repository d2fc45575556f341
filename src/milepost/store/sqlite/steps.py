"""The steps, which are many: their own statements and a conversion that costs little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import apsw
from blake3 import blake3

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.digests import row_digest
from milepost.store.kinds import DONE
from milepost.store.sqlite.columns import (
    Cell,
    from_integer,
    from_real,
    from_text,
    page,
    text_cell,
    to_cell,
    where,
)
from milepost.store.sqlite.done import FORGET, SEQS_MAY_COME_AGAIN, Tail
from milepost.store.sqlite.queries import fetch, snapshot
from milepost.store.sqlite.words import Words

LONGEST_ITEM = 200  # characters; the index holds a hash of those beyond it
STATUSES = tuple(ProcessingStatus)
CODES: Mapping[ProcessingStatus, int] = {status: code for code, status in enumerate(STATUSES)}
NAN = float("nan")

INSERT = """
INSERT INTO steps (run, step, item, attempt, status, key, digest, row_digest, seconds, at, address, error, result,
                   long_item)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
SELECT = """
SELECT seq, run, step, coalesce(long_item, item), attempt, status, key, digest, row_digest, seconds, at, address,
       error, result
FROM steps
"""
WORDS = (1, 2, 6)  # where SELECT has run, step and key
LAST_ATTEMPT = "SELECT max(attempt) FROM steps WHERE item = ? AND step = ? AND run = ?"
COUNT = "SELECT step, status, count(*) FROM steps INDEXED BY steps_of_run WHERE run = ? GROUP BY step, status"
# What a later attempt replaced; only items that were tried again are looked at.
SUPERSEDED = """
SELECT old.step, old.status, count(*)
FROM (SELECT DISTINCT run, step, item FROM steps INDEXED BY steps_again WHERE run = ? AND attempt <> 1) AS again
JOIN steps AS old USING (run, step, item)
WHERE old.attempt < (SELECT max(attempt) FROM steps AS new
                     WHERE new.item = old.item AND new.step = old.step AND new.run = old.run)
GROUP BY old.step, old.status
"""

Encoded = tuple[str, str, str, tuple[Cell, ...]]


def encode(row: StepRow) -> Encoded:
    """The words of a row (run, step, key) and its other cells, the digest among them."""
    seconds, at = _plain(row.seconds), _plain(row.at)
    code = CODES[row.status]
    digest = row_digest(
        (row.run, row.step, row.item, row.attempt, code, row.key, row.digest, seconds, at, row.address, row.error,
         row.result)
    )  # fmt: skip
    item, long_item = item_cells(row.item)
    return (row.run, row.step, row.key, (
        item, to_cell(row.attempt), code, row.digest, digest, to_cell(seconds), to_cell(at), to_cell(row.address),
        to_cell(row.error), row.result, long_item,
    ))  # fmt: skip


def with_words(encoded: Iterable[Encoded], numbers: Mapping[str, int]) -> list[tuple[Cell, ...]]:
    """What INSERT binds."""
    return [(numbers[run], numbers[step], *cells[:3], numbers[key], *cells[3:]) for run, step, key, cells in encoded]


def decode(cells: Sequence[Cell], texts: Mapping[int, str]) -> tuple[StepRow, bool]:
    """The row, and whether it is what was written."""
    seq, run, step, item, attempt, status, key, digest, stored, seconds, at, address, error, result = cells
    row = StepRow(
        seq=cast(int, seq),
        run=texts.get(cast(int, run), ""),
        step=texts.get(cast(int, step), ""),
        item=from_text(cast(str, item)),
        attempt=from_integer(cast(int, attempt)),
        status=STATUSES[cast(int, status)],
        key=texts.get(cast(int, key), ""),
        digest=cast(bytes, digest),
        result=cast("bytes | None", result),
        address=None if address is None else from_text(cast(str, address)),
        error=None if error is None else from_text(cast(str, error)),
        seconds=from_real(cast(float, seconds)),
        at=from_real(cast(float, at)),
    )
    said = row_digest(
        (row.run, row.step, row.item, row.attempt, status, row.key, digest, row.seconds, row.at, row.address, row.error,
         result)
    )  # fmt: skip
    return row, said == stored


def item_cells(item: str) -> tuple[Cell, Cell]:
    """What the index holds for an item key, and the whole of a long one."""
    if len(item) <= LONGEST_ITEM:
        return text_cell(item), None
    whole = item.encode("utf-8", "surrogatepass")
    return b"\xff" + blake3(whole).digest(), text_cell(item)


class Found(NamedTuple):
    """What was read at a seq: None where it cannot be made out, and whether it is what was written."""

    seq: int
    row: StepRow | None
    is_whole: bool


class Steps:
    """Questions about steps, asked on a connection that the caller holds."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._tail = Tail()

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
        condition, bound = self._where(connection, equal)
        end = page(condition, order="seq", after=after, limit=limit, newest=newest)
        return [found.row for found in self.read(connection, end, bound) if found.row is not None]

    def read(self, connection: apsw.Connection, end: str, bound: Sequence[Cell]) -> list[Found]:
        """The steps that the end of a SELECT names, each with whether it is what was written."""
        try:
            rows = fetch(connection, f"{SELECT} {end}", bound)
        except UnicodeDecodeError:  # a text that is damaged keeps the whole answer back: one by one
            seqs = fetch(connection, f"SELECT seq FROM steps {end}", bound)
            rows = [cells for (seq,) in seqs for cells in _readable(connection, seq)]
        self._words.learn(connection, {cells[place] for cells in rows for place in WORDS if len(cells) > 1})
        texts = self._words.texts()
        return [_found(cells, texts) for cells in rows]

    def find_items(self, connection: apsw.Connection, key: str, digests: Sequence[bytes]) -> dict[bytes, StepRow]:
        """Of these item digests, the newest done and undamaged step of each."""
        wanted = {digest for digest in digests if digest}
        with snapshot(connection):
            seqs = self._tail.find(connection, self._words.number(connection, key), list(wanted))
            marks = ", ".join("?" * len(seqs))
            read = self.read(connection, f"WHERE seq IN ({marks}) ORDER BY seq", seqs)
        whole = [found.row for found in read if found.row is not None and found.is_whole]
        return {row.digest: row for row in whole if row.key == key and row.digest in wanted and row.status in DONE}

    def last_attempts(self, connection: apsw.Connection, run: str, step: str, items: Sequence[str]) -> dict[str, int]:
        """The highest attempt of each item that has one."""
        numbers = (self._words.number(connection, step), self._words.number(connection, run))
        last = {item: fetch(connection, LAST_ATTEMPT, (item_cells(item)[0], *numbers))[0][0] for item in items}
        return {item: from_integer(cast(int, attempt)) for item, attempt in last.items() if attempt is not None}

    def count(self, connection: apsw.Connection, run: str) -> dict[tuple[str, ProcessingStatus], int]:
        """Items per step and status of their last attempt."""
        with snapshot(connection):
            run_number = self._words.number(connection, run)
            counts = Counter({row[:2]: cast(int, row[2]) for row in fetch(connection, COUNT, (run_number,))})
            counts.subtract({row[:2]: cast(int, row[2]) for row in fetch(connection, SUPERSEDED, (run_number,))})
            self._words.learn(connection, {which[0] for which in counts})
        texts = self._words.texts()
        return {(texts[cast(int, n)], STATUSES[cast(int, code)]): count for (n, code), count in counts.items() if count}

    def delete(self, connection: apsw.Connection, equal: Mapping[str, object]) -> int:
        """Delete steps inside the open transaction; how many."""
        condition, bound = self._where(connection, equal)
        connection.execute("UPDATE meta SET is_dropping = 1")
        connection.execute(FORGET.format(condition=condition), bound)
        connection.execute(f"DELETE FROM steps WHERE {condition}", bound)
        deleted = connection.changes()
        connection.execute("UPDATE meta SET is_dropping = 0")
        connection.execute(SEQS_MAY_COME_AGAIN)
        return deleted

    def _where(self, connection: apsw.Connection, equal: Mapping[str, object]) -> tuple[str, list[Cell]]:
        def cell(column: str, value: object) -> Cell:
            if column in ("run", "step", "key"):
                return self._words.number(connection, cast(str, value))
            if column == "item":
                return item_cells(cast(str, value))[0]
            return CODES[ProcessingStatus(cast(str, value))] if column == "status" else to_cell(value)

        return where(equal, cell)


def _readable(connection: apsw.Connection, seq: Cell) -> list[tuple[Cell, ...]]:
    try:
        return fetch(connection, f"{SELECT} WHERE seq = ?", (seq,))
    except UnicodeDecodeError:
        return [(seq,)]


def _found(cells: Sequence[Cell], texts: Mapping[int, str]) -> Found:
    try:
        row, is_whole = decode(cells, texts)
    except (ValueError, TypeError, LookupError):  # a flipped bit can make anything of a cell
        return Found(cast(int, cells[0]), None, False)
    return Found(row.seq, row, is_whole)


def _plain(number: float) -> float:
    """The float as it comes back: one zero, one NaN."""
    return (float(number) + 0.0) if number == number else NAN
