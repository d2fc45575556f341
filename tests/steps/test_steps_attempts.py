"""Which attempt a row is of, and how long it took, whoever reports it."""

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from milepost.kernel.clock import SYSTEM
from milepost.steps import ProcessingStepManager, attempts
from milepost.store.memory import MemoryStore

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def told(manager, doc_id="doc", step_name=None):
    """Each row as (attempt, status)."""
    return [(step.metadata["attempt"], str(step.status)) for step in manager.get_steps(doc_id, step_name=step_name)]


@pytest.mark.parametrize(
    ("said", "attempts"),
    [
        ("running success", [1, 1]),
        ("pending running success", [1, 1, 1]),
        ("success", [1]),
        ("success success", [1, 2]),
        ("success running error", [1, 2, 2]),
        ("running error running failed", [1, 1, 2, 2]),
        ("running running success", [1, 2, 2]),
        ("running pending running", [1, 2, 2]),
        ("pending pending", [1, 2]),
        ("running success success running", [1, 1, 2, 3]),
        ("pending skipped", [1, 1]),
    ],
)
@pytest.mark.parametrize("ways", ["one manager", "a manager each", "in one batch", "a batch each"])
def test_attempts_follow_from_what_is_there(tmp_path, said, attempts, ways):
    """What repeats a phase, or goes back, begins the next attempt: by one manager, by many, and in bulk."""
    statuses = said.split()
    path = tmp_path / "steps.db"
    with ProcessingStepManager(path) as manager:
        if ways == "in one batch":
            assert manager.add_steps([("doc", "ocr", status) for status in statuses]) == len(statuses)
        for status in statuses if ways != "in one batch" else ():
            if ways == "one manager":
                manager.add_step("doc", "ocr", status)
            elif ways == "a batch each":
                manager.add_steps([("doc", "ocr", status), ("other", "ocr", status)])
            else:
                ProcessingStepManager(path).add_step("doc", "ocr", status)
        assert told(manager) == list(zip(attempts, statuses, strict=True))


def test_a_named_attempt_keeps_its_first_end(manager):
    """A late RUNNING, and a second end, of an attempt that is named change nothing."""
    manager.add_step("doc", "ocr", "success", attempt=1)
    manager.add_step("doc", "ocr", "failed", {"late": True}, attempt=1)
    manager.add_step("doc", "ocr", "running", attempt=3)
    assert told(manager) == [(1, "success"), (3, "running")]
    manager.add_step("doc", "ocr", "success")
    assert told(manager)[-1] == (3, "success")


@pytest.mark.parametrize("attempt", [0, -1, 1.5, "2", 2**63])
def test_an_attempt_that_cannot_be(manager, attempt):
    """Attempts count from 1."""
    with pytest.raises((ValueError, TypeError), match="attempt is a whole number"):
        manager.add_step("doc", "ocr", "running", attempt=attempt)


def test_an_end_goes_with_the_start_of_its_own_thread(tmp_path):
    """Two managers began the same step of a document: each ends the attempt that it began."""
    first, second = (ProcessingStepManager(tmp_path / "steps.db") for _ in range(2))
    first.add_step("doc", "ocr", "running")
    second.add_step("doc", "ocr", "running")
    first.add_step("doc", "ocr", "warning")
    second.add_step("doc", "ocr", "success")
    assert told(first) == [(1, "running"), (2, "running"), (1, "warning"), (2, "success")]


def test_durations_are_filled_in(manager, monkeypatch):
    """From start to end by the monotonic clock of this process, whatever the wall clock does; never negative."""
    now, monotonic = [1e9], [50.0]
    monkeypatch.setattr(type(SYSTEM), "now", lambda self: now[0])
    monkeypatch.setattr(type(SYSTEM), "monotonic", lambda self: monotonic[0])
    manager.add_step("doc", "ocr", "running")
    now[0], monotonic[0] = 1e9 - 3600, 51.5
    manager.add_step("doc", "ocr", "success")
    assert manager.get_steps("doc")[-1].duration_ms == 1500.0
    assert "duration_ms" not in manager.get_steps("doc")[0].metadata["metrics"]


def test_durations_across_processes_are_of_the_wall_clock(tmp_path, monkeypatch):
    """A start that somebody else recorded counts; one that seems to lie in the future gives none."""
    path, now = tmp_path / "steps.db", [1e9]
    monkeypatch.setattr(type(SYSTEM), "now", lambda self: now[0])
    for doc, later in (("doc", 2.25), ("back", -10.0)):
        now[0] = 1e9
        ProcessingStepManager(path).add_step(doc, "ocr", "running")
        now[0] += later
        ProcessingStepManager(path).add_step(doc, "ocr", "error")
    with ProcessingStepManager(path) as manager:
        assert manager.get_steps("doc")[-1].duration_ms == 2250.0
        assert manager.get_steps("back")[-1].duration_ms is None
        manager.add_steps([("bulk", "ocr", "running", None, None, None, NOON)])
        manager.add_steps([("bulk", "ocr", "success", None, None, None, NOON + timedelta(seconds=3))])
        assert manager.get_steps("bulk")[-1].duration_ms == 3000.0


def test_times_that_are_given_are_compared(manager):
    """Who reports afterwards, with the times at which it was, gets the duration that they say."""
    manager.add_step("doc", "ocr", "running", timestamp=NOON)
    manager.add_step("doc", "ocr", "success", timestamp=NOON + timedelta(minutes=1))
    assert manager.get_steps("doc")[-1].duration_ms == 60_000


def test_a_duration_that_is_given_counts(manager):
    """Before the one that was measured; one that is none is kept as it was said."""
    for doc, given in (("a", 1500), ("b", 0), ("c", "long"), ("d", -5), ("e", float("inf"))):
        manager.add_step(doc, "ocr", "running")
        manager.add_step(doc, "ocr", "success", metrics={"duration_ms": given, "pages": 2})
    said = {doc: manager.get_steps(doc)[-1].metadata["metrics"] for doc in "abcde"}
    assert [said[doc]["duration_ms"] for doc in "abcde"] == [1500, 0, "long", -5, "inf"]
    assert {each["pages"] for each in said.values()} == {2}


def test_starts_are_remembered_within_bounds(manager, monkeypatch):
    """A million documents that were begun and never ended do not fill the memory; their ends are recorded."""
    monkeypatch.setattr(attempts, "MOST_STARTS", 10)
    for n in range(30):
        manager.add_step(f"doc{n}", "ocr", "running")
    assert len(manager._starts._known) == 10
    for n in range(30):
        manager.add_step(f"doc{n}", "ocr", "success")
    assert all(told(manager, f"doc{n}") == [(1, "running"), (1, "success")] for n in range(30))
    assert manager.get_steps("doc0")[-1].duration_ms > 0


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_threads_that_report_the_same_step_lose_nothing(tmp_path, storage):
    """16 threads × 50 calls about one document: each call has its row, and no attempt has two rows of a phase."""
    manager = ProcessingStepManager(tmp_path / "steps.db" if storage == "file" else MemoryStore())
    dice = random.Random(7)
    said = [[dice.choice(["pending", "running", "success", "error"]) for _ in range(50)] for _ in range(16)]

    def report(mine):
        for status in mine:
            manager.add_step("doc", "ocr", status)

    threads = [threading.Thread(target=report, args=(mine,)) for mine in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = manager.get_steps("doc")
    assert Counter(str(step.status) for step in steps) == Counter(status for mine in said for status in mine)
    places = Counter((step.metadata["attempt"], step.status.phase) for step in steps)
    assert set(places.values()) == {1}
    assert [step.metadata["seq"] for step in steps] == sorted(step.metadata["seq"] for step in steps)


def test_threads_that_report_in_bulk_lose_nothing(tmp_path):
    """8 threads, each with the same 300 documents in batches beside single calls: every report has its row."""
    manager = ProcessingStepManager(tmp_path / "steps.db")

    def report(number):
        for start in range(0, 300, 100):
            manager.add_steps((f"doc{n}", "ocr", "success", {"by": number}) for n in range(start, start + 100))
            manager.add_step(f"doc{start}", "ocr", "error", {"by": number})

    threads = [threading.Thread(target=report, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = list(manager.iter_steps())
    assert Counter((str(step.status), step.details["by"]) for step in steps) == Counter(
        {("success", n): 300 for n in range(8)} | {("error", n): 3 for n in range(8)}
    )
    places = Counter((step.metadata["doc_id"], step.metadata["attempt"]) for step in steps)
    assert set(places.values()) == {1}
