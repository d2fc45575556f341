"""Damaged and lost results are misses: what made them runs again, and never is a wrong value given."""

import pytest

from milepost.errors import ObjectError
from milepost.model.rows import StageRow

JOB = """
from milepost import Process, stage

@stage
def numbers():
    return list(range(40))

@stage(each="numbers")
def padded(number):
    return {"n": number, "pad": "x" * 9000}

@stage
def total(padded, times: int = 1):
    return times * sum(each["n"] for each in padded)

job = Process("job", [numbers, padded, total])
"""


def spoil(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), spoil], ids=["lost", "flipped"])
@pytest.mark.parametrize("executor", ["inline", "workers"])
def test_a_lost_item_of_a_mapped_result_is_computed_again(load, workspace, damage, executor):
    """The run that would hand the damaged result on computes that item alone instead, and goes on."""
    process = load(JOB)
    process.run(workspace=workspace)
    sequence = process.plan(workspace=workspace).stages[1].result.address
    chunk = workspace.objects.references(sequence)[0]
    damage(workspace.objects.path(workspace.objects.references(chunk)[7]))
    run = process.run({"total.times": 2}, workspace=workspace, executor=executor, workers=1)
    stage = workspace.store.get(StageRow, run=run.id, stage="padded")
    assert ("completed", 1, 39) == (stage.state, stage.items_done, stage.items_reused)
    assert run.results["total"] == 2 * sum(range(40))
    assert [each["n"] for each in run.results["padded"]] == list(range(40))
    assert process.run(workspace=workspace).stages["padded"] == "reused"


def test_a_damaged_result_that_is_only_read_is_computed_by_the_next_run(load, workspace):
    """All was reused, the damage shows when the result is read; then the stage runs again."""
    process = load(JOB)
    process.run(workspace=workspace)
    spoil(workspace.objects.path(process.plan(workspace=workspace).stages[2].result.address))
    reused = process.run(workspace=workspace)
    with pytest.raises(ObjectError):
        reused.results["total"]
    assert process.run(workspace=workspace).results["total"] == sum(range(40))


def test_to_ask_whether_a_stage_has_a_result_does_not_load_it(load, workspace):
    """The run asks this at every step; a result of 300 MB is read when somebody wants it."""
    process = load(JOB)
    run = process.run(workspace=workspace)
    workspace.objects.path(process.plan(workspace=workspace).stages[2].result.address).unlink()
    assert "total" in run.results and "total" in run.results.keys() and "other" not in run.results


def test_an_open_file_is_not_stored_as_something_else(load, workspace):
    """It is handed on as what it is, and the stage is not reusable."""
    process = load(
        """
        from milepost import Process, stage

        @stage
        def opened():
            return open(__file__)

        @stage
        def kind(opened):
            with opened:
                return type(opened).__name__

        job = Process("files", [opened, kind])
        """
    )
    assert "TextIOWrapper" == process.run(workspace=workspace).results["kind"]
    assert "open file" in workspace.store.get(StageRow, stage="opened").reason
