"""Steps counted by blocks: whatever is written, dropped and asked for, SQLite answers as the reference does."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.memory import MemoryStore
from milepost.store.migrations import load
from milepost.store.protocol import Store
from milepost.store.sqlite import SqliteStore, blocks, done, steps
from milepost.store.sqlite.connection import connect
from milepost.store.sqlite.schema import bring_up
from milepost.testing.sample_rows import same, step_row

BLOCK = 8
STATUSES = (ProcessingStatus.RUNNING, ProcessingStatus.SUCCESS, ProcessingStatus.FAILED)
RUNS = ("r1", "r2", "r3")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", BLOCK)
    monkeypatch.setattr(done, "LEAST", 2)
    monkeypatch.setattr(done, "CHECK_EVERY", 1)
    monkeypatch.setattr(steps, "DELETED_AT_ONCE", 2 * BLOCK)


def counts_are_true(path: Path | str) -> None:
    """Every block that is counted has the counts of its steps, and no other is there."""
    connection = apsw.Connection(str(Path(path) / "ledger.db"))
    expected = connection.execute(
        "SELECT run, (seq - 1) / ?1, step, status, count(*) FROM steps"
        " WHERE seq <= (SELECT indexed_seq FROM meta) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        (BLOCK,),
    ).fetchall()
    assert connection.execute("SELECT * FROM step_counts ORDER BY 1, 2, 3, 4").fetchall() == expected
    connection.close()


WRITES = st.tuples(
    st.just("write"), st.integers(1, 30), st.sampled_from(RUNS), st.sampled_from("st"), st.sampled_from(STATUSES)
)
DROPS = st.one_of(
    st.builds(lambda run: {"run": run}, st.sampled_from(RUNS)),
    st.builds(lambda run, step: {"run": run, "step": step}, st.sampled_from(RUNS), st.sampled_from("st")),
    st.builds(lambda several: {"item": several}, st.lists(st.integers(0, 60).map(str), max_size=30)),
    st.builds(lambda status: {"status": status}, st.sampled_from(STATUSES)),
    st.just({}),
)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "run": st.sampled_from(RUNS) | st.lists(st.sampled_from(RUNS), max_size=2),
        "step": st.sampled_from(["s", "t", "never"]),
        "status": st.sampled_from(STATUSES) | st.lists(st.sampled_from(STATUSES), max_size=2),
        "attempt": st.just(1),
        "item": st.integers(0, 40).map(str),
    },
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(WRITES | st.tuples(st.just("drop"), DROPS), max_size=12),
    st.lists(st.tuples(ASKED, st.integers(0, 200), st.none() | st.integers(0, 50), st.booleans()), max_size=6),
)
def test_answers_as_the_reference_does(done: list, asked: list) -> None:
    """Pages of any columns, from any place, in both directions, and counts, after any writes and drops."""
    with TemporaryDirectory() as folder:
        stores: tuple[Store, Store] = (MemoryStore(), SqliteStore.open(folder))
        written = 0
        for kind, *what in done:
            if kind == "drop":
                assert len({store.drop(StepRow, **what[0]) for store in stores}) == 1
            else:
                count, run, step, status = what
                rows = [step_row(str(n), run=run, step=step, status=status) for n in range(written, written + count)]
                written += count
                assert [store.write(rows) for store in stores] == [count, count]
            counts_are_true(folder)
        memory, sqlite = stores
        seqs = {row.item: row.seq for row in sqlite.rows(StepRow)}  # SQLite gives those of dropped ones again
        for equal, after, limit, newest in asked:
            wanted = [row for row in memory.rows(StepRow, **equal) if seqs[row.item] > after]
            found = sqlite.rows(StepRow, after=after, limit=limit, newest=newest, **equal)
            assert [row.item for row in found] == [row.item for row in (wanted[::-1] if newest else wanted)][:limit]
        for run in RUNS:
            assert memory.count_steps(run) == sqlite.count_steps(run)
        assert memory.outcomes(0.0) == sqlite.outcomes(0.0)
        sqlite.close()


def test_a_reader_sees_one_state_while_blocks_are_counted(tmp_path: Path) -> None:
    """Every page of a run is whole: none missing and none twice, while another thread writes and counts blocks."""
    store = SqliteStore.open(tmp_path)
    is_over = threading.Event()

    def write() -> None:
        for n in range(400):
            store.write([step_row(f"{n}", run="r1"), step_row(f"{n}", run="r2")])
        is_over.set()

    thread = threading.Thread(target=write)
    thread.start()
    looks = 0
    while not is_over.is_set() or looks < 5:
        items = [int(row.item) for row in store.rows(StepRow, run="r2")]
        assert items == list(range(len(items)))
        assert sum(store.count_steps("r1").values()) >= len(items)
        looks += 1
    thread.join()
    assert len(store.rows(StepRow, run="r1")) == 400
    counts_are_true(tmp_path)
    store.close()


def test_a_ledger_of_schema_4_is_counted_and_its_names_shortened(tmp_path: Path) -> None:
    """Its steps are found, counted and verified as before; also those named by 32 hex digits."""
    names = ["0" * 32, "0123456789abcdef" * 2, "0123456789ABCDEF" * 2, "g" * 32, "INV-7", "f" * 31, "ab" * 16 + "#2"]
    path = str(tmp_path / "ledger.db")
    store = SqliteStore.open(tmp_path)
    store.write([step_row(name) for name in names])
    store.close()
    _as_of_schema_4(path)
    connection = connect(path)
    assert connection.execute("SELECT DISTINCT typeof(item) FROM steps").fetchall() == [("text",)]
    bring_up(connection, path)
    assert connection.execute("SELECT item FROM ledger ORDER BY seq").fetchall() == [(name,) for name in names]
    kept = connection.execute("SELECT count(*) FROM steps WHERE typeof(item) = 'blob'").fetchall()
    connection.close()
    assert kept == [(2,)]
    store = SqliteStore.open(tmp_path)
    assert [row.item for row in store.rows(StepRow, run="run-1")] == names
    assert store.write([step_row(name) for name in names]) == 0
    assert store.standings("run-1", "score", names).keys() == set(names)
    assert list(store.verify()) == []
    store.close()


def _as_of_schema_4(path: str) -> None:
    """Put the rows of a new ledger into the tables of schema 4, names as text."""
    connection = connect(path)
    connection.execute("ALTER TABLE steps RENAME TO today")
    rows = connection.execute(
        "SELECT run, step, CASE typeof(item) WHEN 'blob' THEN lower(hex(substr(item, 2))) ELSE item END, attempt,"
        " status, key, digest, row_digest, seconds, at FROM today ORDER BY seq"
    ).fetchall()
    words = connection.execute("SELECT id, text FROM words WHERE id > 0").fetchall()
    connection.close()
    Path(path).unlink()
    Path(path).touch(mode=0o600)
    connection = connect(path)
    bring_up(connection, path, migrations=load()[:4])
    connection.executemany("INSERT INTO words (id, text) VALUES (?, ?)", words)
    connection.executemany(
        "INSERT INTO steps (run, step, item, attempt, status, key, digest, row_digest, seconds, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    connection.close()


@pytest.mark.parametrize("item", ["0123456789abcdef" * 2, "0123456789ABCDEF" * 2, "f" * 32, "é" * 16, " " * 32])
def test_a_name_comes_back_as_it_was(tmp_path: Path, item: str) -> None:
    """Hex digits in either case, and what only has their length."""
    store = SqliteStore.open(tmp_path)
    store.write([step_row(item), step_row(item.swapcase() + "!")])
    assert store.write([step_row(item, error="again")]) == 0
    row = store.get(StepRow, item=item)
    assert row is not None
    assert same(row, step_row(item, seq=1))
    store.close()


def test_many_steps_are_dropped_in_several_transactions(tmp_path: Path) -> None:
    """So that others can write in between; what they write meanwhile stays, and the counts are true at each moment."""
    store, other = SqliteStore.open(tmp_path), SqliteStore.open(tmp_path)
    store.write([step_row(f"i{n}", run=RUNS[n % 2]) for n in range(100)])
    written: list[int] = []
    transact = store._writer.transact

    def interrupted(work, **how):
        counts_are_true(tmp_path)
        written.append(other.write([step_row(f"later {len(written)}", run=RUNS[1])]))
        return transact(work, **how)

    store._writer.transact = interrupted  # type: ignore[method-assign]
    assert store.drop(StepRow, run=RUNS[0]) == 50
    counts_are_true(tmp_path)
    assert len(written) > 3
    assert not store.rows(StepRow, run=RUNS[0])
    assert len(store.rows(StepRow, run=RUNS[1])) == 50 + len(written)
