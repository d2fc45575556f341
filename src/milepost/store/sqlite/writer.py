"""The transactions of one process: always immediate, one at a time, as durable as asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import apsw

from milepost.errors import WorkspaceError
from milepost.store.protocol import Durability
from milepost.store.sqlite.columns import Cell
from milepost.store.sqlite.connection import Connections
from milepost.store.sqlite.failures import translate
from milepost.store.sqlite.queries import word

T = TypeVar("T")

# A commit syncs only when it changes a page: this one always does.
MOVE_DURABLE_SEQ = "UPDATE meta SET durable_seq = durable_seq + 1"


class Writer:
    """Does work in transactions, and knows which of them a power cut could still undo."""

    def __init__(self, connections: Connections, *, durability: Durability, uses_log: bool) -> None:
        self._connections = connections
        self._durability = durability
        self._always_syncs = durability is Durability.POWER
        self._uses_log = uses_log
        self._commits = 0
        self._commits_at_barrier = 0
        self._shared: tuple[apsw.Connection, apsw.Cursor] | None = None

    def prepare(self, connection: apsw.Connection) -> None:
        """The settings of the writing connection that depend on the store; outside of any transaction."""
        wanted = "wal" if self._uses_log else "delete"
        got = word(connection, f"PRAGMA journal_mode={wanted}")
        if got != wanted:
            raise WorkspaceError(
                f"ledger {self._connections.path}: SQLite answers journal mode {got!r} where {wanted!r} is needed: "
                "put the workspace on a local disk"
            )
        self._set_synchronous(connection, is_full=False)

    @property
    def has_unsynced_commits(self) -> bool:
        """Whether something was committed since the last commit that survives a power cut."""
        return self._commits != self._commits_at_barrier

    def transact(self, work: Callable[[apsw.Connection], T], *, durable: bool = False, always: bool = False) -> T:
        """Do `work` in one transaction; `durable` ones survive a power cut (at PROCESS: `always` only)."""
        is_full = always or (durable and self._durability is not Durability.PROCESS)
        do = self._full if is_full else _commit
        gate = self._connections.writer()
        with gate.lock:
            connection = gate.free()
            try:
                result = do(connection, work)
            except apsw.ConstraintError:
                raise
            except apsw.Error as error:
                raise translate(error, self._connections.path) from error
            self._note_commit(is_full=is_full)
            return result

    def execute(self, statement: str, bound: tuple[Cell, ...]) -> int:
        """Do one statement, which is a transaction of its own; how many rows it changed."""
        gate = self._connections.writer()
        with gate.lock:
            connection = gate.free()
            shared = self._shared
            if shared is None or shared[0] is not connection:  # another for each statement would cost a twentieth more
                shared = self._shared = (connection, connection.cursor())
            try:
                shared[1].execute(statement, bound)
                changed = connection.changes()
            except apsw.ConstraintError:
                raise
            except apsw.Error as error:
                raise translate(error, self._connections.path) from error
            self._note_commit()
            return changed

    def _note_commit(self, *, is_full: bool = False) -> None:
        self._commits += 1
        if is_full or self._always_syncs:
            self._commits_at_barrier = self._commits

    def _full(self, connection: apsw.Connection, work: Callable[[apsw.Connection], T]) -> T:
        def moving(connection: apsw.Connection) -> T:
            result = work(connection)
            connection.execute(MOVE_DURABLE_SEQ)
            return result

        self._set_synchronous(connection, is_full=True)
        try:
            return _commit(connection, moving)
        finally:
            _roll_back(connection)  # what a second interrupt kept from being undone
            self._set_synchronous(connection, is_full=False)

    def _set_synchronous(self, connection: apsw.Connection, *, is_full: bool) -> None:
        if not self._uses_log:
            level = "EXTRA"
        else:
            level = "FULL" if is_full or self._durability is Durability.POWER else "NORMAL"
        connection.execute(f"PRAGMA synchronous={level}")


def _commit(connection: apsw.Connection, work: Callable[[apsw.Connection], T]) -> T:
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    return result


def _roll_back(connection: apsw.Connection) -> None:
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except apsw.Error:  # on some faults SQLite has rolled back itself
            return
