"""Reading and writing rows on a connection that the caller holds, in the transaction the caller opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import apsw

from milepost.errors import StoreDamaged, StoreError
from milepost.model.rows import Row, RunRow, SessionRow
from milepost.store.claiming import Ledger, check_fence
from milepost.store.kinds import name_taken
from milepost.store.protocol import Fence, R
from milepost.store.sqlite.columns import Cell, table, text_cell, to_cell, where

Batch = tuple[str, Sequence[tuple[Cell, ...]]]  # a statement, and what it binds for each row


def fetch(connection: apsw.Connection, sql: str, bound: Sequence[object] = ()) -> list[tuple[Cell, ...]]:
    """All rows of a statement: no cursor stays open, for that would keep the log from being folded in."""
    return cast("list[tuple[Cell, ...]]", connection.execute(sql, cast("tuple[Cell, ...]", tuple(bound))).fetchall())


def number(connection: apsw.Connection, sql: str, bound: Sequence[Cell] = ()) -> int:
    """The one integer that a statement gives; 0 for NULL or nothing."""
    row = connection.execute(sql, tuple(bound)).fetchone()
    return 0 if row is None or row[0] is None else cast(int, row[0])


def word(connection: apsw.Connection, sql: str) -> str:
    """The one text that a statement gives."""
    row = connection.execute(sql).fetchone()
    return "" if row is None else str(row[0])


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Several reads of one state of the ledger."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


def insert(connection: apsw.Connection, batches: Iterable[Batch], fence: Fence | None = None) -> int:
    """Insert all; how many rows changed. LeaseLost when the run has another epoch than the fence."""
    if fence is not None:
        found = fetch(connection, "SELECT epoch FROM runs WHERE id = ?", (text_cell(fence.run),))
        check_fence(fence, cast(int, found[0][0]) if found else None)
    before = connection.total_changes()
    for statement, rows in batches:
        connection.executemany(statement, rows)
    return connection.total_changes() - before


def refusal(error: apsw.ConstraintError, rows: Iterable[Row]) -> StoreError:
    """What a broken constraint means."""
    if "runs.name" in str(error):
        return name_taken(", ".join(row.name for row in rows if isinstance(row, RunRow)))
    return StoreError(f"the ledger refuses a row: {error}")


def select(
    connection: apsw.Connection,
    kind: type[R],
    equal: Mapping[str, object],
    *,
    after: int = 0,
    limit: int | None = None,
    newest: bool = False,
) -> list[R]:
    """Rows of any kind but steps."""
    kept = table(kind)
    condition, bound = where(equal, lambda column, value: to_cell(value))
    found = fetch(connection, kept.select(condition, after=after, limit=limit, newest=newest), bound)
    try:
        return [kept.decode(kind, cells) for cells in found]
    except (ValueError, TypeError) as error:
        raise StoreDamaged(f"a row of {kept.name} in {connection.filename} is not what was written: {error}") from error


def ledger(connection: apsw.Connection) -> Ledger:
    """What the rule of claiming asks, answered inside the open transaction."""

    def newest_run(**equal: object) -> RunRow | None:
        found = select(connection, RunRow, equal, limit=1, newest=True)
        return found[0] if found else None

    return Ledger(
        run_by_id=lambda run: newest_run(id=run),
        newest_run=lambda process, decisions: newest_run(process=process, decisions_hash=decisions),
        is_name_taken=lambda name: newest_run(name=name) is not None,
        sessions=lambda run: select(connection, SessionRow, {"run": run}),
    )
