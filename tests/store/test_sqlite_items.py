"""The late index of done items, and SQLite against the reference."""

from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.memory import MemoryStore
from milepost.store.sqlite import SqliteStore, blocks, done
from milepost.testing.sample_rows import digest_of, same, step_row


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 10)
    monkeypatch.setattr(done, "CHECK_EVERY", 10)


def indexed(store: SqliteStore) -> tuple[int, int]:
    gate = store._connections.reader()
    with gate.lock:
        reader = gate.free()
        marks = reader.execute("SELECT indexed_seq, (SELECT count(*) FROM done_items) FROM meta").fetchone()
    return marks[0], marks[1]


@pytest.mark.usefixtures("small_portions")
def test_items_are_found_before_and_after_they_are_indexed(tmp_path: Path) -> None:
    """By the process that wrote them and by another that looks on, at every moment."""
    writer, other = SqliteStore.open(tmp_path), SqliteStore.open(tmp_path, read_only=True)
    items = [f"i{n}" for n in range(300)]
    for n, item in enumerate(items, 1):
        writer.write([step_row(item), step_row(item + "!", status=ProcessingStatus.FAILED)])
        if n % 9 == 0:
            asked = [digest_of(each) for each in items]
            assert len(writer.find_items("f1:k", asked)) == len(other.find_items("f1:k", asked)) == n
    seq, count = indexed(writer)
    assert seq > 500
    assert count == seq / 2
    writer.close()
    other.close()


@pytest.mark.usefixtures("small_portions")
def test_dropped_steps_are_forgotten_everywhere(tmp_path: Path) -> None:
    """After a drop, steps that take the freed numbers are found, those dropped are not, by who saw them too."""
    writer, other = SqliteStore.open(tmp_path), SqliteStore.open(tmp_path, read_only=True)
    first = [f"a{n}" for n in range(70)]
    writer.write([step_row(item) for item in first])
    assert len(other.find_items("f1:k", [digest_of(item) for item in first])) == 70
    assert writer.drop(StepRow, run="run-1") == 70
    assert indexed(writer) == (0, 0)
    second = [f"b{n}" for n in range(70)]
    for item in second:
        writer.write([step_row(item)])
    asked = [digest_of(item) for item in first + second]
    for store in (writer, other):
        assert {row.item for row in store.find_items("f1:k", asked).values()} == set(second)
    writer.close()
    other.close()


TEXTS = st.text(st.characters(), max_size=4) | st.sampled_from(["a", "b", "\ud800", "\0", "30" * 16, "31" * 16])
STEPS = st.builds(
    StepRow,
    run=st.sampled_from(["r1", "r2", "\udfff"]),
    step=st.sampled_from(["s", ""]),
    item=TEXTS,
    attempt=st.integers(1, 3) | st.integers(-(2**63), 2**63 - 1),
    status=st.sampled_from(ProcessingStatus),
    key=st.sampled_from(["k1", "k2"]),
    digest=st.sampled_from([b"", b"0" * 16, b"1" * 16]),
    result=st.none() | st.binary(max_size=5),
    address=st.none() | TEXTS,
    error=st.none() | TEXTS,
    seconds=st.floats(),
    at=st.floats(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(STEPS, max_size=5), max_size=4), st.sampled_from(["r1", "r2"]))
def test_answers_as_the_reference_does(batches: list[list[StepRow]], dropped: str) -> None:
    """Whatever steps are written, in batches, then dropped and written again: both stores say the same."""
    with TemporaryDirectory() as folder:
        stores = (MemoryStore(), SqliteStore.open(folder))
        for step in (*batches, dropped, *batches[:1]):
            if isinstance(step, str):
                assert len({store.drop(StepRow, run=step) for store in stores}) == 1
            else:
                assert len({store.write(step) for store in stores}) == 1
            expected, found = (store.rows(StepRow) for store in stores)
            assert len(expected) == len(found)
            assert all(same(a, b) for a, b in zip(expected, found, strict=True))
            memory, sqlite = stores
            for run in ("r1", "r2", "\udfff"):
                assert memory.count_steps(run) == sqlite.count_steps(run)
                items = [row.item for row in expected]
                assert memory.last_attempts(run, "s", items) == sqlite.last_attempts(run, "s", items)
            digests = [b"0" * 16, b"1" * 16]
            for equal in ({"digest": digests[0]}, {"digest": digests}, {"item": "30" * 16, "digest": b""}):
                assert len({len(store.rows(StepRow, **equal)) for store in stores}) == 1
            answers = [store.find_items("k1", digests) for store in stores]
            assert answers[0].keys() == answers[1].keys()
            assert all(same(answers[0][digest], answers[1][digest]) for digest in answers[0])
            assert list(sqlite.verify()) == []
        sqlite.close()


def test_a_batch_writes_each_page_once(tmp_path: Path) -> None:
    """No statement of it keeps a journal of its own, which would copy a page for nearly every step."""
    store = SqliteStore.open(tmp_path)
    batches = [[step_row(md5(b"%d" % (at + n)).hexdigest()) for n in range(5_000)] for at in range(0, 50_000, 5_000)]
    store.write(batches[0])
    before = calls_to_write()
    for batch in batches[1:]:
        store.write(batch)
    assert calls_to_write() - before < 0.6 * 45_000
    store.close()


def calls_to_write() -> int:
    """How often this process has called the system to write."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["syscw"])
