"""What every store keeps, as tests to inherit: a store that passes them may stand under Milepost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from milepost.errors import LeaseLost, RunIsAlive, StoreError, UnknownRunError
from milepost.model.rows import (
    ROWS,
    EventRow,
    FileRow,
    PartsRow,
    ResultRow,
    Row,
    RunRow,
    SessionRow,
    SourceRow,
    StageRow,
    StepRow,
)
from milepost.store.protocol import Fence, Store, Wish
from milepost.testing.sample_rows import (
    DONE,
    FAILED,
    STRANGE_FLOATS,
    STRANGE_INTEGERS,
    STRANGE_TEXTS,
    digest_of,
    one_of_each,
    run_row,
    same,
    session_row,
    stage_row,
    step_row,
)
from milepost.testing.step_contract import StepContract


class StoreContract(StepContract):
    """Inherit it as `TestYourStore` and say how to make a store."""

    def make_store(self, tmp_path: Path) -> Store:
        """An empty store; `tmp_path` is a folder that the test may use."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """The store under test."""
        store = self.make_store(tmp_path)
        yield store
        store.close()

    # Rows

    @pytest.mark.parametrize("row", one_of_each(), ids=lambda row: type(row).__name__)
    def test_comes_out_as_it_went_in(self, store: Store, row: Row) -> None:
        """Every column of every kind comes back equal and of its type."""
        assert store.write([row]) == 1
        found = store.get(type(row))
        assert same(row, found)
        assert [type(getattr(row, name)) for name in row.__struct_fields__] == [
            type(getattr(found, name)) for name in row.__struct_fields__
        ]

    def test_has_a_place_for_every_kind(self, store: Store) -> None:
        """All kinds go in in one write, and an empty store has none of any."""
        assert [store.get(kind) for kind in ROWS] == [None] * len(ROWS)
        assert store.write(one_of_each()) == len(ROWS) == len(one_of_each())
        assert [len(store.rows(kind)) for kind in ROWS] == [1] * len(ROWS)

    @pytest.mark.parametrize("text", STRANGE_TEXTS, ids=ascii)
    def test_keeps_strange_texts(self, store: Store, text: str) -> None:
        """Names, keys and messages of any characters come back, and are found by."""
        step = step_row(text, run=text, step=text, key=text, error=text, address=text)
        stage = stage_row(text, run=text, message=text, error=text)
        store.write([step, stage, SourceRow(digest=text, text=text)])
        assert same(step, store.get(StepRow, item=text, run=text, step=text, key=text, error=text))
        assert same(stage, store.get(StageRow, stage=text, run=text))
        assert store.get(SourceRow, digest=text) == SourceRow(digest=text, text=text)
        assert store.last_attempts(text, text, [text]) == {text: 1}
        assert list(store.find_items(text, [step.digest])) == [step.digest]
        assert list(store.verify()) == []

    @pytest.mark.parametrize("number", STRANGE_FLOATS, ids=repr)
    def test_keeps_strange_floats(self, store: Store, number: float) -> None:
        """NaN, infinities, the largest and the least come back (of the zeros only the value)."""
        stage, step = stage_row(seconds=number, progress=number), step_row(seconds=number, at=number)
        store.write([stage, step])
        found, found_step = store.get(StageRow), store.get(StepRow)
        assert found is not None
        assert found_step is not None
        for value in (found.seconds, found.progress, found_step.seconds, found_step.at):
            assert value == number or (value != value and number != number)
        assert list(store.find_items("f1:k", [step.digest])) == [step.digest]
        assert list(store.verify()) == []

    @pytest.mark.parametrize("number", STRANGE_INTEGERS, ids=lambda n: hex(n)[:24])
    def test_keeps_strange_integers(self, store: Store, number: int) -> None:
        """Integers of any size come back, and are found by."""
        file = FileRow(path="p", size_bytes=number, mtime_ns=number, inode=number, digest="d", at=1.0)
        store.write([file, step_row(attempt=number)])
        assert store.get(FileRow, inode=number) == file
        assert store.last_attempts("run-1", "score", ["i1"]) == {"i1": number}

    def test_keeps_a_huge_name(self, store: Store) -> None:
        """An item key of 10 MB is stored, found, counted once, and told from one that differs at its end."""
        name = "n" * 10_000_000
        assert store.write([step_row(name, digest=b"0" * 16), step_row(name, attempt=2), step_row(name + "x")]) == 3
        assert store.write([step_row(name)]) == 0
        assert [row.item == name for row in store.rows(StepRow)] == [True, True, False]
        assert len(store.rows(StepRow, item=name)) == 2
        assert store.last_attempts("run-1", "score", [name]) == {name: 2}
        assert store.find_items("f1:k", [b"0" * 16])[b"0" * 16].item == name

    # Identity

    def test_replaces_what_has_the_same_identity(self, store: Store) -> None:
        """A run, session, stage, result or file that is written again is one row, the later one."""
        store.write(one_of_each())
        stage = store.get(StageRow)
        later: list[Row] = [
            run_row(state="completed"), session_row(run="run-1", epoch=1, beat=99.0), stage_row(items_done=3),
            ResultRow(key="f1:k", address="o1-new", stage="s", run="r", seconds=2.0, size_bytes=3, at=2.0),
            FileRow(path="/data/orders.csv", size_bytes=6, mtime_ns=1, inode=2, digest="ee", at=2.0),
        ]  # fmt: skip
        assert store.write(later) == len(later)
        for row in later:
            assert [same(row, found) for found in store.rows(type(row))] == [True]
        replaced = store.get(StageRow)
        assert stage is not None
        assert replaced is not None
        assert replaced.seq == stage.seq

    def test_keeps_the_first_step(self, store: Store) -> None:
        """There is one row per (run, item, step, attempt); whoever comes second changes nothing and is told."""
        assert store.write([step_row(result=b"first")]) == 1
        assert store.write([step_row(result=b"second", status=FAILED), step_row("i2")]) == 1
        assert [row.result for row in store.rows(StepRow, item="i1")] == [b"first"]
        others = [step_row(attempt=2), step_row(run="run-2"), step_row(step="clean")]
        assert store.write(others) == 3

    def test_keeps_the_first_parts_and_sources(self, store: Store) -> None:
        """What is stored under a digest never changes."""
        store.write([PartsRow(key="k", stage="s", parts=b"1", at=1.0), SourceRow(digest="d", text="one")])
        assert store.write([PartsRow(key="k", stage="s", parts=b"2", at=2.0), SourceRow(digest="d", text="two")]) == 0
        parts, source = store.get(PartsRow, key="k"), store.get(SourceRow, digest="d")
        assert (parts and parts.parts, source and source.text) == (b"1", "one")

    def test_numbers_appended_rows(self, store: Store) -> None:
        """Appended rows get growing numbers in the order of writing, and equal ones are all kept."""
        events = [EventRow(at=5.0 - n, run="r", kind=f"k{n}") for n in range(5)]
        store.write(events[:2])
        store.write(events[2:])
        store.write(events[:1])
        found = store.rows(EventRow)
        assert [row.kind for row in found] == ["k0", "k1", "k2", "k3", "k4", "k0"]
        assert all(a.seq < b.seq for a, b in pairwise(found))
        assert found[0].seq > 0

    def test_writes_all_or_nothing(self, store: Store) -> None:
        """A second run with a name that is taken is refused, and with it all that was written beside it."""
        store.write([run_row(1)])
        with pytest.raises(StoreError, match="brave-otter-1"):
            store.write([step_row(), run_row(2, name="brave-otter-1")])
        assert store.rows(StepRow) == []
        assert [run.id for run in store.rows(RunRow)] == ["run-1"]

    def test_refuses_what_is_no_row(self, store: Store) -> None:
        """A struct that no table holds is an error, and nothing is written."""
        with pytest.raises(StoreError, match="no kind of row"):
            store.write([step_row(), Fence("run-1", 1)])  # type: ignore[list-item]
        assert store.rows(StepRow) == []

    # Fences

    def test_refuses_who_lost_the_run(self, store: Store) -> None:
        """A write under an epoch that is not the run's, or for a run that is gone, is LeaseLost and writes nothing."""
        store.write([run_row(epoch=3)])
        assert store.write([step_row()], fence=Fence("run-1", 3)) == 1
        for fence in (Fence("run-1", 2), Fence("run-1", 4), Fence("gone", 1)):
            with pytest.raises(LeaseLost):
                store.write([step_row("i2"), stage_row()], fence=fence, durable=True)
        assert [row.item for row in store.rows(StepRow)] == ["i1"]
        assert store.rows(StageRow) == []

    # Reading

    def test_filters_and_pages(self, store: Store) -> None:
        """Columns equal values, None, or one of several; pages go on after a number; newest turns the order."""
        store.write([step_row(f"i{n}", error=None if n % 2 else "bad", attempt=n) for n in range(10)])
        items = [row.item for row in store.rows(StepRow)]
        assert items == [f"i{n}" for n in range(10)]
        assert [row.item for row in store.rows(StepRow, error=None)] == items[1::2]
        assert [row.item for row in store.rows(StepRow, error="bad", run="run-1")] == items[::2]
        assert [row.item for row in store.rows(StepRow, item=["i3", "i7", "none"])] == ["i3", "i7"]
        assert len(store.rows(StepRow, error=["bad", None])) == 10
        assert [row.attempt for row in store.rows(StepRow, attempt=(2, 4))] == [2, 4]
        assert store.rows(StepRow, item=[]) == store.rows(StepRow, run="other") == store.rows(StepRow, limit=0) == []
        first = store.rows(StepRow, limit=4)
        assert [row.item for row in store.rows(StepRow, after=first[-1].seq, limit=4)] == items[4:8]
        assert [row.item for row in store.rows(StepRow, newest=True, limit=2)] == ["i9", "i8"]
        newest = store.get(StepRow, error="bad")
        assert newest is not None
        assert newest.item == "i8"
        assert store.rows(StepRow, status=DONE, step="score", key="f1:k", digest=digest_of("i1"))[0].item == "i1"

    def test_orders_runs_by_age(self, store: Store) -> None:
        """The newest run is the one created last, whenever it was written."""
        store.write([run_row(2), run_row(1), run_row(3, created=0.0)])
        assert [run.id for run in store.rows(RunRow)] == ["run-3", "run-1", "run-2"]
        newest = store.get(RunRow, process="sales")
        assert newest is not None
        assert newest.id == "run-2"

    def test_refuses_unknown_columns(self, store: Store) -> None:
        """A condition on a column that is not there, or a page of rows without numbers, is an error naming it."""
        with pytest.raises(StoreError, match="colour"):
            store.rows(RunRow, colour="red")
        with pytest.raises(StoreError, match="colour"):
            store.drop(StepRow, colour="red")
        with pytest.raises(StoreError, match="seq"):
            store.rows(RunRow, after=3)

    # Items

    def test_claims_a_new_run(self, store: Store) -> None:
        """Where none can be continued, the fresh run is inserted, under a name that is free."""
        store.write([run_row(1, state="completed"), run_row(2, decisions_hash="d2", state="failed")])
        locked: list[str] = []

        def lock(run: str) -> bool:
            locked.append(run)
            return True

        fresh = run_row(3, name="brave-otter-1")
        claim = store.claim(Wish(fresh=fresh, session=session_row()), lock)
        assert locked == ["run-3"]
        assert claim.found is None
        assert (claim.run.id, claim.run.name, claim.run.epoch) == ("run-3", "brave-otter-1-2", 1)
        assert (claim.session.run, claim.session.epoch) == ("run-3", 1)
        assert store.get(RunRow, id="run-3") == claim.run
        assert store.get(SessionRow, run="run-3") == claim.session

    @pytest.mark.parametrize("state", ["failed", "cancelled", "interrupted", "running", "pending", "paused"])
    def test_continues_the_newest(self, store: Store, state: str) -> None:
        """The newest run of the same decisions goes on as the next epoch, and its dead session gets an end."""
        store.write([run_row(1, state="failed"), run_row(2, state=state, cause="x", ended=5.0, epoch=4)])
        store.write([session_row(run="run-2", epoch=3, end="failed", ended=15.0), session_row(run="run-2", epoch=4)])
        claim = store.claim(Wish(fresh=run_row(3), session=session_row(beat=77.0)), lambda run: True)
        assert claim.found == run_row(2, state=state, cause="x", ended=5.0, epoch=4)
        assert claim.run == run_row(2, state="running", epoch=5)
        assert store.get(RunRow, id="run-2") == claim.run
        assert store.rows(SessionRow, run="run-2") == [
            session_row(run="run-2", epoch=3, end="failed", ended=15.0),
            session_row(run="run-2", epoch=4, end="interrupted", ended=20.0),
            session_row(run="run-2", epoch=5, beat=77.0),
        ]
        assert store.get(RunRow, id="run-3") is None

    def test_leaves_a_living_run_alone(self, store: Store) -> None:
        """A run whose lock is held is refused with its owner's name, and nothing changes."""
        store.write([run_row(1), session_row(run="run-1", epoch=1)])
        with pytest.raises(RunIsAlive) as refused:
            store.claim(Wish(fresh=run_row(2), session=session_row()), lambda run: False)
        details = refused.value.details
        assert (details["run"], details["host"], details["pid"], details["started"]) == ("run-1", "desk", 77, 10.0)
        assert store.rows(RunRow) == [run_row(1)]
        assert store.rows(SessionRow) == [session_row(run="run-1", epoch=1)]

    def test_claims_what_is_asked_for(self, store: Store) -> None:
        """`run` takes exactly that one, completed or not; `never_continue` none; an unknown one is an error."""
        store.write([run_row(1, state="completed"), run_row(2, state="failed")])
        wish = Wish(fresh=run_row(3), session=session_row(), run="run-1")
        assert store.claim(wish, lambda run: True).run.epoch == 2
        with pytest.raises(UnknownRunError, match="run-9"):
            store.claim(msgspec.structs.replace(wish, run="run-9"), lambda run: True)
        new = store.claim(msgspec.structs.replace(wish, run=None, never_continue=True), lambda run: True)
        assert (new.run.id, new.found) == ("run-3", None)

    def test_undoes_a_claim_that_fails(self, store: Store) -> None:
        """An error in the middle of a claim leaves everything as it was, and the store goes on."""

        def fail(run: str) -> bool:
            raise OSError("no lock file")

        store.write([run_row(1, state="failed")])
        with pytest.raises(OSError, match="no lock file"):
            store.claim(Wish(fresh=run_row(2), session=session_row()), fail)
        assert store.rows(RunRow) == [run_row(1, state="failed")]
        assert store.rows(SessionRow) == []
        assert store.write([run_row(1)]) == 1

    # The rest

    def test_names_every_address(self, store: Store) -> None:
        """Garbage collection hears of every object that a decision, stage, step or result names."""
        store.write([*one_of_each(), step_row("i2")])
        assert set(store.addresses()) == {"o1-decision", "o1-stage", "o1-step", "o1-result"}

    def test_drops_rows(self, store: Store) -> None:
        """`drop` deletes what equals, steps too, and says how many."""
        store.write([*one_of_each(), step_row("i2"), step_row("i3", run="run-2")])
        assert store.drop(StepRow, run="run-1") == 2
        assert [row.item for row in store.rows(StepRow)] == ["i3"]
        assert store.drop(StepRow, run="none") == 0
        assert [store.drop(kind) for kind in ROWS] == [1] * len(ROWS)
        assert [store.rows(kind) for kind in ROWS] == [[]] * len(ROWS)
        assert store.write([step_row("i2")]) == 1

    def test_counts_its_barriers(self, store: Store) -> None:
        """`sync` gives a greater number each time."""
        first = store.sync()
        store.write([step_row()], durable=True)
        assert store.sync() > first

    def test_describes_itself(self, store: Store) -> None:
        """There is an engine, a durability and an identity of its own."""
        told = store.describe()
        assert told["durability"] == store.durability
        assert told["engine"]
        assert len(told["store_id"]) == 32

    def test_is_over_when_closed(self, tmp_path: Path) -> None:
        """A closed store refuses everything with StoreError; closing again does nothing."""
        store = self.make_store(tmp_path)
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.write([step_row()])
        with pytest.raises(StoreError, match="closed"):
            store.get(RunRow)

    def test_is_safe_from_any_thread(self, store: Store) -> None:
        """Eight threads write and read at once: nothing is lost, twice there, or refused."""
        errors: list[BaseException] = []

        def work(thread: int) -> None:
            try:
                for n in range(50):
                    item = f"{thread}-{n}"
                    assert store.write([step_row(item), step_row(f"shared-{n}"), stage_row(item)]) >= 2
                    assert store.find_items("f1:k", [digest_of(item)])[digest_of(item)].item == item
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert store.count_steps("run-1") == {("score", DONE): 8 * 50 + 50}
        assert len({row.seq for row in store.rows(StageRow)}) == 400
