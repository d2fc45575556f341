"""The oldest and the newest step are found by their numbers, however many lie between."""

from pathlib import Path

import apsw

from milepost.store.sqlite import SqliteStore
from milepost.store.sqlite.steps import BORDERS


def test_outcomes_of_a_window_do_not_read_the_whole_ledger(tmp_path: Path) -> None:
    """SQLite answers `min` and `max` from the ends of the table only when they are asked one by one."""
    SqliteStore.open(tmp_path / "ledger.db").close()
    plan = apsw.Connection(str(tmp_path / "ledger.db")).execute(f"EXPLAIN QUERY PLAN {BORDERS}").fetchall()
    reads = [str(line[3]) for line in plan if "steps" in str(line[3])]
    assert len(reads) == 2
    assert all(line.startswith("SEARCH") for line in reads), reads
