"""Item keys: named by a field or by content, never by position."""

from __future__ import annotations

import datetime
import enum
import tracemalloc
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.errors import InvalidDataError, UnkeyableError
from milepost.model.fingerprint import digest
from milepost.model.items import Numbers, item_keys, key_text


@dataclass
class Invoice:
    invoice_id: int
    amount: float = 1.0


class Colour(enum.Enum):
    RED = 1


def test_a_field_an_attribute_or_a_callable_names_the_item() -> None:
    """The key's text, and the digest of the whole item."""
    rows = [{"id": "INV-1", "n": 1}, {"id": "INV-2", "n": 1}]
    assert list(item_keys(rows, "id", stage="s")) == [("INV-1", digest(rows[0])), ("INV-2", digest(rows[1]))]
    assert [text for text, _ in item_keys([Invoice(7)], "invoice_id", stage="s")] == ["7"]
    assert [text for text, _ in item_keys([3, 4], lambda item: f"n{item}", stage="s")] == ["n3", "n4"]


def test_without_a_key_the_content_names_the_item() -> None:
    """Equal items are numbered in order of appearance from the second on; the position does not count."""
    keys = [text for text, _ in item_keys(["a", "b", "a", "a"], stage="s")]
    a, b = digest("a").hex(), digest("b").hex()
    assert keys == [a, b, f"{a}#2", f"{a}#3"]
    assert [text for text, _ in item_keys(["new", "b", "a"], stage="s")][1:] == [b, a]


def test_two_items_with_one_key_are_an_error_that_names_both() -> None:
    """Positions and value, before any result could be mixed up."""
    rows = [{"id": 1}, {"id": 2}, {"id": 1}]
    with pytest.raises(InvalidDataError, match=r"stage 'score': items 0 and 2 have the same key 1"):
        list(item_keys(rows, "id", stage="score"))


def test_a_missing_field_names_the_item_and_the_nearest_field() -> None:
    """What, where, what to do."""
    with pytest.raises(InvalidDataError, match=r"item 1 \(dict\) has no 'invoice_id'.*'invoice_no'"):
        list(item_keys([{"invoice_id": 1}, {"invoice_no": 2}], "invoice_id", stage="s"))
    with pytest.raises(InvalidDataError, match=r"item 0 \(Invoice\) has no 'id'.*amount, invoice_id"):
        list(item_keys([Invoice(1)], "id", stage="s"))


def test_a_key_function_that_raises_is_named_with_the_item() -> None:
    """The cause is kept."""
    with pytest.raises(InvalidDataError, match="key= raised ZeroDivisionError at item 1") as caught:
        list(item_keys([1, 0], lambda item: 1 / item, stage="s"))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_item_without_a_fingerprint_is_an_error_with_its_path() -> None:
    """The item's position and where in it."""
    with pytest.raises(UnkeyableError, match=r"stage 's': item\[1\]\['f'\] has no fingerprint"):
        list(item_keys([{"f": 1}, {"f": lambda: 1}], stage="s"))
    with pytest.raises(UnkeyableError, match=r"stage 's': the key of item 0"):
        list(item_keys([{"f": lambda: 1}], "f", stage="s"))


VALUES = [
    1, "1", 1.0, "1.0", True, "True", None, "None", "", " ", " a", "a", '"a"', b"a", "b'a'", "nan", float("nan"), "1e5",
    "1_000", -1, "-1", 0.0, -0.0, "a\nb", "a\\nb", "\ud800", "\u202ex", "report (1).pdf", "f(x)", (1, "a"), ("1", "a"),
    "(1, a)", ("a, b",), ("a", "b"), ("a", ("b",)), Decimal("1"), uuid.UUID(int=1), datetime.date(2026, 1, 2),
    "2026-01-02", "date(2026-01-02)", datetime.datetime(2026, 1, 2), Colour.RED, numpy.int64(1), numpy.float64(1),
    10**5000, 10**5000 + 1, "x" * 10**6, "x" * 10**6 + "y", "[1]", [1], {"a": 1}, "{", "é", "../../etc/passwd", "a\0b",
    ("a)", "b"), ("a", '"'), ('a", "b',), ("",), (), ((),), ("(",), ("1, 2",), (1, 2), "٣", 3, "inf", "Infinity",
]  # fmt: skip


def test_key_texts_are_readable_and_all_different() -> None:
    """Type-faithful, one printable line, bounded."""
    texts = [key_text(value) for value in VALUES]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text.isprintable()
        assert 0 < len(text) <= 250
    for plain in ("a", "é", "2026-01-02", "../../etc/passwd", "report (1).pdf"):
        assert key_text(plain) == plain


plain = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.decimals(allow_nan=False)
)
keys = st.recursive(plain, lambda inner: st.tuples(inner) | st.tuples(inner, inner), max_leaves=4)


@given(keys, keys)
@settings(max_examples=300, deadline=None)
def test_two_keys_share_a_text_only_when_they_are_equal(one: object, two: object) -> None:
    """In type and in value."""
    assert (key_text(one) == key_text(two)) == (digest(one) == digest(two))


@given(st.lists(st.binary(min_size=16, max_size=16)))
@settings(max_examples=50, deadline=None)
def test_the_table_answers_as_a_dict_would(digests: list[bytes]) -> None:
    """First number kept, repeats told, changes taken in: wherever in the table a digest has its place."""
    table, expected = Numbers(near=5), {}
    for number, each in enumerate(digests):
        assert table.put(each, number) == expected.get(each)
        expected.setdefault(each, number)
    assert len(table) == len(expected)
    for number, each in enumerate(expected):
        table.change(each, number + 7)
        assert table.put(each, 0) == number + 7


def rows(count: int) -> Iterator[dict[str, int]]:
    for number in range(count):
        yield {"id": number}


@pytest.mark.parametrize("key", ["id", None])
def test_many_items_take_little_memory(key: str | None) -> None:
    """Items are taken one at a time; beyond 12 MB what is kept is less than 70 bytes an item at any moment."""
    tracemalloc.start()
    try:
        count = sum(1 for _ in item_keys(rows(70_000), key, stage="s"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 70_000
    assert peak < 12_000_000 + 70_000 * 70


def test_the_table_takes_little_memory() -> None:
    """A digest beyond the first ones costs less than 50 bytes."""
    digests = [digest(number) for number in range(100_000)]
    table = Numbers(near=0)
    tracemalloc.start()
    try:
        for each in digests:
            table.put(each, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000 * 50
