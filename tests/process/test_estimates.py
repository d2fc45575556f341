"""What a plan says that a stage will take."""

import msgspec
import pytest

from milepost import Process, stage
from milepost.model.rows import StageRow


@stage
def orders():
    return list(range(10))


@stage(each="orders")
def score(order, factor: int = 2):
    return order * factor


sales = Process("sales", [orders, score])


@pytest.mark.parametrize(
    ("done", "reused", "expected"), [(10, 0, 6.0), (2, 8, 30.0), (0, 10, 6.0)], ids=["all", "some", "none"]
)
def test_a_mapped_stage_is_expected_to_take_as_long_as_all_of_its_items(workspace, done, reused, expected):
    """A run that was continued worked on what was left: its time says how long that much takes."""
    run = sales.run(workspace=workspace)
    row = workspace.store.get(StageRow, run=run.id, stage="score")
    workspace.store.write([msgspec.structs.replace(row, seq=0, seconds=6.0, items_done=done, items_reused=reused)])
    plan = sales.plan({"score.factor": 3}, workspace=workspace)
    assert {"score": pytest.approx(expected)} == {
        it.stage: it.last_seconds for it in plan.stages if it.stage == "score"
    }
