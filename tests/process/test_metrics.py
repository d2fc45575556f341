"""Metrics: numbers that stages return or report, kept with the result and with whoever reuses it."""

import math

import pytest

from milepost.errors import InvalidDataError, StageExecutionError
from milepost.model.metrics import load_metrics
from milepost.model.rows import ResultRow, RunRow, StageRow
from milepost.model.status import StageState

TRAIN = """
    from milepost import Process, Run, Stage, stage

    @stage(workers=WORKERS)
    def train(run: Run, handle: Stage, rate: float = 0.1, epochs: int = 3):
        for epoch in range(epochs):
            handle.metric("loss", 1 / (epoch + 1))
        run.metric("epochs", epochs)
        return {"model": rate, "metrics": {"accuracy": 0.9 + rate / 10, "note": "no number"}}

    @stage
    def report(train):
        return train["model"]

    job = Process("job", [train, report])
"""


def metrics(workspace, run, stage="train"):
    return load_metrics(workspace.store.get(StageRow, run=run.id, stage=stage).metrics)


@pytest.mark.parametrize("workers", ["None", "2"])
def test_reported_and_returned_numbers_are_the_stages(workspace, load, workers):
    """In this process and in workers; the last value of a name counts; who reuses the result has them too."""
    job = load(TRAIN.replace("WORKERS", workers))
    found = {"loss": 1 / 3, "epochs": 3, "accuracy": 0.91}
    first = job.run(workspace=workspace)
    again = job.run(workspace=workspace)
    assert metrics(workspace, first) == metrics(workspace, again) == found
    assert again.stages["train"] is StageState.REUSED
    assert load_metrics(workspace.store.get(ResultRow, stage="train").metrics) == found
    assert metrics(workspace, first, "report") == {}
