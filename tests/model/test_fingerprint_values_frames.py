"""What counts in the fingerprint of arrays, frames and tables, and that how they lie in memory does not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.errors import UnkeyableError
from milepost.model.fingerprint import digest, preview


def frame(**changes: object) -> pd.DataFrame:
    columns = {"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, np.nan, 2.0]}
    return pd.DataFrame({**columns, **changes})


def indexed(index: object) -> pd.DataFrame:
    return frame().set_axis(index, axis=0)


ZONED = pd.date_range("2026-01-01", periods=3, tz="UTC")
ARRAYS = [
    np.zeros(4), np.zeros((2, 2)), np.zeros((4, 1)), -np.zeros(4), np.zeros(4, "f4"), np.zeros(4, "i8"),
    np.zeros(4, ">f8"), np.zeros(4, "i4"), np.zeros(4, "u8"), np.zeros(4, bool), np.zeros(4, "M8[s]"),
    np.zeros(4, "M8[ns]"), np.zeros(4, "m8[s]"), np.zeros(4, "c16"), np.zeros(4, object), np.array(["a", "b"]),
    np.array(["a", "b"], "U5"), np.array([b"a", b"b"]), np.array(["a", "b"], object), np.array(["ab", ""], object),
    np.array(["a", None], object), np.array(["a", np.nan], object), np.array([None, None], object), np.zeros(0),
    np.zeros((0, 3)), np.zeros(4, np.longdouble), np.arange(4), np.arange(4)[::-1], np.float64(1), np.float32(1), 1.0,
    np.int64(1), 1, np.bool_(True), True, np.str_("a"), "a", np.datetime64("2026-01-01"), np.array(1.0), [0.0] * 4,
    np.array([(1, 2.0)], [("x", "i4"), ("y", "f8")]), np.array([(1, 2.0)], [("x", "i4"), ("z", "f8")]),
    np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.array([1, 2]), np.dtype("i4"),
    np.array(["a", "b"], np.dtypes.StringDType()), np.array([[1, "a"], [2.0, None]], object), np.rec.array([(1, 2.0)]),
    np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2), np.arange(6.0).reshape(2, 3).T,
]  # fmt: skip
FRAMES = [
    frame(), frame().rename(columns={"a": "A"}), frame()[["b", "a", "c"]], frame().iloc[::-1], frame().head(2),
    indexed([1, 2, 3]), indexed(["p", "q", "r"]), indexed(ZONED), indexed(ZONED.tz_convert("Europe/Paris")),
    indexed(ZONED.tz_localize(None)), indexed(pd.MultiIndex.from_arrays([[1, 1, 2], list("abc")])),
    indexed(pd.Index([0, 1, 2], name="n")), frame(a=[1, 2, 4]), frame(a=[1.0, 2, 3]), frame(a=["1", "2", "3"]),
    frame(a=pd.array([1, 2, 3], "Int64")), frame(a=pd.array([1, None, 3], "Int64")), frame(a=pd.array([1, 2, 3], "i4")),
    frame(b=["x", "", "z"]), frame(b=["xz", None, ""]), frame(b=pd.Series(["x", None, "z"], dtype=object)),
    frame(b=pd.Series(["x", np.nan, "z"], dtype=object)), frame(b=pd.array(["x", None, "z"], "string")),
    frame(b=pd.Categorical(["x", None, "z"])), frame(b=pd.Categorical(["x", None, "z"], ["x", "y", "z"])),
    frame(b=pd.Categorical(["x", None, "z"], ["z", "x"])), frame(b=pd.Categorical(["x", None, "z"], ordered=True)),
    frame(b=pd.Series([1, "x", None], dtype=object)), frame(a=ZONED), frame(a=ZONED.tz_convert("Europe/Paris")),
    frame(a=ZONED.tz_localize(None)), frame(a=pd.period_range("2026", periods=3, freq="D")),
    frame(a=pd.period_range("2026", periods=3, freq="M")), frame(a=pd.interval_range(0, 3)),
    frame(a=pd.arrays.SparseArray([1, 2, 3])), frame(a=pd.array([True, None, False], "boolean")),
    frame(a=pd.array([1, 2, 3], "int64[pyarrow]")), frame(a=pd.array([1, None, 3], "int64[pyarrow]")),
    frame()["a"], frame()["a"].rename("z"), frame()["a"].to_numpy(), frame()["a"].array, frame()["a"].tolist(),
    frame().columns, pd.Index([0, 1, 2]), pd.DataFrame(), pd.DataFrame(index=[0]), pd.Timestamp("2026-01-01"),
    pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-01-01T00:00:00.000000001"), pd.Timedelta(1, "s"),
    pd.NaT, pd.NA, pd.Period("2026-01"), pd.Interval(0, 1), pd.Interval(0, 1, "left"), pd.CategoricalDtype(["a"]),
    pd.concat([frame(), frame()], axis=1), pd.DataFrame({"a": [1, 2, 3]}), pd.DataFrame({0: [1, 2, 3]}),
]  # fmt: skip
TABLES = [
    pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"b": [1, 2]}), pl.DataFrame({"a": [2, 1]}),
    pl.DataFrame({"a": [1, None]}),
    pl.DataFrame({"a": [1.0, 2.0]}), pl.DataFrame({"a": ["1", "2"]}), pl.DataFrame({"a": ["12", ""]}),
    pl.DataFrame({"a": ["1", None]}), pl.DataFrame({"a": [[1], [2]]}), pl.DataFrame({"a": [True, False]}),
    pl.DataFrame({"a": ["1", "2"]}, {"a": pl.Categorical}), pl.DataFrame({"a": ["1", "2"]}, {"a": pl.Enum(["1", "2"])}),
    pl.DataFrame({"a": [1, 2]}, {"a": pl.Int32}), pl.DataFrame({"a": [1, 2], "b": [1, 2]}), pl.Series("a", [1, 2]),
    pl.Series("b", [1, 2]), pl.Series("a", [1, 2]).cast(pl.Date), pl.Series("a", [1, 2]).cast(pl.Datetime("us")),
    pl.Series("a", [1, 2]).cast(pl.Datetime("us", "UTC")), pl.Series("a", [1, 2]).cast(pl.Decimal(10, 2)),
    pl.Series("a", [{"x": 1}, {"x": 2}]), pl.Series("a", [b"1", b"2"]), pl.Series("a", [1, None]),
    pl.Series("a", [1, 0]), pl.Series("a", [True, None]), pl.Series("a", [None, None]),
    pa.table({"a": [1, 2]}), pa.table({"b": [1, 2]}), pa.table({"a": [1, None]}), pa.table({"a": [1, 0]}),
    pa.table({"a": ["1", "2"]}), pa.table({"a": ["12", ""]}), pa.table({"a": ["12", None]}),
    pa.table({"a": pa.array(["1", "2"], pa.large_string())}), pa.table({"a": [b"1", b"2"]}), pa.array([1, 2]),
    pa.array([1.0, 2.0]), pa.array([[1], [2]]), pa.array([[1, 2], []]), pa.array([[1, 2], None]),
    pa.array([{"x": 1}, {"x": 2}]), pa.array([{"x": 1}, None]), pa.array([{"y": 1}, {"y": 2}]), pa.array([True, False]),
    pa.array(["1", "2"]).dictionary_encode(), pa.array([None, None]), pa.array([1, 2], pa.timestamp("s")),
    pa.array([1, 2], pa.timestamp("s", "UTC")), pa.array([1, 2], pa.date32()), pa.scalar(1), pa.scalar("1"),
    pa.int64(), pa.schema({"a": pa.int64()}), pa.array(["1", "2"], pa.string_view()),
]  # fmt: skip


@pytest.mark.parametrize("values", [ARRAYS, FRAMES, TABLES], ids=["arrays", "frames", "tables"])
def test_whatever_counts_gives_another_digest(values: list[object]) -> None:
    """dtype, shape, a renamed column, index, row order, categories and time zone all count."""
    seen: dict[bytes, int] = {}
    for position, value in enumerate(values):
        found = digest(value)
        assert found not in seen, (position, seen[found])
        seen[found] = position
        assert digest([value]) == digest([value])


def big() -> np.ndarray:
    return np.random.default_rng(1).random((700, 300))


def payload_nan(dtype: str, bits: int, kind: str) -> np.ndarray:
    values = np.ones(100_000, dtype)
    values[77_777] = np.array([bits], kind).view(dtype)[0]
    return values


def with_nan(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[np.isnan(values)] = np.nan
    return values


def under_mask(value: int) -> np.ma.MaskedArray:
    return np.ma.array([1, value, 3], mask=[0, 1, 0], fill_value=9)


def long_double(garbage: int) -> np.ndarray:
    raw = np.full(3 * np.dtype(np.longdouble).itemsize, garbage, "u1").view(np.longdouble)
    raw[:] = [1.5, -0.0, np.pi]
    return raw


def padded(garbage: int) -> np.ndarray:
    kind = np.dtype([("x", "u1"), ("y", "f8")], align=True)
    raw = np.full(2 * kind.itemsize, garbage, "u1").view(kind)
    raw["x"], raw["y"] = [1, 2], [3, 4]
    return raw


def mapped(tmp: object) -> np.ndarray:
    return np.memmap(tmp, "f8", "w+", shape=(3,))


SAME_ARRAYS = [
    (big(), np.asfortranarray(big())),
    (big(), big()[::-1][::-1]),
    (big()[:, ::3], big()[:, ::3].copy()),
    (big()[5:, 7:], big()[5:, 7:].copy("F")),
    (big().T, big().T.copy()),
    (big().reshape(7, 100, 300).transpose(2, 0, 1), big().reshape(7, 100, 300).transpose(2, 0, 1).copy()),
    (np.broadcast_to(np.arange(3.0), (50, 3)), np.tile(np.arange(3.0), (50, 1))),
    (np.arange(2 * 10**5)[::2], np.arange(0, 2 * 10**5, 2)),
    (payload_nan("f8", 0xFFF8000000000001, "u8"), with_nan(payload_nan("f8", 0xFFF8000000000001, "u8"))),
    (payload_nan("f4", 0xFFC00001, "u4"), with_nan(payload_nan("f4", 0xFFC00001, "u4"))),
    (payload_nan(">f8", 0xFFF8000000000001, ">u8"), with_nan(payload_nan(">f8", 0xFFF8000000000001, ">u8"))),
    (np.array([complex(np.nan, 1)]), np.array([complex(-np.nan, 1)])),
    (np.float64("nan"), np.float64(-np.float64("nan"))),
    (under_mask(2), under_mask(77)),
    (long_double(0), long_double(255)),
    (padded(0), padded(255)),
    (np.array([1, "a", None], object), np.array([1, "a", None], object)),
    (np.array(["a", float("nan")], object), np.array(["a", np.nan], object)),
]


@pytest.mark.parametrize("pair", SAME_ARRAYS, ids=range(len(SAME_ARRAYS)))
def test_how_an_array_lies_in_memory_does_not_count(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Order, strides, padding, masked values and the bits of a NaN leave the digest alone."""
    assert digest(pair[0]) == digest(pair[1])


def test_a_mapped_array_is_an_array(tmp_path: object) -> None:
    """A result that comes back mapped is keyed as the one that was stored."""
    assert digest(np.memmap(tmp_path / "a", "f8", "w+", shape=(3,))) == digest(np.zeros(3))  # type: ignore[operator]


def test_arrays_of_what_has_no_fingerprint_are_refused() -> None:
    """The path leads to the element, and to the column of a frame."""
    with pytest.raises(UnkeyableError, match=r"value\[1\]"):
        digest(np.array([1, lambda: 1], object))
    with pytest.raises(UnkeyableError, match=r"value\['b'\]\[2\]"):
        digest(pd.DataFrame({"a": [1, 2, 3], "b": pd.Series([1, 2, iter([])], dtype=object)}))
    with pytest.raises(UnkeyableError, match="collect"):
        digest(pl.LazyFrame({"a": [1]}))


def with_attrs() -> pd.DataFrame:
    value = frame()
    value.attrs["source"] = "here"
    return value


def storage(kind: str) -> pd.Series:
    return pd.Series(["x", None, "żółw", "", "\U0001f600"], dtype=pd.StringDtype(kind, na_value=np.nan))


def long_text(chunks: int) -> pa.Table:
    text = [None if n % 7 == 0 else f"text {n}" * (n % 5) for n in range(1000)]
    table = pa.table(
        {"t": text, "n": [None if n % 3 == 0 else n for n in range(1000)], "b": [n % 2 == 0 for n in range(1000)]}
    )
    size = 1000 // chunks
    return pa.concat_tables(table.slice(n * size, size) for n in range(chunks))


def rebuilt(array: pa.Array, garbage: bytes) -> pa.Array:
    """The same array with other bytes under its nulls."""
    validity, offsets, _ = array.buffers()
    return pa.Array.from_buffers(array.type, len(array), [validity, offsets, pa.py_buffer(garbage)])


def text_under_null(garbage: bytes) -> pa.Array:
    whole = pa.array(["aa", "bb", "cc"])
    validity = pa.py_buffer(bytes([0b101]))
    return pa.Array.from_buffers(pa.string(), 3, [validity, whole.buffers()[1], pa.py_buffer(b"aa" + garbage + b"cc")])


def numbers_under_null(garbage: int) -> pa.Array:
    data = np.array([1, garbage, 3], "i8").tobytes()
    return pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(bytes([0b101])), pa.py_buffer(data)])


NESTED = pa.array([[1, None], None, [], [3]] * 10)
RECORDS = pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}] * 10)
SAME_FRAMES = [
    (frame(), with_attrs()),
    (frame(), frame().copy()),
    (frame(), pd.concat([frame()[["a"]], frame()[["b", "c"]]], axis=1)),
    (frame(), pd.concat([frame().iloc[:1], frame().iloc[1:]])),
    (frame(), frame().iloc[::-1].iloc[::-1]),
    (frame(), indexed(pd.Index([0, 1, 2]))),
    (frame().iloc[1:], frame().iloc[1:].copy()),
    (frame(), frame(c=[0.5, -np.float64("nan"), 2.0])),
    (storage("pyarrow"), storage("python")),
    (storage("pyarrow").iloc[1:4], storage("python").iloc[1:4]),
    (frame(a=pd.array([1, 2, 3], "Int64")), frame(a=pd.array([1, 2, 3], "Int64").copy())),
    (
        indexed(pd.MultiIndex.from_arrays([[1, 1, 2, 3], list("abcd")])[:3]),
        indexed(pd.MultiIndex.from_arrays([[1, 1, 2], list("abc")])),
    ),
    (long_text(1), long_text(10)),
    (long_text(1).slice(100, 333), pa.table(long_text(1).to_pydict()).slice(100, 333)),
    (long_text(1).slice(3, 50), pa.table(long_text(1).slice(3, 50).to_pydict(), schema=long_text(1).schema)),
    (long_text(1), long_text(1).replace_schema_metadata({"k": "v"})),
    (text_under_null(b"bb"), text_under_null(b"xx")),
    (text_under_null(b"bb"), pa.array(["aa", None, "cc"])),
    (numbers_under_null(0), numbers_under_null(99)),
    (NESTED.slice(3, 20), pa.array(NESTED.slice(3, 20).to_pylist())),
    (RECORDS.slice(2, 20), pa.array(RECORDS.slice(2, 20).to_pylist(), RECORDS.type)),
    (pa.chunked_array([[1, 2], [3]]), pa.array([1, 2, 3])),
    (pa.array(["a", "b", "a"]).dictionary_encode(), pa.array(["b", "a", "b", "a"]).dictionary_encode()[1:]),
    (pa.array(["a" * 20, None, "b"], pa.string_view()), pa.array(["z", "a" * 20, None, "b"], pa.string_view())[1:]),
    (pl.DataFrame({"a": ["x", None, "z"]}), pl.concat([pl.DataFrame({"a": ["x"]}), pl.DataFrame({"a": [None, "z"]})])),
    (pl.DataFrame({"a": [1, 2, 3]})[1:], pl.DataFrame({"a": [2, 3]})),
    (pl.Series("a", ["b", "x"]).cast(pl.Categorical)[1:], pl.Series("a", ["x"]).cast(pl.Categorical)),
]


@pytest.mark.parametrize("pair", SAME_FRAMES, ids=range(len(SAME_FRAMES)))
def test_equal_frames_have_equal_digests(pair: tuple[object, object]) -> None:
    """Blocks, chunks, slices, offsets, storage, attrs and bytes under a null do not count."""
    assert digest(pair[0]) == digest(pair[1])


@given(st.lists(st.text(st.characters()) | st.none() | st.just(float("nan")), min_size=1, max_size=20), st.data())
@settings(max_examples=100, deadline=None)
def test_a_column_of_text_is_told_apart_element_by_element(texts: list[object], data: st.DataObject) -> None:
    """Text with NULs, surrogates, None and NaN: equal columns agree, a changed element shows."""
    one = digest(pd.Series(texts, dtype=object))
    assert one == digest(pd.Series(list(texts), dtype=object))
    place = data.draw(st.integers(0, len(texts) - 1))
    for other in ("", "\0", None, float("nan"), "changed", 1):
        changed = [*texts[:place], other, *texts[place + 1 :]]
        is_same = repr(changed) == repr(texts)
        assert (digest(pd.Series(changed, dtype=object)) == one) == is_same


WITHOUT_ARROW = """
import sys
sys.modules["pyarrow"] = None
import numpy as np, pandas as pd
from milepost.model.fingerprint import digest
assert pd.Series(["a"]).dtype.storage == "python"
print([digest(value).hex() for value in (
    pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Series(["ż", None], dtype=object)}),
    pd.Series(["a", "b"]), pd.Index(["a", "b"], name="n"), pd.Series(["a", None], dtype="category"))])
"""


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout


def test_without_pyarrow_the_digests_are_the_same() -> None:
    """Installing pyarrow does not make everything run again."""
    program = WITHOUT_ARROW
    with_arrow = program.replace('sys.modules["pyarrow"] = None', "").replace('== "python"', '== "pyarrow"')
    assert run(program) == run(with_arrow)


def test_polars_without_pyarrow_has_the_same_digest() -> None:
    """A polars frame needs nothing else to be keyed."""
    program = """
import sys
{}
import polars as pl
from milepost.model.fingerprint import digest
print(digest(pl.DataFrame({{"a": ["x", None, "ż"], "b": [1, None, 3], "c": [0.5, float("nan"), 1.0]}})).hex())
"""
    answers = {
        subprocess.run(
            [sys.executable, "-c", program.format(line)], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        for line in ("", 'sys.modules["pyarrow"] = None')
    }
    assert len(answers) == 1


def test_a_digest_imports_no_package() -> None:
    """A value without arrays loads neither NumPy nor pandas."""
    program = """
import sys
from milepost.model.fingerprint import digest
from datetime import datetime
from decimal import Decimal
digest([datetime(2026, 1, 1), Decimal(1), {1, 2}, {"a": [object()]}])
print(sorted({"numpy", "pandas", "polars", "pyarrow"} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.arange(12.0).reshape(3, 4), "array float64 (3, 4) mean=5.5"),
        (np.array(["a"], object), "array object (1,)"),
        (frame(), "frame 3 x 3"),
        (frame()["a"], "series 'a' int64 x 3"),
        (pl.DataFrame({"a": [1, 2]}), "frame 2 x 1"),
        (pa.table({"a": [1, 2]}), "frame 2 x 1"),
        (np.float64(1.5), "np.float64(1.5)"),
        (pd.Timestamp("2026-01-01"), "Timestamp('2026-01-01 00:00:00')"),
        ([np.zeros(3)], "[array float64 (3,) mean=0]"),
    ],
)
def test_previews_of_arrays_and_frames_are_summaries(value: object, text: str) -> None:
    """What `why` shows of a large value is its shape."""
    assert preview(value) == text
