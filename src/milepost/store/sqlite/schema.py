"""The version of the tables: refuse a later one, bring an earlier one up after a backup, in one transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence

import apsw

from milepost.errors import StoreDamaged, StoreTooNew
from milepost.store.migrations import Migration, latest, load
from milepost.store.sqlite.connection import connect
from milepost.store.sqlite.queries import number, word

APPLICATION_ID = 0x4D50_4F53  # "MPOS"


def version(connection: apsw.Connection) -> int:
    """The schema that the file has; 0 for an empty one. StoreDamaged when another program made it."""
    made_by = number(connection, "PRAGMA application_id")
    found = number(connection, "PRAGMA user_version")
    if made_by == APPLICATION_ID:
        return found
    if made_by or found or connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
        raise StoreDamaged(f"{connection.filename} is a database of another program, not a Milepost ledger")
    return 0


def refuse_later(connection: apsw.Connection, known: int) -> None:
    """StoreTooNew when the file's schema is later than `known`."""
    found = version(connection)
    if found > known:
        writer = word(connection, "SELECT written_by FROM meta")
        raise StoreTooNew(
            f"{connection.filename} was written by Milepost {writer} (schema {found}, this one knows {known}): "
            f"run  pip install 'milepost>={writer}'",
            schema=found,
            written_by=writer,
        )


def make(path: str) -> None:
    """Fill the empty file at `path` with an empty ledger, synced."""
    connection = connect(path)
    try:
        bring_up(connection, path)
    finally:
        connection.close()


def bring_up(connection: apsw.Connection, path: str, *, migrations: Sequence[Migration] | None = None) -> None:
    """Run the migrations that the file lacks; an older ledger is first copied to `path.schema-N.backup`."""
    newest = latest() if migrations is None else migrations[-1].number
    refuse_later(connection, newest)
    before = version(connection)
    if before == newest:
        return
    migrations = load() if migrations is None else migrations
    if before:
        _back_up(connection, f"{path}.schema-{before}.backup")
    connection.execute("BEGIN IMMEDIATE")
    try:
        _migrate(connection, [each for each in migrations if each.number > version(connection)], _our_version())
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: apsw.Connection, migrations: Sequence[Migration], writer: str) -> None:
    """In the open transaction. Another process may have done it since we looked: then nothing is left to do."""
    for migration in migrations:
        connection.execute(migration.sql)
        if migration.number == 1:
            connection.execute(
                "INSERT INTO meta (id, store_id, written_by) VALUES (1, ?, ?)",
                (os.urandom(16).hex(), writer),
            )
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={migration.number}")
    if migrations:
        connection.execute("UPDATE meta SET written_by = ?", (writer,))


def _our_version() -> str:
    from milepost import __version__

    return __version__


def _back_up(connection: apsw.Connection, backup: str) -> None:
    """A whole copy under its name, or none."""
    part = f"{backup}.part"
    if os.path.exists(part):
        os.remove(part)  # of one that was killed here
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection.execute("VACUUM INTO ?", (part,))
    descriptor = os.open(part, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    os.replace(part, backup)
