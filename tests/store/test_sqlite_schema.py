"""The schema: migrations that are whole or not at all, and ledgers of other versions and programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from milepost.errors import StoreDamaged, StoreTooNew
from milepost.model.rows import DecisionRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.migrations import Migration, latest, load
from milepost.store.sqlite import SqliteStore
from milepost.store.sqlite.connection import connect
from milepost.store.sqlite.schema import bring_up, version
from milepost.testing.sample_rows import step_row

NOW, THEN = latest(), latest() + 1
NEXT = Migration(
    THEN, "9999_fake.sql", "CREATE TABLE fake (a); INSERT INTO fake VALUES (1); ALTER TABLE events ADD COLUMN b;"
)
KILLED = """
import os, signal, sys
from milepost.store.migrations import Migration, latest, load
from milepost.store.sqlite.connection import connect
from milepost.store.sqlite.schema import bring_up
path, at, sql = sys.argv[1], int(sys.argv[2]), sys.argv[3]
connection, count = connect(path), 0
def before(cursor, statement, bindings):
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return True
connection.exec_trace = before
bring_up(connection, path, migrations=[*load(), Migration(latest() + 1, "9999_fake.sql", sql)])
"""


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """A ledger of today's schema, with a step."""
    store = SqliteStore.open(tmp_path)
    store.write([step_row()])
    store.close()
    return str(tmp_path / "ledger.db")


def steps_in(path: str) -> int:
    connection = apsw.Connection(path)
    found = connection.execute("SELECT count(*) FROM steps").fetchone()[0]
    connection.close()
    return int(found)


def test_migrations_are_numbered_without_gaps() -> None:
    """They run 1, 2, 3, … and the last is the schema that is written."""
    assert [migration.number for migration in load()] == list(range(1, latest() + 1))


def test_an_older_ledger_is_copied_and_brought_up(ledger: str) -> None:
    """The rows are there in the new schema, and the old ledger stands whole beside it, for its owner alone."""
    connection = connect(ledger)
    bring_up(connection, ledger, migrations=[*load(), NEXT])
    assert version(connection) == THEN
    assert connection.execute("SELECT a FROM fake").fetchall() == [(1,)]
    connection.close()
    backup = f"{ledger}.schema-{NOW}.backup"
    assert steps_in(ledger) == steps_in(backup) == 1
    assert os.stat(backup).st_mode & 0o777 == 0o600
    assert not os.path.exists(backup + ".part")


def test_the_first_schema_s_rows_are_read_by_today_s(tmp_path: Path) -> None:
    """A ledger written under schema 1 opens: a masked decision is still known as masked, new columns have defaults."""
    path = str(tmp_path / "ledger.db")
    Path(path).touch(mode=0o600)
    connection = connect(path)
    bring_up(connection, path, migrations=load()[:1])
    connection.execute(
        "INSERT INTO decisions (run, stage, name, value, source, who, host, at, note) VALUES"
        """ ('r', 'load', 'password', '"***"', 'chosen', 'me', 'here', 1.0, 'redacted'),"""
        " ('r', 'load', 'limit', '5', 'default', 'me', 'here', 1.0, NULL)"
    )
    connection.close()
    store = SqliteStore.open(path)
    masked, plain = store.rows(DecisionRow, run="r")
    assert (masked.is_redacted, masked.note, plain.is_redacted, plain.default) == (True, None, False, None)
    store.close()


def test_a_kill_in_a_migration_leaves_old_or_new(ledger: str) -> None:
    """Killed before each of its statements, the ledger is of the old schema, whole, and the next try succeeds."""
    at = 0
    while True:
        at += 1
        arguments = [sys.executable, "-c", KILLED, ledger, str(at), NEXT.sql]
        code = subprocess.run(arguments, check=False).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        connection = connect(ledger)
        assert version(connection) == NOW
        assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'fake'").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        assert steps_in(ledger) == 1
    assert at > 8
    connection = connect(ledger)
    assert version(connection) == THEN
    connection.close()


def test_a_failing_migration_changes_nothing(ledger: str) -> None:
    """An error in the middle undoes all of it."""
    connection = connect(ledger)
    bad = Migration(THEN, "9999_bad.sql", NEXT.sql + "INSERT INTO nowhere VALUES (1);")
    with pytest.raises(apsw.SQLError):
        bring_up(connection, ledger, migrations=[*load(), bad])
    assert version(connection) == NOW
    assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'fake'").fetchall() == []
    connection.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_later_ledger_is_refused(ledger: str, read_only: bool) -> None:
    """The refusal names the version that wrote it and what to install, and the file is as it was."""
    connection = apsw.Connection(ledger)
    connection.execute("PRAGMA user_version=99; UPDATE meta SET written_by = '7.8.9'")
    connection.close()
    before = Path(ledger).read_bytes()
    with pytest.raises(StoreTooNew, match=r"7\.8\.9.*pip install 'milepost>=7\.8\.9'"):
        SqliteStore.open(ledger, read_only=read_only)
    assert Path(ledger).read_bytes() == before


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    """A database that we did not make is neither used nor changed."""
    path = tmp_path / "other.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    os.chmod(path, 0o600)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="another program"):
        SqliteStore.open(path)
    assert path.read_bytes() == before


def test_two_processes_may_create_it_at_once(tmp_path: Path) -> None:
    """Four processes that open a ledger which is not there yet make one, and all write to it."""
    code = (
        "import sys; from milepost.store.sqlite import SqliteStore\n"
        "from milepost.testing.sample_rows import step_row\n"
        "sys.stdin.read(1); store = SqliteStore.open(sys.argv[1]); store.write([step_row(sys.argv[2])])"
    )
    for round_ in range(3):
        folder = tmp_path / str(round_)
        folder.mkdir(mode=0o700)
        command = [sys.executable, "-c", code, str(folder)]
        openers = [subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, text=True) for n in range(4)]
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.close()
        assert [opener.wait() for opener in openers] == [0] * 4
        store = SqliteStore.open(folder)
        assert len(store.rows(StepRow)) == 4
        store.close()


def test_a_ledger_with_the_indexes_of_schema_5_answers_after_it_was_brought_up(tmp_path: Path) -> None:
    """Its steps are as they were, and what is asked by the indexes that changed: errors, and where an item stands."""
    failed = step_row("i1", status=ProcessingStatus.FAILED, error="torn")
    with_errors, path = [step_row("i0"), failed], str(tmp_path / "old" / "ledger.db")
    today = SqliteStore.open(tmp_path / "today.db")
    today.write(with_errors)
    today.close()
    Path(path).parent.mkdir()
    Path(path).touch(mode=0o600)
    connection = connect(path)
    bring_up(connection, path, migrations=load()[:5])
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%IN (3, 4, 5)%'").fetchone() == (1,)
    connection.execute("ATTACH ? AS today", (str(tmp_path / "today.db"),))
    connection.execute("INSERT OR IGNORE INTO words SELECT * FROM today.words")
    connection.execute("INSERT INTO steps SELECT * FROM today.steps")
    connection.close()
    store = SqliteStore.open(path)
    assert [row.item for row in store.rows(StepRow)] == ["i0", "i1"]
    assert [row.item for row in store.recent_steps([ProcessingStatus.FAILED], 0.0)] == ["i1"]
    assert {item: at.status for item, at in store.standings(failed.run, failed.step, ["i0", "i1"]).items()} == {
        "i0": ProcessingStatus.SUCCESS,
        "i1": ProcessingStatus.FAILED,
    }
    assert store.write(with_errors) == 0
    store.close()
