"""A change that the user calls compatible lets earlier results stand, and that is recorded."""

import pytest

from milepost.errors import ProcessManagementError
from milepost.model.fingerprint.parts import diff_text
from milepost.model.rows import AcceptedRow, StageRow, StepRow
from milepost.process.accepting import accept_change

JOB = """
import pathlib
from milepost import Process, stage
from tools import double

@stage
def rows(count: int = 30):
    return list(range(count))

@stage(each="rows")
def score(row):
    if pathlib.Path("stop").exists() and row == 20:
        raise ValueError("stopped")
    return double(row)

@stage
def total(score):
    return sum(score)

job = Process("job", [rows, score, total])
"""
TOOLS = "def double(n):\n    return n * 2\n"
REWRITTEN = "def double(n):\n    return plus(n, n)\n\ndef plus(a, b):\n    return a + b\n"


def test_an_accepted_change_reruns_nothing_and_says_who(workspace, load):
    load(JOB, tools=TOOLS).run(workspace=workspace)
    process = load(JOB, tools=REWRITTEN)
    assert "run" == process.plan(workspace=workspace).stages[1].verdict
    accepted = accept_change(process, process.settle(), "score", workspace)
    assert {"code:tools.double", "code:tools.plus"} == {change.name for change in accepted.changes}
    assert {"reuse"} == {str(stage.verdict) for stage in process.plan(workspace=workspace).stages}
    assert all(row.who and row.at for row in workspace.store.rows(AcceptedRow, stage="score"))


def test_done_items_of_an_interrupted_stage_stand_after_accept(workspace, load, tmp_path):
    (tmp_path / "stop").touch()
    with pytest.raises(Exception, match="stopped"):
        load(JOB, tools=TOOLS).run(workspace=workspace)
    (tmp_path / "stop").unlink()
    before = {row.item for row in workspace.store.rows(StepRow) if row.status.is_done}
    assert before
    process = load(JOB, tools=REWRITTEN)
    accept_change(process, process.settle(), "score", workspace)
    run = process.run(workspace=workspace)
    assert 870 == run.results["total"]
    again = [row.item for row in workspace.store.rows(StepRow) if row.status.is_done]
    assert len(again) == len(set(again)) == 30  # no item that was done ran again


def test_a_change_after_an_accepted_one_is_seen(workspace, load):
    load(JOB, tools=TOOLS).run(workspace=workspace)
    process = load(JOB, tools=REWRITTEN)
    accept_change(process, process.settle(), "score", workspace)
    edited = load(JOB, tools=REWRITTEN.replace("a + b", "a + b + 1"))
    assert "run" == edited.plan(workspace=workspace).stages[1].verdict


def test_nothing_to_accept_is_said(workspace, load):
    process = load(JOB, tools=TOOLS)
    with pytest.raises(ProcessManagementError, match="no earlier result"):
        accept_change(process, process.settle(), "score", workspace)
    process.run(workspace=workspace)
    with pytest.raises(ProcessManagementError, match="nothing to accept"):
        accept_change(process, process.settle(), "score", workspace)


def test_accepting_shows_what_was_accepted(load, workspace):
    """Who calls a change compatible sees its lines, old and new."""
    load(JOB, tools=TOOLS).run(workspace=workspace)
    process = load(JOB, tools=TOOLS.replace("n * 2", "2 * n"))
    (change,) = accept_change(process, process.settle(), "score", workspace).changes
    assert "-    return n * 2\n+    return 2 * n" in diff_text(change)


def test_an_accepted_change_is_no_reason_any_more(workspace, load):
    load(JOB, tools=TOOLS).run(workspace=workspace)
    process = load(JOB, tools=REWRITTEN)
    accept_change(process, process.settle(), "score", workspace)
    plan = process.plan({"rows.count": 31}, workspace=workspace)
    reasons = {stage.stage: stage.reason for stage in plan.stages}
    assert "count 30 → 31" == reasons["rows"]
    run = process.run({"rows.count": 31}, workspace=workspace)
    rows = {row.stage: row.reason for row in workspace.store.rows(StageRow, run=run.id)}
    assert "rows has another result" == rows["score"]
