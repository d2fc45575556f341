"""What every store keeps of steps, as tests to inherit; part of `StoreContract`."""

from __future__ import annotations

import pytest

from milepost.errors import LeaseLost
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.protocol import Fence, Store
from milepost.testing.sample_rows import (
    DONE,
    FAILED,
    STRANGE_TEXTS,
    digest_of,
    run_row,
    step_row,
)


class StepContract:
    """Questions about steps. Inherited by `StoreContract`, which makes the store."""

    def test_finds_done_items_across_runs(self, store: Store) -> None:
        """An item is found by its digest under its key, from whichever run, the newest; failed ones are not."""
        store.write(
            [
                step_row("a", result=b"1"),
                step_row("b", status=FAILED),
                step_row("c", status=ProcessingStatus.WARNING),
                step_row("d", key="f1:other"),
                step_row("e", status=ProcessingStatus.SKIPPED),
                step_row("f", digest=b""),
                step_row("a", run="run-2", result=b"2"),
                step_row("a", run="run-3", status=FAILED),
            ]
        )
        digests = [digest_of(item) for item in "abcde"]
        assert store.may_have_items("f1:k")
        assert not store.may_have_items("f1:unknown")
        found = store.find_items("f1:k", [*digests, b""])
        assert set(found) == {digest_of("a"), digest_of("c")}
        assert (found[digest_of("a")].result, found[digest_of("a")].run) == (b"2", "run-2")
        assert store.find_items("f1:unknown", digests) == store.find_items("f1:k", []) == {}

    def test_finds_items_among_many(self, store: Store) -> None:
        """Each of many items is found, as they are written, and none that was dropped."""
        rows = [step_row(f"i{n}", result=b"%d" % n) for n in range(3000)]
        for start in range(0, 3000, 500):
            store.write(rows[start : start + 500])
            asked = [row.digest for row in rows[: start + 1000 : 3]][-1000:]
            found = store.find_items("f1:k", asked)
            written = {row.digest for row in rows[: start + 500]}
            assert set(found) == set(asked) & written
            assert all(found[digest].result == b"%d" % int(found[digest].item[1:]) for digest in found)
        store.drop(StepRow, item=["i0", "i2999"])
        store.write([step_row("new")])
        last = store.find_items("f1:k", [digest_of(item) for item in ("i0", "i1", "i2999", "new")])
        assert [row.item for row in last.values()] == ["i1", "new"]

    def test_keeps_each_phase_of_an_attempt_once(self, store: Store) -> None:
        """An attempt waits, runs and ends, each as a row; a second end, or a late start beside one, changes nothing."""
        waits, runs, ends = ProcessingStatus.PENDING, ProcessingStatus.RUNNING, ProcessingStatus.SUCCESS
        assert store.write([step_row("a", status=runs), step_row("a", status=ends)]) == 2
        assert store.write([step_row("a", status=FAILED), step_row("a", status=runs)]) == 0
        assert store.write([step_row("b", status=ends), step_row("b", status=waits), step_row("c", status=runs)]) == 3
        assert [row.status for row in store.rows(StepRow, item="a")] == [runs, ends]
        assert store.count_steps("run-1") == {("score", ends): 2, ("score", runs): 1}
        assert store.write([step_row("c", status=FAILED), step_row("c", status=runs, attempt=2)]) == 2
        assert store.count_steps("run-1", "score") == {("score", ends): 2, ("score", runs): 1}

    def test_keeps_what_is_said_of_a_step(self, store: Store) -> None:
        """Details and metrics are texts of any kind, and without them they are None."""
        told = [step_row(f"i{n}", details=text, metrics=text) for n, text in enumerate(STRANGE_TEXTS)]
        store.write([*told, step_row("plain"), step_row("half", details="{}")])
        kept = {row.item: (row.details, row.metrics) for row in store.rows(StepRow)}
        assert kept == {row.item: (row.details, row.metrics) for row in told} | {
            "plain": (None, None),
            "half": ("{}", None),
        }
        assert list(store.verify()) == []

    def test_finds_troubled_steps_by_their_time(self, store: Store) -> None:
        """Across runs, the newest first, both ends of the time included."""
        statuses = list(ProcessingStatus)
        store.write([step_row(f"i{n}", run=f"run-{n % 3}", at=float(n), status=statuses[n % 7]) for n in range(70)])
        failed, warned = (ProcessingStatus.ERROR, FAILED), (ProcessingStatus.WARNING,)
        found = [row.at for row in store.recent_steps(failed, 11.0, until=60.0)]
        assert found == sorted((n for n in range(11, 61) if n % 7 in (4, 5)), reverse=True)
        assert [row.at for row in store.recent_steps(failed, 67.0)] == [68.0, 67.0]
        assert [row.at for row in store.recent_steps((*failed, *warned), 0.0, limit=3)] == [68.0, 67.0, 66.0]
        assert store.recent_steps((DONE,), 65.0)[0].at == 65.0
        assert store.recent_steps((), 0.0) == store.recent_steps(failed, 100.0) == []

    def test_knows_how_attempts_ended_since(self, store: Store) -> None:
        """What is under way does not count; what was skipped may count as a success."""
        statuses = list(ProcessingStatus)
        store.write([step_row(f"i{n}", at=float(n), status=statuses[n % 7]) for n in range(70)])
        for since, ended in ((0.0, 10), (35.0, 5), (70.0, 0)):
            told = store.outcomes(since)
            good = told.get(DONE, 0) + told.get(ProcessingStatus.SKIPPED, 0)
            troubled = [told.get(status, 0) for status in (ProcessingStatus.WARNING, ProcessingStatus.ERROR, FAILED)]
            assert (good, troubled) == (2 * ended, [ended] * 3)
            assert not told.keys() & {ProcessingStatus.RUNNING, ProcessingStatus.PENDING}

    def test_writes_fresh_steps_only(self, store: Store) -> None:
        """With `fresh`, an item that has any step at its step in its run gets no other, alone or in one write."""
        runs = ProcessingStatus.RUNNING
        assert store.write([step_row("a", status=runs)], fresh=True) == 1
        assert store.write([step_row("a")], fresh=True) == store.write([step_row("a", attempt=2)], fresh=True) == 0
        assert store.write([step_row("a", run="run-2")], fresh=True) == 1
        several = [step_row("a"), step_row("b"), step_row("b", attempt=2), step_row("x" * 3_000), step_row("\ud800")]
        assert store.write(several, fresh=True) == 3
        assert store.write(several[3:], fresh=True) == 0
        assert store.write([several[4], several[3]], fresh=True) == store.write([several[4]], fresh=True) == 0
        assert store.count_steps("run-1") == {("score", runs): 1, ("score", DONE): 3}
        store.write([run_row()])
        assert store.write([step_row("c")], fresh=True, fence=Fence("run-1", 1)) == 1
        assert store.write([step_row("c", attempt=2)], fresh=True, fence=Fence("run-1", 1)) == 0
        with pytest.raises(LeaseLost):
            store.write([step_row("d")], fresh=True, fence=Fence("run-1", 2))

    def test_knows_how_far_items_have_come(self, store: Store) -> None:
        """The furthest row of the last attempt, in whatever order the rows were written; many items at once too."""
        runs = ProcessingStatus.RUNNING
        strange = [*STRANGE_TEXTS, "x" * 3_000]
        store.write([step_row("a", attempt=2, status=runs, at=5.0), step_row("a", status=FAILED, at=9.0)])
        store.write([step_row("b", at=2.0), step_row("b", status=runs, at=1.0), step_row("b", run="run-2", attempt=9)])
        store.write([step_row(text, step="s", attempt=7, at=3.0) for text in strange])
        found = store.standings("run-1", "score", ["a", "b", "z"])
        assert found == {"a": (2, runs, 5.0), "b": (1, DONE, 2.0)}
        assert store.standings("run-1", "score", ["b"]) == {"b": (1, DONE, 2.0)}
        assert store.standings("none", "score", ["a"]) == store.standings("run-1", "score", []) == {}
        many = [*strange, *(f"i{n}" for n in range(1_000))]
        assert store.standings("run-1", "s", many) == dict.fromkeys(strange, (7, DONE, 3.0))

    def test_knows_last_attempts_and_counts(self, store: Store) -> None:
        """An item counts once, by its last attempt, in whatever order the attempts were written."""
        store.write(
            [
                step_row("a", status=FAILED),
                step_row("b"),
                step_row("c", attempt=3),
                step_row("c", attempt=1, status=FAILED),
                step_row("a", attempt=2),
                step_row("a", step="clean", status=FAILED),
                step_row("a", run="run-2", attempt=9),
            ]
        )
        assert store.last_attempts("run-1", "score", ["a", "b", "c", "z"]) == {"a": 2, "b": 1, "c": 3}
        assert store.last_attempts("none", "score", ["a"]) == {}
        assert store.count_steps("run-1") == {("score", DONE): 3, ("clean", FAILED): 1}
        assert store.count_steps("run-1", "clean") == {("clean", FAILED): 1}
        assert store.count_steps("none") == {}

    # Claims
