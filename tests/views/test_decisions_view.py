"""What the decisions of a run show: what differs from the defaults, who chose it, and what it affects."""

from __future__ import annotations

from pathlib import Path

import pytest

from milepost import Process, ProcessManager, stage
from milepost.kernel.workspace import Workspace
from milepost.model.rows import DecisionRow, RunRow, StageRow
from milepost.model.status import StageState
from milepost.process.finding import find_run
from milepost.store.memory import MemoryStore
from milepost.views.decisions import DecisionsView, decisions_of
from milepost.views.runs import run_detail
from milepost.views.view import to_json

RUN = RunRow(id="r", name="brisk-otter", process="sales", decisions_hash="d", created=1.0)


def row(name: str, value: str, default: str | None, source: str = "chosen", **more: object) -> DecisionRow:
    return DecisionRow(
        run="r", stage="score", name=name, value=value, default=default, source=source, who="ann", at=2.0, **more
    )  # type: ignore[arg-type]


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.write([
        RUN,
        row("threshold", "0.8", "0.75", note="the auditors"),
        row("same", "1", "1", "default"),
        row("chosen_the_same", '{"a":1,"b":2}', '{"b":2,"a":1}'),
        row("required", "3", None),
        row("api_key", '"***"', '"***"', is_redacted=True),
        row("secret_default", '"***"', '"***"', "default", is_redacted=True),
        row("object", '"Frame of 3 rows"', '"Frame of 3 rows"', address="o1-ab"),
        row("gone", "1", "2"),
        row("gone", "null", "2", "removed"),
        row("changed", "1", "2"),
        row("changed", "2", "2"),
    ])  # fmt: skip
    return store


def names(view: DecisionsView) -> list[str]:
    return [each.name for each in view.decisions]


def test_what_is_not_at_its_default(store: MemoryStore) -> None:
    """Chosen otherwise, required, or chosen and not to be compared; the order of entries does not count."""
    assert names(decisions_of(store, RUN, only_changed=True)) == ["threshold", "required", "api_key", "object"]
    view = decisions_of(store, RUN)
    assert (view.total, view.differing) == (8, 4)


def test_a_decision_that_was_taken_back_is_only_history(store: MemoryStore) -> None:
    """As is every value before the last."""
    assert "gone" not in names(decisions_of(store, RUN))
    history = {each.name: each.history for each in decisions_of(store, RUN, with_history=True).decisions}
    assert [record.source for record in history["gone"] or ()] == ["chosen", "removed"]
    assert len(history["changed"] or ()) == 2


def test_json_has_the_values_themselves(store: MemoryStore) -> None:
    """Not JSON within JSON; no default where there is none."""
    import json

    found = {each["name"]: each for each in json.loads(to_json(decisions_of(store, RUN)))["decisions"]}
    assert found["threshold"]["value"] == 0.8
    assert found["threshold"]["note"] == "the auditors"
    assert found["chosen_the_same"]["value"] == {"a": 1, "b": 2}
    assert "default" not in found["required"]
    assert "history" not in found["required"]


@stage
def orders(count: int = 3):
    return list(range(count))


@stage(each="orders")
def score(order, threshold: float = 0.5):
    return order * threshold


@stage
def other(seed: int = 1):
    return seed


@stage(needs=["other"])
def report(score, title: str = "x"):
    if title == "bad":
        raise ValueError("no")
    return list(score)


@stage
def mail(report, address: str = "a"):
    return address


PROCESS = Process("graph", [orders, score, other, report, mail])


def affects(workspace: Workspace, name: str) -> dict[str, tuple[str, ...]]:
    view = decisions_of(workspace.store, find_run(workspace.store, name))
    return {f"{each.stage}.{each.name}": each.affects for each in view.decisions}


def test_a_decision_affects_its_stage_and_all_behind_it(tmp_path: Path) -> None:
    """Through mapped stages, and through those that are only waited for."""
    with Workspace.open(tmp_path / "w") as workspace:
        found = affects(workspace, PROCESS.run(workspace=workspace).name)
    assert found["orders.count"] == ("orders", "score", "report", "mail")
    assert found["other.seed"] == ("other", "report", "mail")
    assert found["mail.address"] == ("mail",)


def test_of_a_stage_that_was_not_reached_an_earlier_run_tells(tmp_path: Path) -> None:
    """So a failed run shows all that depends on a decision."""
    with Workspace.open(tmp_path / "w") as workspace:
        PROCESS.run(workspace=workspace)
        with pytest.raises(Exception, match="no"):
            PROCESS.run({"report.title": "bad"}, workspace=workspace)
        assert affects(workspace, "last")["score.threshold"] == ("score", "report", "mail")


class ByHand(ProcessManager):
    def _compute_stage(self, stage: int) -> object:
        if stage == 1:
            return self.current_decisions[1]["factor"]
        return [self.get_stage_data(1)["results"], self.current_decisions["last"]["least"]]


def test_of_a_watched_stage_only_what_it_read_counts(tmp_path: Path) -> None:
    """Whichever stage it was decided for, by number or by name; what nobody read affects nothing."""
    with Workspace.open(tmp_path / "w") as workspace:
        manager = ByHand(None, "by hand", workspace=workspace)
        manager.register_stages({"stages": {"first": {"sequence": 1}, "last": {"sequence": 2}}})
        manager.make_decisions(1, {"factor": 3, "unread": 1})
        manager.make_decisions("last", {"least": 1})
        manager.get_stage_data(2)
        manager.underway.end()
        found = affects(workspace, "last")
    assert found == {"first.factor": ("first", "last"), "first.unread": (), "last.least": ("last",)}


def test_a_run_without_stages_or_decisions_has_none(store: MemoryStore) -> None:
    """And a stage without a key affects itself."""
    assert decisions_of(store, RUN).decisions[0].affects == ("score",)
    empty = RunRow(id="e", name="empty", process="sales", decisions_hash="d", created=1.0)
    store.write([empty, StageRow(run="e", stage="a", epoch=1, process="sales", state=StageState.PENDING)])
    assert decisions_of(store, empty).total == 0


def test_show_leaves_out_what_was_taken_back_too(store: MemoryStore, tmp_path: Path) -> None:
    """The same decisions as here."""
    shown = run_detail(store, RUN, tmp_path, now=3.0).decisions
    assert [each.name for each in shown] == names(decisions_of(store, RUN))
