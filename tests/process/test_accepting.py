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
