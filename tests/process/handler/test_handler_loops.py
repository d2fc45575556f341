"""Loops: a substage for each work item, by any name, thousands of them."""

import pytest

from milepost.errors import InvalidDataError, ProcessManagementError
from milepost.model.rows import StageRow, StepRow
from milepost.process import ProcessStageHandler
from milepost.testing import memory_workspace

CONFIG = {"stages": {"documents": {"loop": True, "repeatable": True}}}


@pytest.fixture
def loop(make):
    """A handler whose loop runs."""
    handler = make(CONFIG)
    handler.initialize_process("documents")
    return handler


def row(handler, workspace):
    return workspace.store.get(StageRow, run=handler.current_process_id, stage="documents")


def test_items_are_counted_and_listed(loop, workspace):
    """On the stage's row and in the ledger: done, failed, tried again."""
    stage = loop.start_stage("documents", items_total=4)
    for item in ("a", "b", 3):
        loop.start_substage("documents", item)
    loop.complete_substage("documents", "a", result_data={"pages": 3})
    loop.complete_substage("documents", "b", success=False, result_data={"error": "unreadable"})
    loop.skip_substage("documents", "d", "empty")
    assert (4, 2, 1) == tuple(stage[key] for key in ("items_total", "items_done", "items_failed"))
    assert 0.5 == stage["progress"]
    seen = row(loop, workspace)
    assert (4, 2, 1, 0.5) == (seen.items_total, seen.items_done, seen.items_failed, seen.progress)
    loop.start_substage("documents", "b")
    loop.complete_substage("documents", "b")
    loop.complete_substage("documents", 3)
    assert (4, 0, 1.0) == tuple(stage[key] for key in ("items_done", "items_failed", "progress"))
    steps = workspace.store.rows(StepRow, run=loop.current_process_id, step="documents")
    assert [
        ("a", 1, "success"), ("b", 1, "failed"), ("d", 1, "skipped"), ("b", 2, "success"), ("3", 1, "success")
    ] == [(step.item, step.attempt, step.status) for step in steps]  # fmt: skip
    assert {"pages": 3} == stage["substages"]["a"]["result_data"]


def test_an_item_is_done_once(loop):
    """One that is completed is not started again; who asks is told where it stands."""
    loop.start_stage("documents")
    assert "pending" == loop.get_substage_status("documents", "a")["status"]
    loop.start_substage("documents", "a")
    with pytest.raises(ProcessManagementError, match="already running"):
        loop.start_substage("documents", "a")
    loop.complete_substage("documents", "a")
    assert "completed" == loop.get_substage_status("documents", "a")["status"]
    with pytest.raises(ProcessManagementError, match="it is completed"):
        loop.start_substage("documents", "a")


def test_the_next_round_has_its_own_items(loop, workspace):
    """The same names again, in the ledger as the stage's second round."""
    for _ in (1, 2):
        stage = loop.start_stage("documents", items_total=1)
        loop.start_substage("documents", "a")
        loop.complete_substage("documents", "a")
        loop.complete_stage("documents")
    assert [(1, 1)] == [(one["iteration"], one["items_done"]) for one in stage["iterations"]]
    steps = workspace.store.rows(StepRow, run=loop.current_process_id)
    assert ["documents", "documents#2"] == [step.step for step in steps]
    assert 1 == row(loop, workspace).items_done


@pytest.mark.parametrize("total", [-1, 1.5, True, "many"])
def test_how_many_items_is_a_count(loop, total):
    """Else nothing starts."""
    with pytest.raises(InvalidDataError, match="items_total is a count"):
        loop.start_stage("documents", items_total=total)
    assert "pending" == loop.get_stage_status("documents")["status"]


def test_a_total_that_was_wrong(loop):
    """More items than expected are no more than all."""
    stage = loop.start_stage("documents", items_total=1)
    for item in range(3):
        loop.start_substage("documents", item)
        loop.complete_substage("documents", item)
    assert (3, 1.0) == (stage["items_done"], stage["progress"])


def test_ten_thousand_items(tmp_path, monkeypatch):
    """Each call does the same amount of work, whatever came before; opened again, all of them are there."""
    workspace = memory_workspace(tmp_path)
    loop = ProcessStageHandler(None, CONFIG, workspace=workspace)
    process_id = loop.initialize_process("documents")
    loop.start_stage("documents", items_total=10_000)
    rows, record = [], loop.underway.record
    monkeypatch.setattr(loop.underway, "record", lambda *some, **how: rows.append(len(some)) or record(*some, **how))
    for item in range(10_000):
        loop.start_substage("documents", f"document {item}")
        loop.complete_substage("documents", f"document {item}", success=item % 10 != 7)
    assert {2, 3} == set(rows)  # the event, the stage's row, and the item's at its end
    assert (9_000, 1_000) == tuple(loop.stages["documents"][key] for key in ("items_done", "items_failed"))
    before = loop.stages, loop.get_process_summary()
    loop.close()
    again = ProcessStageHandler.open_process(process_id, workspace=workspace)
    assert before == (again.stages, again.get_process_summary())
    again.close()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\x00b", "caf\udce9", "line\nbreak", "0", -3, 10**100], ids=ascii
)
def test_items_of_any_name(loop, workspace, name):
    """Whatever a file is called; opened again it is there under the same name."""
    loop.start_stage("documents")
    item = loop.start_substage("documents", name)
    assert item == loop.complete_substage("documents", name, result_data=1)
    before, process_id = loop.stages, loop.current_process_id
    loop.close()
    again = ProcessStageHandler.open_process(process_id, workspace=workspace)
    assert before == again.stages
    assert "completed" == again.get_substage_status("documents", name)["status"]
    again.close()


@pytest.mark.parametrize("name", ["", None, True, 1.5, ["a"], "x" * 201, 10**300])
def test_what_is_no_name_of_an_item(loop, name):
    """Is refused in few words."""
    loop.start_stage("documents")
    with pytest.raises(InvalidDataError, match="an item's name is a text of 1 to 200") as raised:
        loop.start_substage("documents", name)
    assert len(str(raised.value)) < 300
    assert {} == loop.stages["documents"]["substages"]
