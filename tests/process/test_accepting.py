from milepost.model.fingerprint.parts import diff_text
from milepost.process.accepting import accept_change

JOB = """
from milepost import Process, stage

def gross(net):
    return net * 1.2

@stage
def priced():
    return gross(10)

job = Process("job", [priced])
"""


def test_accepting_shows_what_was_accepted(load, workspace):
    """Who calls a change compatible sees its lines, old and new, and then nothing runs."""
    load(JOB).run(workspace=workspace)
    edited = load(JOB.replace("net * 1.2", "1.2 * net"))
    (change,) = accept_change(edited, edited.settle(), "priced", workspace).changes
    assert "-    return net * 1.2\n+    return 1.2 * net" in diff_text(change)
    (plan,) = edited.plan(workspace=workspace).stages
    assert plan.verdict == "reuse"


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
