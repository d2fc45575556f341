"""Finding steps again: by document, status and time, in pages, and errors across documents."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import apsw
import pytest

from milepost.model.rows import StepRow
from milepost.steps import ProcessingStatus, ProcessingStep, ProcessingStepManager
from milepost.steps.moments import from_seconds
from milepost.store.memory import MemoryStore
from milepost.store.sqlite import SqliteStore
from milepost.testing.sample_rows import run_row

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ERROR = ProcessingStatus.ERROR
STATUSES = list(ProcessingStatus)


@pytest.fixture(params=["file", "memory"])
def busy(request, tmp_path):
    """A ledger with 70 steps of one document, one a minute, among others."""
    manager = ProcessingStepManager(tmp_path / "steps.db" if request.param == "file" else MemoryStore())
    manager.add_steps(
        (doc, "ocr", STATUSES[n % 7], {"n": n}, None, None, NOON + n * timedelta(minutes=1), n + 1)
        for n in range(70)
        for doc in ("doc", "another")
    )
    yield manager
    manager.close()


def numbers(steps):
    return [step.details["n"] for step in steps]


def test_all_steps_in_the_order_of_recording(busy):
    """Not in that of their times."""
    busy.add_step("doc", "ocr", "success", {"n": -1}, timestamp=NOON - timedelta(days=1))
    assert numbers(busy.get_steps("doc")) == [*range(70), -1]
    assert busy.get_steps("unknown") == []


def test_filters(busy):
    """By status, by name, by time with both ends inclusive, and by all together; a naive bound is UTC."""
    minute = timedelta(minutes=1)
    assert numbers(busy.get_steps("doc", ProcessingStatus.ERROR)) == list(range(4, 70, 7))
    assert numbers(busy.get_steps("doc", start_time=NOON + 67 * minute)) == [67, 68, 69]
    assert numbers(busy.get_steps("doc", end_time=NOON + 2 * minute)) == [0, 1, 2]
    assert numbers(busy.get_steps("doc", "error", NOON + 11 * minute, NOON + 25 * minute)) == [11, 18, 25]
    assert busy.get_steps("doc", step_name="other") == []
    with pytest.warns(RuntimeWarning, match="start_time"):
        assert len(busy.get_steps("doc", start_time=(NOON + 69 * minute).replace(tzinfo=None))) == 1
    with pytest.raises(ValueError, match="nearest|Did you mean"):
        busy.get_steps("doc", status="eror")
    with pytest.raises(ValueError, match="cannot be empty"):
        busy.get_steps("")


def test_a_step_lies_within_its_own_time(manager):
    """Bounds that are a step's own timestamp have it in them, whatever fractions of a second a row keeps."""
    rows = [StepRow(run="", step="s", item=f"doc{n}", status=ERROR, at=1.7e9 + n * 1.3e-7) for n in range(100)]
    manager._ledger().recorder.record(*rows)
    for n in range(50):
        manager.add_step(f"now{n}", "s", "error")
    for step in list(manager.iter_steps()):
        doc, at = step.metadata["doc_id"], step.timestamp
        assert len(manager.get_steps(doc, None, at, at)) == 1
        assert doc in {error["doc_id"] for error in manager.get_recent_errors(at)}


def test_pages(busy):
    """By the last step of the page before, or its number; together they are all, each once."""
    pages, last = [], 0
    while page := busy.get_steps("doc", limit=15, after=last):
        pages.append(page)
        last = page[-1]
    assert [len(page) for page in pages] == [15, 15, 15, 15, 10]
    assert numbers(step for page in pages for step in page) == list(range(70))
    assert numbers(busy.get_steps("doc", "error", limit=2, after=pages[0][-1].metadata["seq"])) == [18, 25]
    assert busy.get_steps("doc", limit=0) == []


def test_iteration_goes_on_while_others_write(busy):
    """Steps come one by one, over all documents too, and what is recorded meanwhile comes at the end."""
    steps = busy.iter_steps()
    first = next(steps)
    busy.add_step("late", "ocr", "success", {"n": 99})
    assert isinstance(first, ProcessingStep)
    assert [first.metadata["doc_id"], *(step.metadata["doc_id"] for step in steps)][-2:] in (
        ["another", "late"],
        ["doc", "another"],
    )
    assert len(list(busy.iter_steps(status="error"))) == 20


def test_iteration_outlives_its_manager(tmp_path):
    """Steps go on coming from a manager that nobody holds any more, or that was closed."""
    ProcessingStepManager(tmp_path / "steps.db").add_steps((f"doc{n}", "ocr", "success") for n in range(2_500))
    assert len(list(ProcessingStepManager(tmp_path / "steps.db").iter_steps())) == 2_500
    with ProcessingStepManager(tmp_path / "steps.db") as manager:
        steps = manager.iter_steps()
    assert len(list(steps)) == 2_500


def test_pages_of_many_steps(manager):
    """One document with thousands of steps is walked through in order."""
    manager.add_steps(("doc", "ocr", "success", {"n": n}) for n in range(7_500))
    assert numbers(manager.iter_steps("doc")) == list(range(7_500))
    assert numbers(manager.iter_steps()) == list(range(7_500))


def test_recent_errors(busy):
    """Of all documents, the newest first, at and after the time; warnings when asked for; a limit counts the newest."""
    since = NOON + timedelta(minutes=60)
    found = busy.get_recent_errors(since)
    assert [(error["details"]["n"], error["status"]) for error in found] == [
        (68, "failed"), (68, "failed"), (67, "error"), (67, "error"), (61, "failed"), (61, "failed"), (60, "error"),
        (60, "error"),
    ]  # fmt: skip
    assert {error["doc_id"] for error in found} == {"doc", "another"}
    assert all(isinstance(error["timestamp"], datetime) for error in found)
    assert len(busy.get_recent_errors(since, include_warnings=True)) == 10
    assert [error["details"]["n"] for error in busy.get_recent_errors(since, True, limit=3)] == [68, 68, 67]
    assert busy.get_recent_errors(NOON + timedelta(days=1)) == []
    with pytest.warns(RuntimeWarning, match="since"):
        assert busy.get_recent_errors(since.replace(tzinfo=None)) == found


def test_recent_errors_of_one_run():
    """A manager of a run finds its own among thousands of others, also where all are of one moment."""
    store = MemoryStore()
    store.write([run_row()])
    everyone, mine = ProcessingStepManager(store), ProcessingStepManager(store, run="run-1")
    everyone.add_steps((f"doc{n}", "ocr", "failed", None, None, None, NOON) for n in range(2_500))
    mine.add_steps((f"doc{n}", "ocr", "failed", {"n": n}, None, None, NOON) for n in range(3))
    everyone.add_steps((f"doc{n}", "a", "failed", None, None, None, NOON + timedelta(1)) for n in range(1_500))
    assert [error["details"]["n"] for error in mine.get_recent_errors(NOON)] == [2, 1, 0]
    assert len(mine.get_recent_errors(NOON, limit=2)) == 2
    assert len(everyone.get_recent_errors(NOON)) == 4_003


def test_the_latest_status(busy):
    """Of a document at a step: what was recorded last; None where nothing was."""
    assert busy.latest_status("doc", "ocr") is STATUSES[69 % 7]
    assert busy.latest_status("doc", "other") is None
    busy.add_step("doc", "ocr", "running")
    assert busy.latest_status("doc", "ocr") == "running"


def test_what_is_found_is_what_was_said(tmp_path):
    """Any filter gives what a plain look through all gives, in a file as in memory."""
    dice = random.Random(3)
    said = [
        (f"doc{dice.randrange(5)}", dice.choice("ab"), dice.choice(STATUSES), {"n": n}, None, None,
         from_seconds(1.7e9 + dice.randrange(50)))
        for n in range(400)
    ]  # fmt: skip
    managers = [ProcessingStepManager(tmp_path / "steps.db"), ProcessingStepManager(MemoryStore())]
    for manager in managers:
        manager.add_steps(said)
    for _ in range(50):
        doc, status = f"doc{dice.randrange(6)}", dice.choice([None, *STATUSES])
        start, end = (dice.choice([None, from_seconds(1.7e9 + dice.randrange(50))]) for _ in range(2))
        if start and end and start > end:
            start, end = end, start
        expected = [
            one[3]["n"]
            for one in said
            if one[0] == doc
            and status in (None, one[2])
            and (start is None or one[6] >= start)
            and (end is None or one[6] <= end)
        ]
        assert [numbers(manager.get_steps(doc, status, start, end)) for manager in managers] == [expected, expected]
        since = start or NOON - timedelta(days=10_000)
        first, second = (manager.get_recent_errors(since, True) for manager in managers)
        assert first == second
        assert all(one["timestamp"] >= other["timestamp"] for one, other in pairwise(first))


def test_every_question_has_its_index(tmp_path):
    """None of the documented questions reads through the table: SQLite says so of the statements that were asked."""
    store = SqliteStore.open(tmp_path / "steps.db")
    store.write([run_row()])
    manager, of_run = ProcessingStepManager(store), ProcessingStepManager(store, run="run-1")
    of_run.add_steps((f"doc{n}", "ocr", "error") for n in range(100))
    asked = []
    connection = store._connections.reader().connection
    connection.exec_trace = lambda cursor, sql, bound: asked.append((sql, bound)) or True
    for each in (manager, of_run):
        each.get_steps("doc1")
        each.get_steps("doc1", "error", NOON, NOON, step_name="ocr", limit=5, after=3)
        each.get_recent_errors(NOON, True, limit=5)
        each.latest_status("doc1", "ocr")
        next(each.iter_steps())
    manager.add_step("doc1", "ocr", "success")
    connection.exec_trace = None
    other = apsw.Connection(str(tmp_path / "steps.db"))
    plans = {}
    for sql, bound in asked:
        if "FROM steps" in sql and "FROM meta" not in sql:  # which has the last seq beside it
            rows = other.execute(f"EXPLAIN QUERY PLAN {sql}", bound).fetchall()
            plans[sql] = [row[3] for row in rows if "TEMP B-TREE" not in row[3]]
    other.close()
    assert len(plans) >= 7
    for sql, plan in plans.items():
        by_document = "SEARCH steps USING INDEX steps_once (item=?"
        indexed = (
            "SEARCH steps USING INDEX steps_troubled (at>?",
            "SEARCH steps USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",  # of the blocks that hold them
        )
        if '"item" = ?' in sql or " item = ?" in sql:
            assert plan[0].startswith(by_document), (sql, plan)
        else:
            assert plan[0].startswith(indexed), (sql, plan)
    store.close()
