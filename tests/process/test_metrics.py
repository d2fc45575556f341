"""Metrics: numbers that stages return or report, kept with the result and with whoever reuses it."""

import math
import threading
import time
from collections import UserDict

import numpy
import pytest

from milepost import Run, Stage
from milepost.errors import InvalidDataError, StageExecutionError
from milepost.model.metrics import dump_metrics, load_metrics, metrics_of
from milepost.model.rows import ResultRow, StageRow
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


class Fitted:
    def __init__(self, metrics):
        self.metrics = metrics


class Hostile:
    @property
    def metrics(self):
        raise RuntimeError("do not look at me")


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        ({"metrics": {"rows": 3, "share": 0.5}}, {"rows": 3, "share": 0.5}),
        (Fitted({"rows": 3}), {"rows": 3}),
        (UserDict(metrics={"rows": 3}), {"rows": 3}),
        ({"metrics": {"one": numpy.float32(0.5), "two": numpy.int64(2)}}, {"one": 0.5, "two": 2}),
        ({"metrics": {"yes": True, "nan": math.nan, "far": -math.inf, "text": "3", "none": None, 3: 4, "": 1}}, {}),
        ({"metrics": {"ctrl\n": 1, "half\ud800": 1, "x" * 201: 1, "x" * 200: 1}}, {"x" * 200: 1}),
        ({"metrics": {"long": 2**70, "longer": 10**400}}, {"long": float(2**70)}),
        ({"metrics": [1, 2]}, {}),
        ({"metrics": None}, {}),
        (Hostile(), {}),
        (Fitted, {}),
        (None, {}),
        ([{"metrics": {"a": 1}}], {}),
    ],
)
def test_what_counts_as_a_metric(returned, found):
    """Finite numbers under a name that can be seen; bools, texts and all else are no metrics, and break nothing."""
    assert metrics_of(returned) == found
    assert load_metrics(dump_metrics(metrics_of(returned))) == found


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "3", None, [1], 10**400])
def test_a_handle_takes_finite_numbers_only(value):
    """Also where no run is under way."""
    with pytest.raises(InvalidDataError, match="metric 'loss' is a finite number"):
        Stage("train").metric("loss", value)


@pytest.mark.parametrize("name", ["", "  ", "a\tb", "x" * 201, 3, None])
def test_a_metric_has_a_name(name):
    """1 to 200 characters."""
    with pytest.raises(InvalidDataError, match="a metric's name is a text"):
        Run().metric(name, 1)


RETRIED = """
    from milepost import Process, Stage, stage

    @stage(retries=RETRIES, retry_delay=0.0, workers=WORKERS)
    def flaky(handle: Stage, fails: int = 1):
        handle.metric(f"of attempt {handle.attempt}", handle.attempt)
        if handle.attempt <= fails:
            raise ValueError("not yet")
        return handle.attempt

    job = Process("job", [flaky])
"""


@pytest.mark.parametrize("workers", ["None", "1"])
def test_only_the_attempt_that_came_to_an_end_counts(workspace, load, workers):
    """What failed attempts reported is not mixed in; a stage that failed for good has none."""
    job = load(RETRIED.replace("RETRIES", "2").replace("WORKERS", workers))
    assert metrics(workspace, job.run(workspace=workspace), "flaky") == {"of attempt 2": 2}
    with pytest.raises(StageExecutionError):
        job.run({"flaky.fails": 9}, workspace=workspace)
    assert load_metrics(workspace.store.get(StageRow, stage="flaky").metrics) == {}


def test_items_have_no_metrics_of_their_own(workspace, load):
    """The error says where to report instead; what takes the result of all may, and async stages as well."""
    process = load("""
        from milepost import Process, Stage, stage

        @stage
        def numbers():
            return [1, 2, 3]

        @stage(each="numbers")
        def square(number, handle: Stage, say: bool = False):
            if say:
                handle.metric("square", number * number)
            return {"metrics": {"of one": number}}

        @stage
        async def total(square, handle: Stage):
            handle.metric("items", len(square))
            return {"metrics": {"items": -1, "sum": sum(one["metrics"]["of one"] for one in square)}}

        job = Process("job", [numbers, square, total])
    """)
    run = process.run(workspace=workspace)
    assert metrics(workspace, run, "square") == {}
    assert metrics(workspace, run, "total") == {"items": -1, "sum": 6}  # what is returned is the last word
    with pytest.raises(StageExecutionError, match="report it from the stage that takes the result of all"):
        process.run({"square.say": True}, workspace=workspace)


def test_what_is_reported_can_be_seen_while_the_stage_works(workspace, load, tmp_path):
    """Before it has a result, from another process or thread."""
    process = load("""
        import time
        from pathlib import Path
        from milepost import Process, Run, stage

        @stage
        def slow(run: Run, place: str = ""):
            run.metric("loss", 0.5)
            deadline = time.monotonic() + 60
            while not Path(place, "seen").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            return 0

        job = Process("job", [slow])
    """)
    seen = threading.Event()

    def look():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            row = workspace.store.get(StageRow, stage="slow")
            if row is not None and row.state is StageState.RUNNING and load_metrics(row.metrics) == {"loss": 0.5}:
                seen.set()
                break
            time.sleep(0.01)
        (tmp_path / "seen").touch()

    looking = threading.Thread(target=look)
    looking.start()
    process.run({"slow.place": str(tmp_path)}, workspace=workspace)
    looking.join()
    assert seen.is_set()


def test_a_result_that_cannot_be_stored_keeps_its_metrics(workspace, load):
    """The stage is not reusable; its numbers are on record."""
    process = load("""
        import threading
        from milepost import Process, stage

        class Held:
            def __init__(self):
                self.lock = threading.Lock()
                self.metrics = {"rows": 3}

        @stage
        def odd():
            return Held()

        job = Process("job", [odd])
    """)
    assert metrics(workspace, process.run(workspace=workspace), "odd") == {"rows": 3}
