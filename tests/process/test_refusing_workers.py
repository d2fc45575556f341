"""Workers that cannot begin a stage end it at once, with the module and the cause, and nobody is charged."""

from pathlib import Path

import pytest

from milepost.errors import StageExecutionError, WorkerError
from milepost.model.rows import StageRow, StepRow

SOURCE = """
import os
from pathlib import Path
from milepost import Process, stage

HOME = os.getpid()

def made_at_home(home):
    if os.getpid() != home:
        Path("tries").open("a").write("x")
        raise RuntimeError("only at home")
    return Gauge()

class Gauge:
    weight = 2
    def __reduce__(self):
        return made_at_home, (HOME,)

GAUGE = {gauge}

@stage
def orders():
    return [1, 2, 3]

@stage(each="orders", workers=1, retries=5, errors={errors!r})
def score(order):
    return order * GAUGE.weight

@stage(workers=1, retries=5)
def total(limit: object = 1):
    return GAUGE

"""
MAPPED = SOURCE + 'job = Process("job", [orders, score])'
WHOLE = SOURCE + 'job = Process("job", [total])'


@pytest.mark.parametrize("errors", ["stop", "collect"])
def test_a_mapped_stage_whose_module_no_worker_can_load_ends_at_once(workspace, load, errors):
    """One worker tries; the error names the stage, the module, the value and the cause; no item is charged."""
    process = load(MAPPED.format(gauge="Gauge()", errors=errors))
    with pytest.raises(StageExecutionError) as caught:
        process.run(workspace=workspace)
    for part in ("stage 'score'", "module 'job'", "'GAUGE'", "RuntimeError: only at home", "inside the stage"):
        assert part in str(caught.value)
    assert isinstance(caught.value.__cause__, WorkerError)
    assert "made_at_home" in caught.value.details["traceback"]
    assert "x" == Path("tries").read_text()
    assert [] == workspace.store.rows(StepRow)


def test_a_stage_whose_decision_no_worker_can_load_ends_at_once(workspace, load):
    """What a stage is called with counts as much as its modules; with five retries it is tried once."""
    process = load(WHOLE.format(gauge="None", errors="stop"))
    with pytest.raises(StageExecutionError) as caught:
        process.run({"total": {"limit": made_elsewhere(process)}}, workspace=workspace)
    for part in ("stage 'total'", "made anew in a worker", "RuntimeError: only at home"):
        assert part in str(caught.value)
    assert "x" == Path("tries").read_text()
    assert [1] == [row.attempts for row in workspace.store.rows(StageRow, stage="total")]


def made_elsewhere(process):
    return process.stages["total"].__wrapped__.__globals__["Gauge"]()


def test_a_run_that_no_worker_could_begin_is_continued_inline(workspace, load):
    process = load(MAPPED.format(gauge="Gauge()", errors="stop"))
    with pytest.raises(StageExecutionError):
        process.run(workspace=workspace)
    run = process.run(workspace=workspace, executor="inline")
    assert [2, 4, 6] == list(run.results["score"])
