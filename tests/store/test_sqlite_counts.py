"""Counting again counts only what came since, and gives what counting all would."""

from pathlib import Path

import pytest

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.sqlite import SqliteStore, blocks
from milepost.testing.sample_rows import step_row

DONE, FAILED = ProcessingStatus.SUCCESS, ProcessingStatus.FAILED


@pytest.fixture
def stores(tmp_path: Path):
    """One that counts, and one of somebody else who writes."""
    both = SqliteStore.open(tmp_path), SqliteStore.open(tmp_path)
    yield both
    for store in both:
        store.close()


def test_sees_what_others_write(stores):
    """Each count has every step that is committed, whoever wrote it, and the last attempt of each item."""
    reader, writer = stores
    for number in range(3):
        writer.write([step_row(f"i{number}", status=FAILED), step_row(f"j{number}")])
        reader.write([step_row(f"i{number}", attempt=2)])
        assert reader.count_steps("run-1") == {("score", DONE): 2 * (number + 1)}
    writer.write([step_row("i0", attempt=3, status=FAILED)])
    assert reader.count_steps("run-1") == {("score", DONE): 5, ("score", FAILED): 1}


def test_begins_anew_when_steps_were_dropped(stores):
    """Others may have the numbers of those that are gone."""
    reader, writer = stores
    writer.write([step_row(f"i{number}") for number in range(5)])
    assert reader.count_steps("run-1") == {("score", DONE): 5}
    writer.drop(StepRow, run="run-1")
    writer.write([step_row(f"k{number}", status=FAILED) for number in range(5)])
    assert reader.count_steps("run-1") == {("score", FAILED): 5}
    writer.drop(StepRow, run="run-1")
    assert reader.count_steps("run-1") == {}


def test_does_not_read_again_what_it_has_counted(stores, monkeypatch):
    """The second count of a run reads the steps since the first, and none when there are none."""
    reader, writer = stores
    read = []
    fetch = blocks.fetch

    def noted(connection, sql, bound=()):
        rows = fetch(connection, sql, bound)
        if "count(*) FROM steps WHERE" in sql:
            read.append(sum(row[2] for row in rows))
        return rows

    monkeypatch.setattr(blocks, "fetch", noted)
    writer.write([step_row(f"i{number}") for number in range(50)])
    reader.count_steps("run-1")
    writer.write([step_row("another")])
    reader.count_steps("run-1")
    reader.count_steps("run-1")
    assert read == [50, 1]
