"""What is said of a step: kept as JSON whatever it is, without secrets."""

import dataclasses
import decimal
import enum
import json
import uuid
from collections import deque
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from milepost.model.redaction import register_secret
from milepost.steps.telling import LARGEST_BYTES, heard, told

PLAIN = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**63), 2**64 - 1) | some.text(some.characters(codec="utf-8")),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(some.characters(codec="utf-8")), inner),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"


class Pages(int):
    """A number of its own kind."""


@dataclasses.dataclass
class Box:
    width: float
    words: list


class Hostile:
    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__


class HostileMapping(dict):
    def items(self):
        raise RuntimeError("no")


KEPT = [
    (float("nan"), "nan"),
    (float("-inf"), "-inf"),
    (-0.0, 0.0),
    (b"abc", "<3 bytes>"),
    (10**30, str(10**30)),
    (-(2**63), -(2**63)),
    (2**64 - 1, 2**64 - 1),
    (True, True),
    ((1, [2]), [1, [2]]),
    (deque([1]), "deque([1])"),
    ({7}, [7]),
    (Colour.RED, "red"),
    (Pages(3), 3),
    (np.int64(5), 5),
    (np.float32(0.5), 0.5),
    (np.float64("nan"), "nan"),
    (np.bool_(True), True),
    (np.arange(3), [0, 1, 2]),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=1), str(uuid.UUID(int=1))),
    (Path("/a/b"), "/a/b"),
    (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    (date(2026, 1, 2), "2026-01-02"),
    (timedelta(seconds=90), 90.0),
    (Box(1.5, ["a"]), {"width": 1.5, "words": ["a"]}),
    (ValueError("broken"), "ValueError: broken"),
    (Hostile(), "<Hostile without a text: RuntimeError>"),
    (HostileMapping(a=1), "<HostileMapping without a text: RuntimeError>"),
    ("lone \ud800 and \0", "lone \ud800 and \0"),
    ({1: "a", "1": "b", None: "c"}, {"1": "a", "1'": "b", "None": "c"}),
    ({Colour.RED: 1}, {"red": 1}),
]


@pytest.mark.parametrize(
    ("value", "kept"), KEPT, ids=[f"{n}-{type(value).__name__}" for n, (value, _) in enumerate(KEPT)]
)
def test_what_json_cannot_hold_is_kept_as_what_it_can(value, kept):
    """NaN, bytes, numbers of NumPy, times, enums, lone surrogates, hostile objects: each has its form in JSON."""
    text = told({"value": value})
    assert heard(text) == {"value": kept}
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@given(some.dictionaries(some.text(some.characters(codec="utf-8")).map(lambda text: f"n{text}"), PLAIN, min_size=1))
def test_what_json_can_hold_comes_back(value):
    """Details of plain values are the same when they are read, save what looks like a secret."""
    found = heard(told(value))
    if "***" not in str(found):
        assert found == value
    assert heard(told(value)) == found, "said twice, the same"


def test_circles_and_depths_end():
    """A value inside itself, one in a million others, and a tower of lists are cut; nothing hangs."""
    circle: dict[str, object] = {"n": 1}
    circle["self"] = circle
    assert heard(told(circle)) == {"n": 1, "self": "…"}
    shared: list[object] = []
    for _ in range(60):
        shared = [shared, shared]
    assert len(told({"many": shared})) < 30_000_000
    tower: list[object] = []
    for _ in range(100_000):
        tower = [tower]
    assert "…" in told(tower)


def test_a_value_that_stands_twice_is_told_twice():
    """Only a circle is cut."""
    shared = {"n": 1}
    assert heard(told([shared, shared])) == [{"n": 1}, {"n": 1}]


def test_nothing_said_is_nothing():
    """No details, and empty ones, take no place."""
    assert told(None) is told({}) is None
    assert heard(None) == {}
    assert heard(told([])) == []


def test_what_is_too_large_is_left_out_and_said():
    """More than a row should hold is named in place of what it was."""
    assert "left_out" in heard(told({"text": "x" * (LARGEST_BYTES + 1)}))


def test_secrets_are_masked_however_deep():
    """By name, by look, by registration: in the first step as in the thousandth."""
    register_secret("open sesame")
    said = {
        "password": "hunter22",
        "login": {"api_key": 4711, "user": "ada"},
        "urls": ["postgresql://ada:lovelace@db/x"],
        "said": "open sesame now",
        "open sesame": 1,
        "tokens": 12,
    }
    for _ in range(3):
        text = told(said)
        assert not any(secret in text for secret in ("hunter22", "4711", "lovelace", "open sesame"))
        assert heard(text)["login"]["user"] == "ada"
        assert heard(text)["tokens"] == 12
    assert heard(told({"note": "Bearer abcdefghijklmnop"})) == heard(told({"note": "Bearer abcdefghijklmnop"}))
    assert "abcdefghijklmnop" not in told({"note": "Bearer abcdefghijklmnop"})
