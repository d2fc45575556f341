"""What counts in the fingerprint of a value, and what has none."""

from __future__ import annotations

import array
import collections
import enum
import functools
import io
import logging
import operator
import pickle
import re
import subprocess
import sys
import threading
import types
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.errors import UnkeyableError
from milepost.model.fingerprint import digest, preview


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Flags(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Card:
    x: int = 1
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Slotted:
    x: int = 1


class Row(msgspec.Struct):
    x: int = 1


class Model(pydantic.BaseModel):
    x: int = 1
    y: int = 2
    _hidden: int = pydantic.PrivateAttr(default=0)


class Plain:
    def __init__(self, x: object = 1) -> None:
        self.x = x


class Other(Plain):
    pass


class Text(str):
    pass


class Number(int):
    pass


class Listed(list):
    pass


class Hostile:
    """Whatever of it is called raises."""

    def __init__(self, x: object = 1) -> None:
        self.__dict__["x"] = x

    def _raise(self, *args: object) -> object:
        raise RuntimeError("do not call me")

    __eq__ = __hash__ = __repr__ = __str__ = __reduce__ = __reduce_ex__ = _raise  # type: ignore[assignment]
    __getattr__ = __len__ = __iter__ = __bool__ = _raise  # type: ignore[assignment]


class Keyed:
    def __init__(self, name: str, cache: object) -> None:
        self.name, self.cache = name, cache

    def __milepost_key__(self) -> object:
        return self.name


DIFFERENT = [
    1, "1", b"1", True, 1.0, Decimal(1), Fraction(1), 1 + 0j, Level.LOW, Number(1), [1], (1,), {1}, frozenset({1}),
    0, False, 0.0, -0.0, None, "", b"", bytearray(), [], (), {}, set(), frozenset(), range(0), ..., NotImplemented,
    float("nan"), float("inf"), -float("inf"), "nan", 2**63, 2**64, -(2**63) - 1, 10**5000, -(10**5000), 2**53 + 1,
    float(2**53), "None", "\ud800", "é", "e\u0301", Text("1"), Text(""), Listed(), Listed([1]), {"x": 1}, Plain(1),
    Other(1), Plain("1"), Card(1), Slotted(1), Row(1), Model(x=1), Point(1, 2), (1, 2), [1, 2], {1: 2}, {"1": 2},
    {(1,): 2}, {1, 2}, [[1], 2], [[1, 2]], [1, [2]], ["a", "b"], ["ab"], [["a"], ["b"]], Colour.RED, Colour.BLUE,
    Flags.A, Flags.A | Flags.B, types.SimpleNamespace(x=1), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, fold=1), datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))), date(2026, 1, 1), time(0), time(0, tzinfo=UTC),
    timedelta(0), timedelta(1), datetime(1, 1, 1), datetime(9999, 12, 31), uuid.UUID(int=1), Path("a"), "a",
    PurePosixPath("a/b"), re.compile("a"), re.compile("a", re.I), re.compile(b"a"), array.array("i", [1]),
    array.array("l", [1]), collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), {"a": 1, "b": 2},
    collections.Counter("ab"), collections.deque([1]), collections.deque([1], 3), collections.defaultdict(list),
    collections.defaultdict(set), range(1, 5, 2), slice(1), functools.partial(int, "1"), functools.partial(int, "2"),
    operator.itemgetter(1), operator.attrgetter("a"), ValueError("a"), ValueError("b"), int, float, len, str.upper,
    list[int], list[str], int | None, logging.getLogger("a"), types.MappingProxyType({"a": 1, "b": 2}), Keyed("a", 0),
    Keyed("b", 0), memoryview(b"1"), Decimal("1.0"), Decimal("nan"), UTC, ZoneInfo("UTC"), object(), Hostile(1),
    Hostile(2), complex(0.0, -0.0), [0.0], [-0.0], [0], [False], [None], {"a": 0.0}, {"a": -0.0}, {"a": 0},
    {"a": "\ud800"}, {"a": 2**64}, {"a": [1]}, {"a": (1,)}, {"a": float("nan")}, (float("nan"),), [float("nan")],
]  # fmt: skip


def test_any_two_of_many_different_values_have_different_digests() -> None:
    """1, "1", b"1", True and 1.0, list and tuple, an object and a dict, and 150 others are all told apart."""
    seen: dict[bytes, int] = {}
    for position, value in enumerate(DIFFERENT):
        found = digest(value)
        assert len(found) == 16
        assert found not in seen, (position, seen[found])
        seen[found] = position


def test_they_are_told_apart_inside_containers_too() -> None:
    """No value can stand for another in a list, a dict or an attribute."""
    for wrap in (lambda v: [v], lambda v: (v, [1]), lambda v: {"k": v}, lambda v: Plain(v), lambda v: {"k": [v]}):
        assert len({digest(wrap(value)) for value in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (float("nan"), -float("nan")),
        ([float("nan")], [-float("nan")]),
        ({"a": float("nan")}, {"a": float("inf") - float("inf")}),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
        ({3, 1, 2, "a", b"x", None}, {None, b"x", "a", 2, 1, 3}),
        (collections.Counter("aab"), collections.Counter("baa")),
        (Model(), Model(x=1)),
        (Path("a/./b"), Path("a/b")),
        (range(3), range(3)),
        (Keyed("a", 1), Keyed("a", threading.Lock())),
        (Plain([1, 2]), Plain([1, 2])),
        (functools.partial(int, base=2), functools.partial(int, base=2)),
    ],
)
def test_equal_values_have_equal_digests(one: object, two: object) -> None:
    """Order of keys and elements, and which NaN it is, do not count."""
    assert digest(one) == digest(two)


def test_sharing_does_not_count() -> None:
    """The same list twice, and two equal lists, are one value; a million-fold shared value ends at once."""
    inner = [1, [2]]
    assert digest([inner, inner]) == digest([[1, [2]], [1, [2]]])
    deep: list[object] = [1, [2]]
    for _ in range(90):
        deep = [deep, deep]
    assert len(digest(deep)) == 16


def test_use_of_a_cached_property_does_not_count() -> None:
    """Reading an attribute never changes what an object is."""

    class Lazy:
        @functools.cached_property
        def heavy(self) -> int:
            return 1

    one, two = Lazy(), Lazy()
    assert one.heavy == 1
    assert digest(one) == digest(two)


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def looped() -> object:
    value: dict[str, object] = {}
    value["a"] = [value]
    return value


def looped_object() -> object:
    value = Plain()
    value.x = {"me": value}
    return value


def boom() -> object:
    class Boom:
        def __getstate__(self) -> object:
            raise RuntimeError("no")

    return Boom()


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"layers": [1, 2, 3, threading.Lock()]}, "decisions.model['layers'][3]", "lock"),
        ((x for x in ()), "decisions.model", "pass a list"),
        ([lambda: 1], "decisions.model[0]", "code"),
        ([Plain, 1], "decisions.model[0]", "class Plain"),
        ({"a": Plain({"b": io.StringIO()})}, "decisions.model['a'].x['b']", "StringIO"),
        (looped(), "decisions.model['a'][0]", "contains itself"),
        (looped_object(), "decisions.model.x['me']", "contains itself"),
        (nested(1000), "decisions.model[0][0]", "nested"),
        ([iter([])], "decisions.model[0]", "list_iterator"),
        (Row(x=open), "decisions.model.x", ""),
        ([boom()], "decisions.model[0]", "__getstate__ raised RuntimeError"),
        (threading.RLock(), "decisions.model", "lock"),
    ],
)
def test_what_has_no_fingerprint_is_an_error_with_its_path(value: object, path: str, reason: str) -> None:
    """Never a random key: a lock, a lambda, an open file, a cycle are refused where they are."""
    if isinstance(value, Row):
        value.x = lambda: 1  # type: ignore[assignment]
    with pytest.raises(UnkeyableError, match=re.escape(path)) as caught:
        digest(value, name="decisions.model")
    assert str(caught.value.details["path"]).startswith(path)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 400


def test_open_files_are_refused(tmp_path: Path) -> None:
    """What a file handle would give depends on where it stands."""
    with (tmp_path / "a").open("w") as file, pytest.raises(UnkeyableError, match="open file"):
        digest([file])
    with (tmp_path / "a").open("rb") as file, pytest.raises(UnkeyableError, match="open file"):
        digest([file])


def test_a_million_levels_are_refused_without_a_recursion_error() -> None:
    """10**6 nested lists are an error of ours, quickly."""
    with pytest.raises(UnkeyableError, match="nested deeper"):
        digest(nested(10**6))


def test_a_hundred_and_fifty_levels_have_a_fingerprint() -> None:
    """Deep but sane data are keyed."""
    assert digest(nested(150)) != digest(nested(151))


def test_hostile_objects_are_keyed_by_their_state() -> None:
    """An object whose every method raises has a fingerprint all the same, or a clear error."""
    assert digest(Hostile(1)) == digest(Hostile(1))
    assert digest({"a": [Hostile(1)]}) != digest({"a": [Hostile(2)]})
    assert isinstance(preview(Hostile(1)), str)


def test_a_class_that_only_claims_to_be_another_is_not_it() -> None:
    """`__module__` and `__class__` can lie."""
    liar = type("Decimal", (), {"__module__": "decimal", "__init__": lambda self: setattr(self, "n", 1)})
    assert digest(liar()) != digest(Decimal(1))
    with pytest.raises(UnkeyableError):
        digest(type("int", (), {"__module__": "builtins"}))


def test_the_hook_turns_code_into_bytes() -> None:
    """Functions, classes, modules and methods are what the hook says they are."""

    def hook(value: object) -> bytes:
        return getattr(value, "__name__", "?").encode()

    assert digest([nested], functions=hook) == digest([nested], functions=hook)
    assert digest([nested], functions=hook) != digest([looped], functions=hook)
    assert digest(Plain(1).__init__, functions=hook) != digest(Plain(2).__init__, functions=hook)
    assert digest(functools.partial(nested, 1), functions=hook) != digest(functools.partial(nested, 2), functions=hook)
    assert digest(functools.lru_cache(nested), functions=hook)
    assert digest(collections.defaultdict(Plain), functions=hook)


def test_errors_of_the_hook_keep_the_path() -> None:
    """A function that the hook refuses is named with where it stands."""

    def hook(value: object) -> bytes:
        raise UnkeyableError("sales.LOCK has no fingerprint")

    with pytest.raises(UnkeyableError, match=r"value\['f'\].*sales.LOCK"):
        digest({"f": nested}, functions=hook)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters()), st.binary(),
    st.decimals(allow_nan=False),
    st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.dates(), st.timedeltas(), st.uuids(), st.complex_numbers(),
)  # fmt: skip
hashable = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=4) | st.tuples(inner)
    | st.sets(hashable, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(values)
@settings(max_examples=150, deadline=None)
def test_a_pickled_copy_has_the_same_digest(value: object) -> None:
    """Identity, interning and sharing never count."""
    assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


def typed(value: object) -> object:
    """A value in which everything that counts shows in `==`."""
    if isinstance(value, dict):
        return dict, frozenset((typed(k), typed(v)) for k, v in value.items())
    if isinstance(value, set | frozenset):
        return type(value), frozenset(map(typed, value))
    if isinstance(value, list | tuple):
        return type(value), tuple(map(typed, value))
    return type(value), repr(value)


@given(values, values)
@settings(max_examples=300, deadline=None)
def test_digests_are_equal_exactly_when_values_are(one: object, two: object) -> None:
    """Equal in type and content: equal digests; anything else: different ones."""
    assert (digest(one) == digest(two)) == (typed(one) == typed(two))


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text(), max_size=8))
@settings(max_examples=150, deadline=None)
def test_the_order_of_insertion_does_not_count(fields: dict[str, object]) -> None:
    """Flat or not, a dict built in any order is the same; and inside others as alone."""
    backwards = dict(reversed(fields.items()))
    assert digest(fields) == digest(backwards)
    assert digest([fields]) == digest([backwards])
    assert digest({**fields, "deep": [[1]]}) == digest({"deep": [[1]], **backwards})


PROGRAM = """
import sys; sys.path.insert(0, {folder!r})
import test_fingerprint_values as here
from milepost.model.fingerprint import digest
print([digest(value).hex() for value in here.DIFFERENT])
"""


def test_every_process_agrees() -> None:
    """The digests are the same in other processes, whatever PYTHONHASHSEED."""
    program = PROGRAM.format(folder=str(Path(__file__).parent))
    answers = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout  # fmt: skip
        for seed in ("0", "1", "4711")
    }
    assert len(answers) == 1


def test_numbers_do_not_change_between_releases() -> None:
    """Stored keys stay valid: these digests are part of the format."""
    assert digest({"a": 1, "b": [True, None, 2.5, "x"]}).hex() == FORMAT[0]
    assert digest((b"x", {1, 2}, Decimal("1.5"), date(2026, 1, 2))).hex() == FORMAT[1]


FORMAT = ["eb7cd55362b6d4a17bd3545c3120ebee", "5f7d046fc281efc1af5180eadc0f8e22"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.75, "0.75"),
        ("a\nb\x1b[31m\u202e", r"'a\nb\x1b[31m\u202e'"),
        (Text("a"), "Text('a')"),
        (Colour.RED, "Colour.RED"),
        (Card(2), "Card(x=2, tags=[])"),
        (Row(2), "Row(x=2)"),
        ([[[[[1]]]]], "[[[[…]]]]"),
        (Plain, "<type Plain>"),
        (2**600, "int of 601 bits"),
        ((1,), "(1,)"),
    ],
)
def test_a_preview_is_short_and_safe(value: object, text: str) -> None:
    """One line, no control characters, no addresses."""
    assert preview(value) == text


@given(values)
@settings(max_examples=100, deadline=None)
def test_a_preview_never_raises_and_keeps_its_limit(value: object) -> None:
    """Whatever the value, at most `limit` printable characters."""
    text = preview(value, 50)
    assert len(text) <= 50
    assert text.isprintable()
