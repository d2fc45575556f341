"""What comparing many runs promises: a handful of questions, and a document by path and column."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from milepost.kernel.sessions import new_session
from milepost.model.rows import DecisionRow, EventRow, ResultRow, Row, RunRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.store.memory import MemoryStore
from milepost.views.compare import compare_runs, comparison_document
from milepost.views.view import to_json


class Counting(MemoryStore):
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.longest = 0

    def rows(self, kind, /, **equal):  # type: ignore[no-untyped-def,override]
        self.asked += 1
        self.longest = max([self.longest, *(len(value) for value in equal.values() if isinstance(value, list))])
        return super().rows(kind, **equal)


def run_rows(number: int) -> list[Row]:
    run = RunRow(
        id=f"id-{number}", name=f"run-{number}", process="sales", decisions_hash="d", created=1.0 + number,
        ended=9.0, state=RunState.COMPLETED,
    )  # fmt: skip
    session = msgspec.structs.replace(
        new_session(), run=run.id, epoch=1, started=1.0, ended=5.0, end=RunState.COMPLETED
    )
    stages = [
        StageRow(
            run=run.id, stage=name, epoch=1, process="sales", position=at, key=f"f1:{name}-{number if at else 0}",
            state=StageState.COMPLETED if at else StageState.REUSED, seconds=float(at), items_reused=at,
            metrics=json.dumps({"auc": number / 7}) if at else "{}",
        )
        for at, name in enumerate(("orders", "score"))
    ]  # fmt: skip
    return [
        run, session, *stages,
        DecisionRow(run=run.id, stage="score", name="threshold", value=str(number / 10), at=1.0),
        DecisionRow(run=run.id, stage="score", name="kind", value='"tree"', at=1.0),
        EventRow(at=1.0, run=run.id, epoch=1, kind="items_reused", stage="score", json='{"items": 1, "seconds": 2.5}'),
    ]  # fmt: skip


def filled(store: MemoryStore, count: int) -> list[RunRow]:
    rows = [row for number in range(count) for row in run_rows(number)]
    store.write([
        *rows,
        ResultRow(key="f1:orders-0", address="a", stage="orders", run="x", seconds=40.0, size_bytes=1, at=1.0),
    ])  # fmt: skip
    return store.rows(RunRow)


def test_a_thousand_runs_take_a_handful_of_questions(tmp_path: Path) -> None:
    """Their number grows with pages, not with runs, and no question names more than a page of runs."""
    store = Counting()
    runs = filled(store, 1200)
    store.asked = store.longest = 0
    comparison = compare_runs(store, tmp_path, runs, now=10.0)
    assert len(comparison.columns) == 1200
    assert store.asked <= 15
    assert store.longest <= 500


def test_a_column_says_what_was_reused_and_saved(tmp_path: Path) -> None:
    """Stages by their recorded seconds, items by what the runner recorded."""
    store = MemoryStore()
    (column, *_) = compare_runs(store, tmp_path, filled(store, 2), now=10.0).columns
    assert (column.stages_reused, column.stages_done, column.saved_seconds, column.seconds) == (1, 2, 42.5, 4.0)


def test_runs_can_be_given_labels_and_come_in_any_order_and_twice(tmp_path: Path) -> None:
    """Each column is its own run's."""
    store = MemoryStore()
    one, two = filled(store, 2)
    comparison = compare_runs(store, tmp_path, [two, one, two], now=10.0, labels=["a", "b", "a"])
    assert [(column.label, column.run) for column in comparison.columns] == [
        ("a", "run-1"), ("b", "run-0"), ("a (2)", "run-1"),
    ]  # fmt: skip
    assert comparison.decisions[0].values == ("0.1", "0.0", "0.1")


def test_the_document_has_what_differs_by_path_and_column(tmp_path: Path) -> None:
    """And everything on request; values are themselves, times in ISO 8601 UTC."""
    store = MemoryStore()
    comparison = compare_runs(store, tmp_path, filled(store, 2), now=10.0)
    document = json.loads(to_json(comparison_document(comparison)))
    assert document["decisions"] == {"score.threshold": {"run-0": 0.0, "run-1": 0.1}}
    assert list(document["metrics"]) == ["score.auc"]
    assert document["columns"][0]["created_at"].endswith("Z")
    assert document["stages"]["orders"]["run-0"] == {"state": "reused", "seconds": 0.0}
    whole = json.loads(to_json(comparison_document(comparison, everything=True)))
    assert whole["decisions"]["score.kind"] == {"run-0": "tree", "run-1": "tree"}
