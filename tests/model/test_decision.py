"""A decision is checked by its annotation, in Python and as text, before anything runs."""

import enum
from dataclasses import dataclass
from typing import Annotated, Literal, Optional, TypedDict

import msgspec
import pydantic
import pytest

from milepost import File, Meta
from milepost.errors import DecisionValidationError, InvalidDataError
from milepost.model.decision import DecisionPoint, settle


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Window:
    start: int
    stop: int = 10


class Row(TypedDict):
    name: str
    size: int


class Model(pydantic.BaseModel):
    depth: int


class Shape(msgspec.Struct):
    sides: int


def point(annotation, **more):
    return DecisionPoint(stage="score", name="choice", annotation=annotation, **more)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (Literal["a", "b"], "b", "b"),
        (Optional[int], None, None),
        (int | None, 4, 4),
        (Colour, "red", Colour.RED),
        (Colour, Colour.BLUE, Colour.BLUE),
        (Window, {"start": 1}, Window(1)),
        (Window, Window(2, 3), Window(2, 3)),
        (Row, {"name": "x", "size": 1}, {"name": "x", "size": 1}),
        (Model, {"depth": 2}, Model(depth=2)),
        (Model, Model(depth=3), Model(depth=3)),
        (list[Model], [{"depth": 2}], [Model(depth=2)]),
        (Shape, {"sides": 3}, Shape(3)),
        (Annotated[float, Meta(ge=0, le=1)], 0.5, 0.5),
        (list[Literal[1, 2]], [2, 1], [2, 1]),
        (File, "a.csv", File("a.csv")),
        (list[File], ["a", "b"], [File("a"), File("b")]),
    ],
)
def test_a_fitting_value_is_accepted_as_its_type(annotation, value, expected):
    accepted = point(annotation).accept(value)
    assert expected == accepted
    assert type(expected) is type(accepted)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, True),  # a boolean is no number
        (int, "3"),
        (int, None),
        (Literal["a"], "c"),
        (Annotated[float, Meta(le=1)], 1.5),
        (Window, {"stop": 1}),
        (Row, {"name": "x"}),
        (Model, {"depth": "deep"}),
        (Colour, "green"),
        (File, ""),
        (File, 3),
    ],
)
def test_an_unfitting_value_names_stage_decision_and_value(annotation, value):
    with pytest.raises(DecisionValidationError, match=r"stage 'score': decision 'choice' = .* does not fit") as caught:
        point(annotation).accept(value)
    assert caught.value.details == {"stage": "score", "decision": "choice"}


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (float, "0.8", 0.8),
        (int, "3", 3),
        (str, "3", "3"),
        (str, "true", "true"),
        (bool, "true", True),
        (bool, "False", False),
        (Literal["fast", "slow"], "fast", "fast"),
        (Optional[str], "None", None),
        (Optional[str], "abc", "abc"),
        (list[int], "[1, 2]", [1, 2]),
        (Colour, "blue", Colour.BLUE),
        (Window, '{"start": 4}', Window(4)),
        (File, "data/a.csv", File("data/a.csv")),
    ],
)
def test_a_text_becomes_a_value_by_its_annotation(annotation, text, expected):
    accepted = point(annotation).accept_text(text)
    assert expected == accepted
    assert type(expected) is type(accepted)


def test_a_text_that_fits_nothing_is_refused_by_name():
    with pytest.raises(DecisionValidationError, match="'choice' = 'much' does not fit"):
        point(float).accept_text("much")


def test_a_decision_without_value_names_stage_parameter_and_nearest_stage():
    points = {"clean": {}, "score": {"claen": DecisionPoint(stage="score", name="claen")}}
    with pytest.raises(InvalidDataError, match="stage 'score' needs 'claen': pass --set score.claen=… .*stage 'clean'"):
        settle(points, {})


def test_an_unknown_stage_or_decision_suggests_the_nearest():
    points = {"score": {"threshold": DecisionPoint(stage="score", name="threshold", default=1)}}
    with pytest.raises(InvalidDataError, match="'scroe': no such stage. Did you mean 'score'"):
        settle(points, {"scroe": {"threshold": 1}})
    with pytest.raises(InvalidDataError, match="no decision 'treshold'. Did you mean 'threshold'"):
        settle(points, {"score": {"treshold": 1}})


def test_a_given_value_is_chosen_and_an_absent_one_is_the_default():
    points = {"score": {name: DecisionPoint(stage="score", name=name, default=1) for name in "ab"}}
    settled = settle(points, {"score": {"a": 2}})
    assert [(2, "chosen"), (1, "default")] == [(c.value, c.source) for c in settled["score"].values()]
