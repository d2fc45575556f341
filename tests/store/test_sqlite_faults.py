"""Full disks, flipped bits and locks that others hold."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from milepost.errors import StoreBusy, StoreDamaged, StoreError, StoreFull
from milepost.model.rows import EventRow, StepRow
from milepost.store.protocol import Durability
from milepost.store.sqlite import SqliteStore, connection
from milepost.testing.sample_rows import run_row, step_row


def fill(store: SqliteStore, name: str) -> int:
    """Write steps until the disk is full; how many were acknowledged."""
    count = 0
    with pytest.raises(StoreFull, match="no space"):
        while True:
            count += store.write([step_row(f"{name}-{count}", result=os.urandom(2000))])
    return count


def test_goes_on_when_space_returns(tmp_path: Path) -> None:
    """On a full disk each write is StoreFull and reads go on; after it grew, all acknowledged rows are there."""
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", disk], check=True)
    try:
        store = SqliteStore.open(disk)
        written = fill(store, "a")
        assert written > 50
        for _ in range(3):
            with pytest.raises(StoreFull):
                store.write([step_row("b", result=os.urandom(2000))], durable=True)
        assert len(store.rows(StepRow)) == written
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        assert store.write([step_row("b")], durable=True) == 1
        assert len(store.rows(StepRow)) == written + 1
        assert list(store.verify()) == []
        store.close()
        again = SqliteStore.open(disk)
        assert len(again.rows(StepRow)) == written + 1
        again.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_goes_on_when_the_limit_is_raised(tmp_path: Path) -> None:
    """The same at the limit of SQLite's own that needs no disk to be full."""
    store = SqliteStore.open(tmp_path)
    gate = store._connections.writer()
    with gate.lock:
        writer = gate.free()
        writer.execute("PRAGMA max_page_count=150")
    written = fill(store, "a")
    assert len(store.rows(StepRow)) == written
    gate = store._connections.writer()
    with gate.lock:
        writer = gate.free()
        writer.execute("PRAGMA max_page_count=100000")
    assert store.write([step_row("b")]) == 1
    assert len(store.rows(StepRow)) == written + 1
    assert list(store.verify()) == []
    store.close()


def test_says_busy_when_others_hold_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write waits for another process and then raises StoreBusy with nothing written; reads do not wait."""
    monkeypatch.setattr(connection, "BUSY_MILLISECONDS", 50)
    store = SqliteStore.open(tmp_path)
    store.write([step_row()])
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="locked"):
        store.write([step_row("i2")])
    assert len(store.rows(StepRow)) == 1
    other.execute("ROLLBACK")
    assert store.write([step_row("i2")]) == 1
    other.close()
    store.close()


def test_waits_its_turn_after_reading(tmp_path: Path) -> None:
    """Threads that look first and then write are never refused for what others wrote in between."""
    stores = [SqliteStore.open(tmp_path) for _ in range(2)]
    errors: list[BaseException] = []

    def work(store: SqliteStore, name: str) -> None:
        try:
            for n in range(200):
                if store.get(StepRow, item=f"{n}") is None:
                    store.write([step_row(f"{n}"), EventRow(at=1.0, run="run-1", kind=name)])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(store, f"t{n}")) for n, store in enumerate(stores * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(stores[0].rows(StepRow)) == 200
    for store in stores:
        store.close()


def test_a_flipped_bit_is_seen(tmp_path: Path) -> None:
    """Whatever bit of a step's content changes in the file, the row is reported and does not count as done."""
    store = SqliteStore.open(tmp_path)
    rows = [step_row(f"item-{n:03}", result=b"RESULT-%03d" % n, error=f"ERROR-{n:03}") for n in range(100)]
    store.write(rows)
    store.close()
    path = tmp_path / "ledger.db"
    whole = path.read_bytes()
    chance = random.Random(7)
    for n in chance.sample(range(100), 12):
        for mark in (b"item-%03d" % n, b"RESULT-%03d" % n, b"ERROR-%03d" % n):
            flipped = bytearray(mark)
            flipped[chance.randrange(len(mark))] ^= 1 << chance.randrange(8)
            path.write_bytes(whole.replace(mark, flipped))  # a split page leaves copies behind: all of them
            store = SqliteStore.open(tmp_path)
            found = store.find_items("f1:k", [row.digest for row in rows])
            assert set(found) == {row.digest for row in rows} - {rows[n].digest}
            damaged = [damage.identity for damage in store.verify() if damage.table == "steps"]
            assert damaged == [f"seq {n + 1}"]
            store.close()
            path.write_bytes(whole)


@pytest.mark.parametrize("length", [0, 1, 50, 99, 100, 4096, 5000])
def test_a_cut_off_ledger_is_an_error_of_ours(tmp_path: Path, length: int) -> None:
    """A truncated file gives StoreDamaged when opened or read, never rows that are not there, never a bare error."""
    store = SqliteStore.open(tmp_path)
    store.write([step_row(f"i{n}") for n in range(200)])
    store.close()
    path = tmp_path / "ledger.db"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StoreDamaged, match=r"ledger\.db"):
        SqliteStore.open(tmp_path).rows(StepRow)


def test_damage_that_sqlite_sees_is_reported(tmp_path: Path) -> None:
    """A page of noise is what `verify` tells, or an error of ours where the page cannot be read at all."""
    store = SqliteStore.open(tmp_path)
    store.write([step_row(f"i{n}") for n in range(2000)])
    store.close()
    path = tmp_path / "ledger.db"
    whole = bytearray(path.read_bytes())
    whole[-4096 * 3 : -4096 * 2] = random.Random(3).randbytes(4096)
    path.write_bytes(whole)
    store = SqliteStore.open(tmp_path)
    with pytest.raises(StoreDamaged):
        assert list(store.verify()) == []
        raise StoreDamaged("verify found nothing")
    store.close()


def test_steps_never_change_and_go_only_by_drop(tmp_path: Path) -> None:
    """Even SQL by hand cannot change, replace or delete a recorded step."""
    store = SqliteStore.open(tmp_path)
    store.write([step_row()])
    gate = store._connections.writer()
    with gate.lock:
        writer = gate.free()
        for sql in (
            "UPDATE steps SET status = 5",
            "DELETE FROM steps",
            "INSERT OR REPLACE INTO steps SELECT * FROM steps",
        ):
            with pytest.raises(apsw.ConstraintError, match="step"):
                writer.execute(sql)
    assert store.drop(StepRow, item="i1") == 1
    store.close()


def test_knows_what_a_power_cut_could_undo(tmp_path: Path) -> None:
    """A plain commit is pending until the next barrier; a durable one and `sync` move the number on disk."""
    store = SqliteStore.open(tmp_path, durability=Durability.GROUP)
    store.sync()
    assert not store.has_unsynced_commits
    store.write([step_row()])
    assert store.has_unsynced_commits
    before = int(store.describe()["durable_seq"])
    store.write([step_row()], durable=True)  # nothing new: the commit changes a page all the same
    assert not store.has_unsynced_commits
    assert int(store.describe()["durable_seq"]) == before + 1
    assert store.sync() == before + 2
    store.close()


@pytest.mark.parametrize(
    ("durability", "plain", "durable", "barrier"), [("process", 0, 0, 1), ("group", 0, 1, 1), ("power", 1, 1, 1)]
)
def test_syncs_when_it_says(tmp_path: Path, durability: str, plain: int, durable: int, barrier: int) -> None:
    """The system calls: a plain write syncs at POWER only, a durable one at GROUP too, `sync` at every level."""
    code = (
        "import os, sys; from milepost.store.sqlite import SqliteStore\n"
        "from milepost.store.protocol import Durability\n"
        "from milepost.testing.sample_rows import step_row\n"
        "store = SqliteStore.open(sys.argv[1], durability=Durability(sys.argv[2]))\n"
        "store.write([step_row('first')]); store.sync()\n"
        "def plain(): store.write([step_row()])\n"
        "def durable(): store.write([step_row()], durable=True)\n"
        "for work in (plain, durable, store.sync):\n"
        "    os.write(2, b'MARK\\n'); work()\n"
        "os.write(2, b'MARK\\n'); os._exit(0)"
    )
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync,write", "-o", trace, sys.executable, "-c", code]
    subprocess.run([*command, tmp_path / "x.db", durability], check=True, capture_output=True)
    parts = trace.read_text().split("MARK")[1:4]
    assert [part.count("fdatasync(") + part.count("fsync(") for part in parts] == [plain, durable, barrier]


def test_a_name_that_is_taken_is_told(tmp_path: Path) -> None:
    """What breaks a constraint is told in words."""
    store = SqliteStore.open(tmp_path)
    store.write([run_row(1)])
    with pytest.raises(StoreError, match="unique in a workspace"):
        store.write([run_row(2, name="brave-otter-1")])
    store.close()
