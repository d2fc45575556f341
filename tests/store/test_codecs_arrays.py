"""numpy's arrays and scalars come back with dtype, shape, order and every bit, mapped and writable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from milepost.store import codecs
from milepost.store.objects import Objects

DTYPES = st.one_of(
    hn.scalar_dtypes(),
    hn.byte_string_dtypes(),
    hn.unicode_string_dtypes(),
    hn.datetime64_dtypes(endianness="?"),
    hn.array_dtypes(hn.scalar_dtypes(), min_size=1, max_size=3, allow_subarrays=True),
)
SHAPES = hn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def back(value: object) -> object:
    encoded = codecs.encode(value)
    return codecs.decode(encoded.codec, memoryview(bytearray(b"".join(encoded.payload))))


@settings(max_examples=120, deadline=None)
@given(DTYPES.flatmap(lambda dtype: hn.arrays(dtype, SHAPES)), st.sampled_from("CF"))
def test_every_array_comes_back_bit_for_bit(array: np.ndarray, order: str) -> None:
    """Any dtype without objects, any shape (0-d and empty too), both orders; without pickle."""
    array = np.array(array, order=order)  # type: ignore[call-overload]
    assert codecs.encode(array).codec == "tree+"
    result = back(array)
    assert isinstance(result, np.ndarray)
    assert (array.dtype, array.shape) == (result.dtype, result.shape)
    assert (array.flags.c_contiguous, array.flags.f_contiguous) == (
        result.flags.c_contiguous,
        result.flags.f_contiguous,
    )
    assert array.tobytes() == result.tobytes()
    assert result.flags.writeable
    assert result.flags.aligned


@pytest.mark.parametrize("view", [np.s_[::2], np.s_[::-1], np.s_[:, 1], np.s_[1:3, ::2]])
def test_strided_views_come_back_equal(view: object) -> None:
    """A view is stored as the values it shows, not as what it shows a part of."""
    array = np.arange(10_000).reshape(100, 100)[view]  # type: ignore[call-overload]
    np.testing.assert_array_equal(array, back(array))
    assert codecs.encode(array).size_bytes < array.nbytes + 500


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64(1.5), np.float32(-0.0), np.float16(np.nan), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True),
        np.complex64(1j), np.longdouble("0.1"), np.longlong(3), np.str_("a\0"), np.str_(""), np.bytes_(b"x\0"),
        np.datetime64("2020-01-01T00:00", "ns"), np.datetime64("NaT"), np.timedelta64(3, "D"),
        np.array([(1, 2.5)], dtype=[("a", ">i4"), ("b", "f8")])[0],
    ],
    ids=repr,
)  # fmt: skip
def test_scalars_keep_their_types(scalar: np.generic) -> None:
    """np.float64(1.5) is not 1.5, and np.str_ is not str."""
    assert codecs.encode(scalar).codec == "tree"
    result = back(scalar)
    assert type(scalar) is type(result)
    assert repr(scalar) == repr(result)
    assert scalar.dtype == result.dtype  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, None, "a"], dtype=object),
        np.ma.array([1, 2], mask=[True, False]),
        np.array(["a", "long text"], dtype=np.dtypes.StringDType()),
        np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        np.zeros(2, dtype=[("a", object)]),
    ],
    ids=["object", "masked", "string", "aligned", "nested object"],
)
def test_other_arrays_are_pickled_and_equal(array: np.ndarray) -> None:
    """What raw bytes cannot hold exactly goes by pickle, and keeps its type."""
    assert codecs.encode(array).codec.startswith("pickle")
    result = back(array)
    assert type(array) is type(result)
    assert array.dtype == result.dtype  # type: ignore[attr-defined]
    assert repr(array) == repr(result)


def test_arrays_inside_other_values_are_mapped_too(tmp_path: Path) -> None:
    """A dict of arrays keeps its structure, and its arrays lie aligned in the file."""
    objects = Objects(tmp_path, b"")
    value = {"model": [np.arange(200_000.0), (np.ones(3), "name")], 7: np.zeros((2, 3), order="F")}
    result = objects.get(objects.put(value).address)
    assert isinstance(result, dict)
    assert ["model", 7] == list(result)
    assert type(result["model"][1]) is tuple
    assert "name" == result["model"][1][1]
    for expected, found in ((value["model"][0], result["model"][0]), (value[7], result[7])):  # type: ignore[index]
        np.testing.assert_array_equal(expected, found)
        assert found.ctypes.data % 64 == 0
        assert not found.flags.owndata


def test_equal_arrays_in_different_memory_have_one_address(tmp_path: Path) -> None:
    """A strided view and its copy are the same value."""
    objects = Objects(tmp_path, b"")
    array = np.arange(20)[::2]
    assert objects.put(array).address == objects.put(array.copy()).address
