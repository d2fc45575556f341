"""The store of a workspace on one machine: SQLite with a log, one writer at a time, any number of readers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import apsw

from milepost.errors import StoreBusy, StoreError, StoreFull, WorkspaceError
from milepost.model.rows import ROWS, Row, RunRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.claiming import decide
from milepost.store.kinds import by_kind, check_columns, check_paging
from milepost.store.migrations import latest
from milepost.store.protocol import Claim, Damage, Durability, Fence, R, Standing, Wish
from milepost.store.sqlite import done, filesystem, schema, steps
from milepost.store.sqlite.columns import Cell, from_text, table, text_cell, to_cell, where
from milepost.store.sqlite.connection import Connections, check_library
from milepost.store.sqlite.failures import translated
from milepost.store.sqlite.queries import Batch, fetch, insert, ledger, number, refusal, select
from milepost.store.sqlite.step_cells import INSERT, INSERT_FENCED, INSERT_FRESH, Cells, encode, inserts
from milepost.store.sqlite.words import UNKNOWN, Words
from milepost.store.sqlite.writer import Writer

T = TypeVar("T")

FILE = "ledger.db"
PAGE = 10_000
DAMAGED = "its digest does not match: it is not what was written"


class SqliteStore:
    """Rows in one SQLite file. Survives `kill -9` at any instant; power cuts as `durability` says.

    Example:
        >>> import tempfile
        >>> store = SqliteStore.open(tempfile.mkdtemp())
        >>> store.sync()
        1
        >>> store.close()
    """

    def __init__(self, connections: Connections, *, durability: Durability, uses_log: bool) -> None:
        self.durability = durability
        self._connections = connections
        self._path = connections.path
        self._writer = Writer(connections, durability=durability, uses_log=uses_log)
        self._words = Words()
        self._steps = steps.Steps(self._words)
        self._unchecked = done.CHECK_EVERY  # a session before us may have left steps to index

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        durability: Durability = Durability.GROUP,
        create: bool = True,
        read_only: bool = False,
    ) -> SqliteStore:
        """The ledger at `path` (the file, or the folder of `ledger.db`), made when absent.

        `read_only` takes no lock and changes nothing. Raises WorkspaceError when it is absent, on a network
        file system or open to others; StoreTooNew, StoreDamaged, StoreBusy, StoreFull.
        """
        check_library()
        real = _file(path)
        uses_log = filesystem.allow(real)
        if create and not read_only and not os.path.lexists(real):
            with translated(real):
                filesystem.create(real, schema.make)
        filesystem.refuse_foreign(real)
        connections = Connections(real, read_only=read_only)
        store = cls(connections, durability=durability, uses_log=uses_log)
        try:
            with translated(real):
                store._look_at_schema()
        except BaseException:
            store.close()
            raise
        return store

    def _look_at_schema(self) -> None:
        if not self._connections.read_only:
            self._connections.prepare = self._prepare
            gate = self._connections.writer()
            with gate.lock:
                schema.bring_up(gate.free(), self._path)
            return
        gate = self._connections.reader()
        with gate.lock:
            connection = gate.free()
            schema.refuse_later(connection, latest())
            if schema.version(connection) < latest():
                raise WorkspaceError(f"ledger {self._path} is of an earlier Milepost: open it once for writing")

    def _prepare(self, connection: apsw.Connection) -> None:
        schema.refuse_later(connection, latest())  # before anything is changed in what may not be ours
        self._writer.prepare(connection)

    @property
    def has_unsynced_commits(self) -> bool:
        """Whether this process committed something since its last commit that survives a power cut."""
        return self._writer.has_unsynced_commits

    def write(
        self, rows: Sequence[Row], *, fence: Fence | None = None, durable: bool = False, fresh: bool = False
    ) -> int:
        if len(rows) == 1 and type(rows[0]) is StepRow and not durable and not (fresh and fence):
            if self._write_alone(rows[0], fence, fresh):
                return 1
            if fresh:
                return 0
        groups = by_kind(rows)
        step_rows = cast("list[StepRow]", groups.pop(StepRow, []))
        batches = [_batch(kind, group) for kind, group in groups.items()]
        if step_rows:
            cells = self._encode(step_rows)
            batches += [(INSERT_FRESH, cells)] if fresh else inserts(cells)
        try:
            changed = self._writer.transact(lambda connection: insert(connection, batches, fence), durable=durable)
        except apsw.ConstraintError as error:
            raise refusal(error, rows) from error
        self._unchecked += len(step_rows)
        if self._unchecked >= done.CHECK_EVERY:
            self._index_done()
        return changed

    def claim(self, wish: Wish, try_lock: Callable[[str], bool]) -> Claim:
        def choose(connection: apsw.Connection) -> Claim:
            claim, rows = decide(wish, ledger(connection), try_lock)
            if claim.found is None and select(connection, RunRow, {"id": claim.run.id}):
                raise StoreError(f"there is a run with the id {claim.run.id} already")
            insert(connection, [_batch(type(row), [row]) for row in rows])
            return claim

        return self._writer.transact(choose, durable=True)

    def get(self, kind: type[R], /, **equal: object) -> R | None:
        newest = self._select(kind, equal, limit=1, newest=True)
        return newest[0] if newest else None

    def rows(
        self,
        kind: type[R],
        /,
        *,
        after: int = 0,
        limit: int | None = None,
        newest: bool = False,
        **equal: object,
    ) -> list[R]:
        check_paging(kind, after)
        return self._select(kind, equal, after=after, limit=limit, newest=newest)

    def find_items(self, key: str, digests: Sequence[bytes]) -> dict[bytes, StepRow]:
        return self._ask(lambda connection: self._steps.find_items(connection, key, digests))

    def may_have_items(self, key: str) -> bool:
        return self._ask(lambda connection: self._words.number(connection, key) != UNKNOWN)

    def last_attempts(self, run: str, step: str, items: Sequence[str]) -> dict[str, int]:
        return self._ask(lambda connection: self._steps.last_attempts(connection, run, step, items))

    def standings(self, run: str, step: str, items: Sequence[str]) -> dict[str, Standing]:
        return self._ask(lambda connection: self._steps.standings(connection, run, step, items))

    def count_steps(self, run: str, step: str | None = None) -> Mapping[tuple[str, ProcessingStatus], int]:
        counts = self._ask(lambda connection: self._steps.count(connection, run))
        return {which: count for which, count in counts.items() if step is None or which[0] == step}

    def recent_steps(
        self,
        statuses: Sequence[ProcessingStatus],
        since: float,
        *,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[StepRow]:
        return self._ask(lambda connection: self._steps.recent(connection, statuses, since, until, limit))

    def outcomes(self, since: float) -> Mapping[ProcessingStatus, int]:
        return self._ask(lambda connection: self._steps.outcomes(connection, since))

    def addresses(self) -> Iterator[str]:
        for kind in ROWS:
            if "address" in kind.__struct_fields__:
                yield from self._addresses_in("steps" if kind is StepRow else table(kind).name)

    def drop(self, kind: type[Row], /, **equal: object) -> int:
        check_columns(kind, equal)

        if kind is StepRow:
            portions = self._ask(lambda connection: self._steps.portions(connection, equal))
            return sum(self._writer.transact(partial(self._steps.delete, portion=portion)) for portion in portions)

        def delete(connection: apsw.Connection) -> int:
            condition, bound = where(equal, lambda column, value: to_cell(value))
            connection.execute(f"DELETE FROM {table(kind).name} WHERE {condition}", bound)
            return connection.changes()

        return self._writer.transact(delete)

    def sync(self) -> int:
        def next_number(connection: apsw.Connection) -> int:
            return number(connection, "SELECT durable_seq + 1 FROM meta")

        return self._writer.transact(next_number, always=True)

    def verify(self) -> Iterator[Damage]:
        for row in self._read("PRAGMA integrity_check(100)"):
            if row[0] != "ok":
                yield Damage("", "", str(row[0]))
        yield from self._damaged_steps()

    def describe(self) -> dict[str, str]:
        store_id, written_by, durable_seq = self._read("SELECT store_id, written_by, durable_seq FROM meta")[0]
        return {
            "engine": "sqlite",
            "version": apsw.sqlite_lib_version(),
            "driver": f"apsw {apsw.apsw_version()}",
            "path": self._path,
            "filesystem": filesystem.filesystem_of(self._path),
            "store_id": str(store_id),
            "written_by": str(written_by),
            "schema": str(self._read("PRAGMA user_version")[0][0]),
            "durability": str(self.durability),
            "durable_seq": str(durable_seq),
            "journal_mode": str(self._read("PRAGMA journal_mode")[0][0]),
            "size_bytes": str(_size(self._path)),
            "log_bytes": str(_size(self._path + "-wal")),
        }

    def close(self) -> None:
        with translated(self._path):
            self._connections.close()

    def _select(
        self,
        kind: type[R],
        equal: Mapping[str, object],
        *,
        after: int = 0,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[R]:
        check_columns(kind, equal)

        def found(connection: apsw.Connection) -> list[R]:
            if kind is StepRow:
                steps = self._steps.select(connection, equal, after=after, limit=limit, newest=newest)
                return cast("list[R]", steps)
            return select(connection, kind, equal, after=after, limit=limit, newest=newest)

        return self._ask(found)

    def _write_alone(self, row: StepRow, fence: Fence | None, fresh: bool) -> bool:
        """Commit one step in one statement; False when it changed nothing, and `write` is to find out why."""
        try:
            cells = encode(row, self._words.numbers())
        except KeyError:  # a new word
            (cells,) = self._encode([row])
        if fresh:
            changed = self._writer.execute(INSERT_FRESH, cells)
        elif fence is None:
            changed = self._writer.execute(INSERT, cells)
        else:
            changed = self._writer.execute(INSERT_FENCED, (*cells, text_cell(fence.run), fence.epoch))
        self._unchecked += changed
        if self._unchecked >= done.CHECK_EVERY:
            self._index_done()
        return changed == 1

    def _encode(self, rows: Sequence[StepRow]) -> list[Cells]:
        """The cells of these steps; words that are new get their numbers in a commit of their own before."""
        numbers = self._words.numbers()
        try:
            return [encode(row, numbers) for row in rows]
        except KeyError:
            missing = self._words.missing({word for row in rows for word in (row.run, row.step, row.key)})
            added = self._writer.transact(lambda connection: self._words.add(connection, missing))
            self._words.remember(added)
            return [encode(row, numbers) for row in rows]

    def _index_done(self) -> None:
        self._unchecked = 0
        try:
            while self._writer.transact(done.index_portion):
                pass
        except (StoreBusy, StoreFull):  # the steps are committed, and are found without it
            return

    def _addresses_in(self, name: str) -> Iterator[str]:
        sql = f"SELECT rowid, address FROM {name} WHERE rowid > ? AND address IS NOT NULL ORDER BY rowid LIMIT {PAGE}"
        last: Cell = 0
        while found := self._read(sql, (last,)):
            yield from (from_text(cast(str, row[1])) for row in found)
            last = found[-1][0]

    def _damaged_steps(self) -> Iterator[Damage]:
        seq = 0
        while True:
            read = self._ask(partial(self._steps.read, end=f"WHERE seq > ? ORDER BY seq LIMIT {PAGE}", bound=(seq,)))
            if not read:
                return
            yield from (Damage("steps", f"seq {seq}", DAMAGED) for seq, _, is_whole in read if not is_whole)
            seq = read[-1][0]

    def _read(self, sql: str, bound: Sequence[Cell] = ()) -> list[tuple[Cell, ...]]:
        return self._ask(lambda connection: fetch(connection, sql, bound))

    def _ask(self, work: Callable[[apsw.Connection], T]) -> T:
        """What `work` reads, on this thread's own connection."""
        with translated(self._path):
            gate = self._connections.reader()
            with gate.lock:
                return work(gate.free())


def _batch(kind: type[Row], rows: Sequence[Row]) -> Batch:
    kept = table(kind)
    return kept.insert, [kept.encode(row) for row in rows]


def _file(path: str | Path) -> str:
    real = os.path.realpath(path)  # once: two names of one file would have two logs
    return os.path.join(real, FILE) if os.path.isdir(real) and os.path.basename(real) != FILE else real


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
