"""Steps in bulk: from any iterable, in commits of their own, with bounded memory."""

import tracemalloc

import pytest

from milepost.model.rows import StepRow
from milepost.steps import ProcessingStatus, ProcessingStep, ProcessingStepManager, recording
from milepost.store.memory import MemoryStore


class Counting(MemoryStore):
    """Remembers how many rows each write had."""

    def __init__(self):
        super().__init__()
        self.writes = []

    def write(self, rows, **how):
        self.writes.append(len(rows))
        return super().write(rows, **how)


def test_steps_in_any_form(manager):
    """Dicts with the parameters' names, tuples in their order, steps with their document, dicts of steps."""
    step = ProcessingStep("ocr", "warning", {"pages": 3}, {"metrics": {"duration_ms": 5}, "error_message": "dim"})
    count = manager.add_steps(
        [
            {"doc_id": "a", "step_name": "ocr", "status": "warning", "details": {"pages": 3}, "error_message": "dim"},
            ("b", "ocr", "warning", {"pages": 3}, {"duration_ms": 5}, "dim"),
            ("c", step),
            {"doc_id": "d", **step.to_dict()},
        ]
    )
    assert count == 4
    assert manager.add_steps(manager.get_steps("a")) == 0, "the very same attempt is there"
    for doc in "abcd":
        (kept,) = manager.get_steps(doc)
        assert (kept.status, kept.details, kept.error_message) == ("warning", {"pages": 3}, "dim")
    assert manager.get_steps("c")[0].timestamp == step.timestamp
    assert manager.get_steps("d")[0].duration_ms == 5


def test_steps_move_from_one_ledger_to_another(manager):
    """What is read of one manager can be given to another as it is."""
    for status in ("running", "error", "running", "success"):
        manager.add_step("doc", "ocr", status)
    other = ProcessingStepManager(MemoryStore())
    assert other.add_steps(manager.iter_steps()) == 4
    told = [(step.status, step.metadata["attempt"], step.timestamp) for step in other.get_steps("doc")]
    assert told == [(step.status, step.metadata["attempt"], step.timestamp) for step in manager.get_steps("doc")]


@pytest.mark.parametrize("wrong", [{"doc_id": "a", "step": "ocr"}, 7, ("a",), None, ProcessingStep("ocr", "success")])
def test_what_is_no_step(manager, wrong):
    """Is refused with its place, and what came before it is recorded."""
    with pytest.raises((TypeError, ValueError), match="step 2 of those given"):
        manager.add_steps([("a", "ocr", "success"), ("b", "ocr", "success"), wrong, ("c", "ocr", "success")])
    assert len(list(manager.iter_steps())) == 2


def test_a_generator_that_raises_loses_nothing(manager):
    """What it gave before is committed; the error is its own."""

    def documents():
        yield from ((f"doc{n}", "ocr", "success") for n in range(70))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.add_steps(documents())
    assert len(list(manager.iter_steps())) == 70


def test_commits_are_bounded(monkeypatch):
    """At most 5,000 steps each, fewer when they are large; what took its time is not kept waiting for more."""
    store = Counting()
    monkeypatch.setattr(recording, "BATCH_SECONDS", 60.0)
    manager = ProcessingStepManager(store)
    assert manager.add_steps((f"doc{n}", "ocr", "success") for n in range(12_000)) == 12_000
    assert store.writes == [5_000, 5_000, 2_000]
    store.writes.clear()
    manager.add_steps((f"doc{n}", "large", "success", {"text": "x" * 5_000_000}) for n in range(8))
    assert store.writes == [4, 4]
    store.writes.clear()
    monkeypatch.setattr(recording, "BATCH_SECONDS", 0.0)
    manager.add_steps((f"doc{n}", "slow", "success") for n in range(3))
    assert store.writes == [1, 1, 1]


def test_memory_does_not_grow_with_the_number_of_steps(tmp_path, monkeypatch):
    """A generator of documents is never held as a whole: three times as many need no more."""
    peaks = []
    monkeypatch.setattr(recording, "BATCH_SECONDS", 60.0)
    for count in (10_000, 30_000):
        with ProcessingStepManager(tmp_path / f"{count}.db") as manager:
            manager.add_steps((f"doc{n}", "warm", "success") for n in range(6_000))
            tracemalloc.start()
            manager.add_steps((f"doc{n:09d}", "ocr", "success", {"n": n}) for n in range(count))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5


def test_a_lost_race_is_made_good(tmp_path):
    """Another process records the same attempts between the look and the write: ours become the next ones."""

    class Raced(MemoryStore):
        rival = True

        def standings(self, run, step, items):
            found = super().standings(run, step, items)
            if self.rival:
                self.rival = False
                won = {"run": run, "step": step, "status": ProcessingStatus.SUCCESS, "at": 1.0}
                rows = [StepRow(item=item, **won) for item in items if item != "free"]
                super().write(rows)
            return found

    store = Raced()
    manager = ProcessingStepManager(store)
    assert manager.add_steps([("a", "ocr", "error"), ("free", "ocr", "success"), ("b", "ocr", "error")]) == 3
    for doc, attempts in (("a", [1, 2]), ("b", [1, 2]), ("free", [1])):
        assert [step.metadata["attempt"] for step in manager.get_steps(doc)] == attempts
    assert [step.status for step in manager.get_steps("a")] == ["success", "error"]
