import pytest

from milepost.errors import StageExecutionError
from milepost.model.rows import StageRow
from milepost.model.status import StageState

JOB = """
from milepost import Process, stage

@stage
def fine():
    return 1

@stage
def broken(fine):
    raise ValueError("not today")

job = Process("job", [fine, broken])
"""


def test_who_looks_at_a_continued_run_sees_its_own_stages(load, workspace):
    """From the moment a run is taken up its stages are pending again: none shows how it ended in the session before."""
    seen = []

    def look(run, place):
        rows = place.store.rows(StageRow, run=run.id)
        last = max(row.epoch for row in rows)
        seen.append((last, [row.state for row in rows if row.epoch == last]))

    for _ in range(2):
        with pytest.raises(StageExecutionError):
            load(JOB).run(workspace=workspace, on_start=look)
    assert seen == [(1, [StageState.PENDING] * 2), (2, [StageState.PENDING] * 2)]
