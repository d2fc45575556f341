"""The oldest and the newest step, and the furthest of an item, are found at once, however many there are."""

from pathlib import Path

import apsw

from milepost.store.sqlite import SqliteStore
from milepost.store.sqlite.standing import FURTHEST, FURTHEST_OF_MANY
from milepost.store.sqlite.steps import BORDERS


def test_outcomes_of_a_window_do_not_read_the_whole_ledger(tmp_path: Path) -> None:
    """SQLite answers `min` and `max` from the ends of the table only when they are asked one by one."""
    SqliteStore.open(tmp_path / "ledger.db").close()
    plan = apsw.Connection(str(tmp_path / "ledger.db")).execute(f"EXPLAIN QUERY PLAN {BORDERS}").fetchall()
    reads = [str(line[3]) for line in plan if "steps" in str(line[3])]
    assert len(reads) == 2
    assert all(line.startswith("SEARCH") for line in reads), reads


def test_how_far_an_item_has_come_is_the_end_of_an_index(tmp_path: Path) -> None:
    """An item of many attempts is no slower: their order is that of the index, whose words the statements have."""
    SqliteStore.open(tmp_path / "ledger.db").close()
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    for statement, item in ((FURTHEST, "doc1"), (FURTHEST_OF_MANY, apsw.carray(("doc1", "doc2")))):
        plan = [str(line[3]) for line in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (item, 1, 1))]
        assert any("steps_once (item=? AND step=? AND run=?)" in line for line in plan), plan
        assert not any("TEMP B-TREE" in line for line in plan), plan
