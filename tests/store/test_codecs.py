"""Values of Python's own types come back equal, with exactly their types, all the way down."""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.errors import CannotEncode, ObjectDamaged
from milepost.store import codecs
from milepost.store.codecs import Encoded


def _is_equal_to_itself(value: object) -> bool:
    return value == value  # noqa: PLR0124


def _is_hashable(value: object) -> bool:
    return type(value) is not bytearray and not (type(value) is Decimal and value.is_snan())


ZONES = st.sampled_from(
    [None, dt.UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")]
    + [dt.timezone(dt.timedelta(hours=-3)), dt.timezone(dt.timedelta(minutes=7), "odd")]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53 + 1, 2**63, -(2**63) - 1, 2**64]),
    st.floats(),
    st.sampled_from([-0.0, math.nan, struct.unpack("<d", b"\1\0\0\0\0\0\xf8\xff")[0]]),
    st.complex_numbers(),
    st.text(st.characters()),
    st.text(st.characters(categories=["Cs", "L", "Cc"])),
    st.binary(),
    st.binary().map(bytearray),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(timezones=ZONES),
    st.timedeltas(),
    ZONES,
    st.decimals(),
    st.fractions(),
    st.uuids(),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 10**20)),
    st.text(st.characters(exclude_characters="\0")).map(PurePosixPath),
    st.text(st.characters(exclude_characters="\0")).map(PureWindowsPath),
    st.text(st.characters(exclude_characters="\0")).map(Path),
)
HASHABLE = st.recursive(
    SCALARS.filter(_is_hashable),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner.filter(_is_equal_to_itself), max_size=3)
    ),
    max_leaves=4,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.sets(HASHABLE.filter(_is_equal_to_itself), max_size=4),
    ),
    max_leaves=12,
)


def bytes_of(encoded: Encoded) -> bytes:
    return b"".join(encoded.payload)


def back(value: object) -> object:
    encoded = codecs.encode(value)
    return codecs.decode(encoded.codec, memoryview(bytearray(bytes_of(encoded))))


def exact(value: object) -> object:
    """A value as text in which everything that may differ shows: types, bits of floats, order, folds."""
    kind = type(value).__qualname__
    if isinstance(value, float):
        return kind, struct.pack("<d", value)
    if isinstance(value, complex):
        return kind, struct.pack("<dd", value.real, value.imag)
    if isinstance(value, dict):
        return kind, [(exact(key), exact(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return kind, [exact(each) for each in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(exact(each)) for each in value)
    if isinstance(value, dt.datetime | dt.time):
        return kind, repr(value), value.fold, repr(value.tzinfo)
    if isinstance(value, int):
        return kind, hex(value)
    return kind, repr(value)


@settings(max_examples=120, deadline=None)
@given(VALUES)
def test_values_come_back_exactly(value: object) -> None:
    """Every value of these types comes back with the same types, bits and order, without pickle."""
    encoded = codecs.encode(value)
    assert encoded.codec in ("plain", "tree")
    assert exact(value) == exact(back(value))


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_encoding_again_gives_the_same_bytes(value: object) -> None:
    """Bytes depend on the value alone: what came back is encoded to the same bytes."""
    assert bytes_of(codecs.encode(value)) == bytes_of(codecs.encode(back(value)))


@pytest.mark.parametrize(
    "value",
    [
        {1: 2}, {True: "x"}, {None: 1}, {1.5: 1}, {(1, 2): 3}, {b"k": 1}, {"\ud800": 1}, {2**80: 1},
        (1, True, 1.0, "1"), [(), [], {}, set(), frozenset()], Decimal("sNaN"), Decimal("1E+999999"), Fraction(1, 3),
        dt.datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")), dt.datetime.max, dt.date.min,
        UUID(int=5), UUID("c232ab00-9414-11ec-b3c8-9f6bdeced846"), range(5, -3, -2), Path("/a/b"), PurePosixPath("."),
        OrderedDict(b=1, a=2), ...,
    ],
    ids=ascii,
)  # fmt: skip
def test_the_cases_that_other_encodings_lose(value: object) -> None:
    """Keys keep their types, tuples stay tuples, folds, zones and signs stay."""
    assert exact(value) == exact(back(value))


@pytest.mark.parametrize("plain", [[1, "a", {"k": [None, 2.5]}], {"a": b"x"}, 5])
def test_plain_values_take_the_fast_path(plain: object) -> None:
    """What MessagePack holds exactly is plain MessagePack."""
    assert codecs.encode(plain).codec == "plain"


def test_numbers_longer_than_python_prints() -> None:
    """Integers of any length come back, though Python refuses to print them."""
    assert back(10**5000) == 10**5000
    assert back([-(10**5000)]) == [-(10**5000)]


def test_equal_sets_give_equal_bytes() -> None:
    """The order in which a set was filled does not count."""
    assert bytes_of(codecs.encode({"a", "b", 3})) == bytes_of(codecs.encode({3, "b", "a"}))


def test_a_cycle_comes_back_as_a_cycle() -> None:
    """A list that holds itself is pickled rather than followed for ever."""
    value: list[object] = [1]
    value.append(value)
    result = back(value)
    assert isinstance(result, list)
    assert result[1] is result


def test_a_million_levels_are_an_error_not_a_crash() -> None:
    """Nesting beyond all limits is refused with words."""
    value: list[object] = []
    for _ in range(1_000_000):
        value = [value]
    with pytest.raises(CannotEncode, match="list cannot be stored"):
        codecs.encode(value)
    while value:
        value = value.pop()  # type: ignore[assignment]


@pytest.mark.parametrize("depth", [50, 90, 150, 250])
def test_deep_values_that_encode_also_decode(depth: int) -> None:
    """Whatever depth is accepted can be read again."""
    value: object = "end"
    for level in range(depth):
        value = (value,) if level % 2 else [value]
    assert value == back(value)


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        ("plain", b"\x91" * 100_000 + b"\x90"), ("plain", b""), ("plain", b"\xc1"), ("plain", b"\x01\x01"),
        ("tree", b"\xc7\x01\x7f\x00"), ("tree", b"\xc7\x00\x28"), ("tree", b"\xd4\x28\x01"), ("tree", b"\xc7\x00\x0a"),
        ("tree+", b""), ("tree+", b"\xff" * 8), ("tree+", (2**62).to_bytes(8, "little")), ("nonsense", b""),
        ("tree+", b"\x05\0\0\0\0\0\0\0\x92\x91\x7f\x90\x00"), ("tree+", b"\x06\0\0\0\0\0\0\0\x92\x91\xd0\xff\x90\x00"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_value_are_damage(codec: str, payload: bytes) -> None:
    """Decoders refuse nonsense with ObjectDamaged, whatever it declares."""
    with pytest.raises(ObjectDamaged):
        codecs.decode(codec, memoryview(payload))


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["plain", "tree", "tree+"]))
def test_no_bytes_crash_a_data_decoder(payload: bytes, codec: str) -> None:
    """Any bytes give a value or ObjectDamaged, never another exception."""
    try:
        codecs.decode(codec, memoryview(payload))
    except ObjectDamaged:
        pass
