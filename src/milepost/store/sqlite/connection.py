"""The connections of one store in one process: one that writes, and one per thread that reads."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from urllib.parse import quote

import apsw

from milepost.errors import StoreError
from milepost.store.sqlite import forking

OLDEST_SQLITE = 3_051_003  # before it, a WAL that is reset under a reader can corrupt the file
BUSY_MILLISECONDS = 30_000
_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
_READ = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_NOFOLLOW | apsw.SQLITE_OPEN_URI
_inherited: list[apsw.Connection] = []  # never closed: a transaction of the parent's is open in them


def check_library() -> None:
    """StoreError when the SQLite that apsw carries has the WAL corruption bug."""
    if apsw.SQLITE_VERSION_NUMBER < OLDEST_SQLITE:
        raise StoreError(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a ledger: 3.51.3 or later is needed; "
            "run  pip install -U apsw"
        )


def connect(path: str, *, flags: int = _WRITE) -> apsw.Connection:
    """A connection with our settings, which hold for it alone. The first of them is to wait for others."""
    connection = apsw.Connection(path, flags=flags)
    connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    for setting in (
        "mmap_size=0",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "recursive_triggers=ON",  # so that INSERT OR REPLACE cannot get past the triggers on steps
        "journal_size_limit=67108864",
        "wal_autocheckpoint=16000",
        "fullfsync=ON",
        "cache_size=-16000",  # kB, taken only as pages are used
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


class Gate:
    """A connection and the lock that whoever uses it holds: `with gate.lock`, which no Ctrl-C can leave taken."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.connection: apsw.Connection | None = None

    def free(self) -> apsw.Connection:
        """The connection, without a transaction: one that Ctrl-C left open is undone. StoreError when it is closed."""
        if self.connection is None:
            raise StoreError("the ledger was closed: open it again")
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        return self.connection

    def give_up(self) -> bool:
        """In a forked child: let the parent's connection go without a trace; whether that could be done.

        It is closed, but told to leave the log alone. Left open, it would make SQLite believe that this process
        has the file locks which only the parent has, and others would delete the log under the child's commits.
        One inside a transaction cannot be closed, for that would roll back in memory shared with the parent.
        """
        connection, self.connection = self.connection, None
        if connection is None:
            return True
        if connection.in_transaction:
            _inherited.append(connection)
            return False
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.close()
        return True


class Connections:
    """Opens connections when they are first asked for; gives none that belongs to another process."""

    def __init__(self, path: str, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self.is_immutable = False
        self.prepare: Callable[[apsw.Connection], None] = lambda connection: None  # each new writing connection
        self._begin()
        forking.watch(self)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._registry = threading.Lock()
        self._writer = Gate()
        self._local = threading.local()
        self._readers: weakref.WeakSet[Gate] = weakref.WeakSet()
        self._refusal: str | None = None

    def writer(self) -> Gate:
        """The one connection that writes; hold it for one transaction."""
        self._check()
        if self.read_only:
            raise StoreError(f"ledger {self.path} was opened to read only")
        gate = self._writer
        if gate.connection is None:
            with gate.lock:
                if gate.connection is None and self._refusal is None:
                    connection = connect(self.path)
                    self.prepare(connection)
                    gate.connection = connection
        return gate

    def reader(self) -> Gate:
        """This thread's own connection for reading."""
        self._check()
        gate: Gate | None = getattr(self._local, "gate", None)
        if gate is None:
            gate = Gate()
            with self._registry:
                self._readers.add(gate)
            self._local.gate = gate
        if gate.connection is None or (self.is_immutable and self._has_log()):
            with gate.lock:
                gate.connection = self._open_reader()
        return gate

    def close(self) -> None:
        """Close all; the last one to close, of all processes, folds the log into the file."""
        if self._pid != os.getpid():
            return
        with self._registry:
            gates = [*self._readers, self._writer]
        self._refusal = f"ledger {self.path} was closed: open it again"
        for gate in gates:
            with gate.lock:
                if gate.connection is not None:
                    gate.connection.close()
                    gate.connection = None

    def _check(self) -> None:
        if self._refusal is not None:
            raise StoreError(self._refusal)
        if self._pid != os.getpid():  # a fork that Python did not see
            raise StoreError(f"ledger {self.path} was opened by process {self._pid}: open it again in this one")

    def _open_reader(self) -> apsw.Connection:
        if not self.read_only:
            connection = connect(self.path)
            connection.execute("PRAGMA query_only=ON")
            return connection
        name = f"file:{quote(self.path)}?mode=ro"
        try:
            connection = connect(name, flags=_READ)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            self.is_immutable = False
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            if self._has_log():  # somebody writes: to ignore the log would be to read the past
                raise
            connection = connect(name + "&immutable=1", flags=_READ)
            self.is_immutable = True
        return connection

    def _has_log(self) -> bool:
        return os.path.exists(self.path + "-wal")

    def before_fork(self) -> None:
        self._writer.lock.acquire()
        self._registry.acquire()
        self._resting = list(self._readers)
        for gate in self._resting:
            gate.lock.acquire()

    def after_fork_in_parent(self) -> None:
        for gate in self._resting:
            gate.lock.release()
        self._registry.release()
        self._writer.lock.release()

    def after_fork_in_child(self) -> None:
        refusal, gates = self._refusal, (self._writer, *self._resting)
        given_up = [gate.give_up() for gate in gates]
        self._begin()
        self._refusal = refusal
        if not all(given_up):
            self._refusal = f"this process was forked inside a write to {self.path}: start it with spawn"
