"""A step as a value: its fields, its forms, its time."""

import json
import pickle
import warnings
from datetime import UTC, datetime, timedelta, timezone

import pytest

from milepost.steps import ProcessingStatus, ProcessingStep
from milepost.steps.moments import from_seconds, to_seconds

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def test_a_step_is_what_it_was_made_of():
    """Fields by name or by place; no details and no metadata are empty ones; the time is now, in UTC."""
    step = ProcessingStep("ocr", ProcessingStatus.RUNNING)
    assert (step.details, step.metadata) == ({}, {"metrics": {}, "error_message": None})
    assert (step.duration_ms, step.error_message) == (None, None)
    assert abs(datetime.now(UTC) - step.timestamp) < timedelta(minutes=1)
    assert step.timestamp.utcoffset() == timedelta(0)
    assert pickle.loads(pickle.dumps(step)) == step


@pytest.mark.parametrize("status", ProcessingStatus)
def test_ends_and_errors(status):
    """Over is all but PENDING and RUNNING; wrong are ERROR and FAILED."""
    step = ProcessingStep("ocr", status)
    assert step.is_terminal_state() is (status not in (ProcessingStatus.PENDING, ProcessingStatus.RUNNING))
    assert step.is_error_state() is (status in (ProcessingStatus.ERROR, ProcessingStatus.FAILED))


@pytest.mark.parametrize("status", ["SUCCESS", "success", " Success ", "ProcessingStatus.SUCCESS"])
def test_a_status_by_its_name(status):
    """In any case, also as an enumeration prints itself."""
    assert ProcessingStep("ocr", status).status is ProcessingStatus.SUCCESS


@pytest.mark.parametrize(
    ("status", "said"), [("sucess", "Did you mean 'success'"), ("done", "Known: "), (None, "None"), (3, "3")]
)
def test_a_bad_status(status, said):
    """What is none is refused, and the nearest is named."""
    with pytest.raises(ValueError, match=said):
        ProcessingStep("ocr", status)


def test_through_a_dict_and_json_and_back():
    """to_dict is JSON as it stands; from_dict reads it, and what has an enum, a datetime or seconds in it."""
    step = ProcessingStep(
        "ocr", "warning", {"pages": 3}, {"metrics": {"duration_ms": 2.5}, "error_message": "dim"}, NOON
    )
    told = step.to_dict()
    assert ProcessingStep.from_dict(json.loads(json.dumps(told, allow_nan=False))) == step
    assert ProcessingStep.from_dict(told | {"status": ProcessingStatus.WARNING, "timestamp": NOON}) == step
    assert ProcessingStep.from_dict(told | {"timestamp": NOON.timestamp()}) == step
    assert ProcessingStep.from_dict(told | {"timestamp": "2026-01-02T12:00:00Z"}) == step
    assert ProcessingStep.from_dict({"step_name": "ocr", "status": "success"}).details == {}


def test_a_dict_of_anything_is_json():
    """Details that JSON cannot hold do not keep a step from becoming one."""
    step = ProcessingStep("ocr", "success", {"score": float("nan"), "when": NOON, "raw": b"xy"})
    assert json.loads(json.dumps(step.to_dict(), allow_nan=False))["details"] == {
        "score": "nan",
        "when": NOON.isoformat(),
        "raw": "<2 bytes>",
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"status": "success"}, "step_name"),
        ({"step_name": "ocr"}, "status"),
        ({}, "no fields"),
        ({"step_name": "ocr", "status": "success", "timestamp": "noon"}, "ISO 8601"),
    ],
)
def test_a_dict_that_is_no_step(data, said):
    """What is missing or wrong is named."""
    with pytest.raises(ValueError, match=said):
        ProcessingStep.from_dict(data)


def test_a_naive_time_is_utc_and_warned_of_once():
    """However many there are."""
    with pytest.warns(RuntimeWarning, match="taken as UTC") as seen:
        steps = [ProcessingStep("ocr", "success", timestamp=NOON.replace(tzinfo=None)) for _ in range(100)]
    assert len(seen) == 1
    assert {step.timestamp for step in steps} == {NOON}


def test_another_time_zone_is_the_same_moment():
    """Times come out in UTC; the hour that a clock shows twice is told apart."""
    there = timezone(timedelta(hours=-5))
    assert ProcessingStep("ocr", "success", timestamp=NOON.astimezone(there)).timestamp.hour == 12


@pytest.mark.parametrize("year", [1, 1969, 1970, 2038, 2100, 9999])
def test_times_of_any_year(year):
    """Rows keep them to the microsecond (far from now, as near as a float is)."""
    moment = datetime(year, 6, 7, 8, 9, 10, 123456, tzinfo=UTC)
    assert abs(from_seconds(to_seconds(moment)) - moment) <= timedelta(microseconds=0 if 1969 <= year <= 2100 else 20)


def test_times_that_are_none():
    """A date as text, and a moment that UTC has no year for, are refused with a reason; a damaged row has a time."""
    with pytest.raises(TypeError, match="is a datetime, not str"):
        to_seconds("2026-01-02")
    with pytest.raises(ValueError, match="outside"):
        to_seconds(datetime.min.replace(tzinfo=timezone(timedelta(hours=5))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_seconds(1e30).year == 9999
        assert from_seconds(-1e30).year == 1
        assert from_seconds(float("nan")).year == 1970


class Bad:
    """Nothing can be said of it."""

    def __repr__(self):
        raise RuntimeError("no text")


JUNK = [0, 1, True, 1.5, 10**5000, b"x", [], [1], object(), Bad(), lambda: 1, float("nan")]


@pytest.mark.parametrize("junk", [*JUNK, None, {}, ""], ids=lambda value: type(value).__name__)
def test_a_step_is_called_by_a_text(junk):
    """A step without a name could be read by nobody."""
    for make in (lambda: ProcessingStep(junk, "success"), lambda: ProcessingStep.from_dict(row(step_name=junk))):
        with pytest.raises((TypeError, ValueError), match="a step's name"):
            make()


@pytest.mark.parametrize("junk", [*JUNK, "text"], ids=lambda value: type(value).__name__)
def test_details_of_any_shape_are_kept_and_metadata_is_a_dict(junk):
    """Details under "value", as those that are read from a ledger; both ways JSON can hold them."""
    for step in (ProcessingStep("ocr", "success", junk), ProcessingStep.from_dict(row(details=junk))):
        assert list(step.details) == ["value"]
        json.dumps(step.to_dict(), allow_nan=False)
        with pytest.raises(TypeError, match="metadata is a dict"):
            ProcessingStep("ocr", "success", {}, junk)
        with pytest.raises(TypeError, match="metadata is a dict"):
            ProcessingStep.from_dict(row(metadata=junk))


@pytest.mark.parametrize("junk", [b"x", [], object(), Bad(), "junk", "", {}], ids=lambda value: type(value).__name__)
def test_a_time_that_is_none_is_refused(junk):
    with pytest.raises((TypeError, ValueError), match="timestamp"):
        ProcessingStep.from_dict(row(timestamp=junk))


def row(**changed):
    return {"step_name": "ocr", "status": "success", **changed}
