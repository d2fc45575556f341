"""A step written alone is one statement with its fence in it, and keeps all that a transaction keeps."""

from pathlib import Path

import apsw
import pytest

from milepost.errors import LeaseLost, StoreBusy
from milepost.model.rows import StepRow
from milepost.store.protocol import Durability, Fence
from milepost.store.sqlite import SqliteStore, connection
from milepost.testing.sample_rows import run_row, step_row

FENCE = Fence("run-1", 3)


@pytest.mark.parametrize("fence", [None, FENCE])
def test_is_written_once(tmp_path: Path, fence: Fence | None) -> None:
    """The first one stays, and the second is told so, with a fence and without."""
    store = SqliteStore.open(tmp_path)
    store.write([run_row(epoch=3)])
    assert [store.write([step_row(result=result)], fence=fence) for result in (b"1", b"2")] == [1, 0]
    assert [row.result for row in store.rows(StepRow)] == [b"1"]
    store.close()


@pytest.mark.parametrize("fence", [Fence("run-1", 2), Fence("run-1", 4), Fence("gone", 1), Fence("\ud800", 3)])
def test_is_refused_who_lost_the_run(tmp_path: Path, fence: Fence) -> None:
    """Under an epoch that is not the run's it is LeaseLost, also for a step that is there already."""
    store = SqliteStore.open(tmp_path)
    store.write([run_row(epoch=3), step_row()])
    for item in ("i1", "i2"):
        with pytest.raises(LeaseLost):
            store.write([step_row(item)], fence=fence)
    assert [row.item for row in store.rows(StepRow)] == ["i1"]
    store.close()


def test_does_not_count_before_it_is_synced(tmp_path: Path) -> None:
    """It is a commit like any other: a power cut can undo it until the next barrier, at POWER it never could."""
    store = SqliteStore.open(tmp_path / "group")
    store.sync()
    store.write([step_row("i1")])
    assert store.has_unsynced_commits
    store.sync()
    assert not store.has_unsynced_commits
    store.close()
    safe = SqliteStore.open(tmp_path / "power", durability=Durability.POWER)
    safe.write([step_row("i1")])
    assert not safe.has_unsynced_commits
    safe.close()


def test_waits_for_who_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another holds the ledger it is StoreBusy, whole, and goes through afterwards."""
    monkeypatch.setattr(connection, "BUSY_MILLISECONDS", 20)
    store = SqliteStore.open(tmp_path)
    store.write([step_row("i0")])
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        store.write([step_row("i1")])
    other.execute("COMMIT")
    other.close()
    assert store.write([step_row("i1")]) == 1
    store.close()
