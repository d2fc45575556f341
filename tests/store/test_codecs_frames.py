"""pandas' and polars' frames come back equal, dtypes, labels, indexes and the types of cells included."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from milepost.store import codecs
from milepost.store.objects import Objects

BERLIN = ZoneInfo("Europe/Berlin")
COLUMNS = {
    "int": range(5),
    "float": [1.5, np.nan, -0.0, np.inf, 5],
    "float16": np.arange(5, dtype="f2"),
    "bool": [True, False, True, False, True],
    "str": [*"abcd", None],
    "object": pd.Series([1, "a", None, (1, 2), [3]], dtype=object),
    "object text": pd.Series(["a", "b", None, "d", "é"], dtype=object),
    "object surrogate": pd.Series(["a", "\ud800", None, "d", "e"], dtype=object),
    "object bool": pd.Series([True, None, False, 1, 1.0], dtype=object),
    "object nothing": pd.Series([np.nan, None, pd.NA, pd.NaT, pd.Timestamp("2020", tz=BERLIN)], dtype=object),
    "object date": pd.Series([dt.date(2020, 1, 1), Decimal("1.0"), pd.Timedelta("1s"), {}, b""], dtype=object),
    "category": pd.Categorical(list("abcab"), ordered=True),
    "category int": pd.Categorical([1, 2, 1, None, 2], categories=[2, 1, 3]),
    "datetime": pd.date_range("2020", periods=5, unit="s"),
    "datetime ns": pd.Series(pd.date_range("1700", periods=5)).astype("M8[ns]"),
    "zoned": pd.date_range("2020-10-25", periods=5, freq="h", tz=BERLIN),
    "utc": pd.date_range("2020-10-25", periods=5, freq="h", tz="UTC"),
    "timedelta": pd.to_timedelta(range(5), unit="h"),
    "Int64": pd.array([1, None, 3, 4, 2**62], dtype="Int64"),
    "boolean": pd.array([True, None, True, False, None], dtype="boolean"),
    "Float32": pd.array([1.5, None, 2, 3, 4], dtype="Float32"),
    "string": pd.array(["a", None, "c", "d", "e"], dtype="string"),
    "string python": pd.array(["a", None, "c", "d", "e"], dtype=pd.StringDtype("python")),
    "arrow": pd.array([1, None, 3, 4, 5], dtype=pd.ArrowDtype(pa.int32())),
    "arrow list": pd.array([[1], None, [3], [4], [5]], dtype=pd.ArrowDtype(pa.list_(pa.int32()))),
}
INDEXES = {
    "range": pd.RangeIndex(3, 13, 2, name="r"),
    "text": pd.Index(list("abcde")),
    "float": pd.Index([1.5, 2, 3, 4, np.nan], name=("a", 1)),
    "daily": pd.date_range("2020", periods=5),
    "hourly": pd.date_range("2020-10-25", periods=5, tz="Europe/Berlin", freq="h", name="at"),
    "multi": pd.MultiIndex.from_product([["a"], range(5)], names=["p", None]),
    "multi with gaps": pd.MultiIndex.from_tuples([("a", 1), ("b", None), ("a", 2), ("c", 1), (None, 1)]),
    "category": pd.CategoricalIndex(list("abaab")),
    "timedelta": pd.timedelta_range("1s", periods=5),
    "mixed": pd.Index([1, "a", None, 2.5, (1, 2)], dtype=object),
    "object text": pd.Index(list("abcde"), dtype=object),
}


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects", bytes(32))


def same_frame(expected: pd.DataFrame, found: object) -> None:
    assert isinstance(found, pd.DataFrame)
    pd.testing.assert_frame_equal(expected, found, check_exact=True, check_freq=True, check_flags=True)
    assert list(expected.dtypes) == list(found.dtypes)
    assert expected.columns.identical(found.columns)
    assert expected.index.identical(found.index)
    assert type(expected.index) is type(found.index)
    assert expected.attrs == found.attrs
    for place in range(expected.shape[1]):
        one, two = expected.iloc[:, place], found.iloc[:, place]
        assert [type(value) for value in one] == [type(value) for value in two]


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_with_every_index(objects: Objects, column: str, index: str) -> None:
    """Frame and series come back identical, as data, and are stored again under the same address."""
    frame = pd.DataFrame({column: pd.Series(COLUMNS[column])})
    frame.index = INDEXES[index]
    stored = objects.put(frame)
    assert "tree+" == stored.codec
    result = objects.get(stored.address)
    same_frame(frame, result)
    assert stored.address == objects.put(result).address
    series = frame[column]
    again = objects.get(objects.put(series).address)
    assert isinstance(again, pd.Series)
    pd.testing.assert_series_equal(series, again, check_exact=True, check_freq=True)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).iloc[1:3],
        pd.DataFrame(np.random.default_rng(1).random((5, 200))),
        pd.DataFrame({f"c{number}": [number if number % 2 else number / 2] for number in range(300)}),
        pd.DataFrame(),
        pd.DataFrame(index=range(4)),
        pd.DataFrame({"a": []}),
        pd.DataFrame({"a": pd.Series([], dtype=object), "b": pd.Series([], dtype="str")}),
        pd.DataFrame([[1, 2.5, "a"]], columns=["x", "x", 3]),
        pd.DataFrame(np.arange(8).reshape(2, 4), columns=pd.MultiIndex.from_product([["a", "b"], [1, 2]])),
        pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
        pd.DataFrame({"p": pd.period_range("2020", periods=3), "i": pd.interval_range(0, 3)}),
    ],
    ids="all slice floats wide empty index-only no-rows no-texts duplicates labels flags periods".split(),
)
def test_whole_frames(objects: Objects, frame: pd.DataFrame) -> None:
    """Mixed, sliced, wide, empty and odd frames come back, and can be written to."""
    frame.attrs["source"] = ("file", 1)
    result = objects.get(objects.put(frame).address)
    same_frame(frame, result)
    assert isinstance(result, pd.DataFrame)
    if result.size:
        result.iloc[0, 0] = result.iloc[-1, 0]
    same_frame(frame, objects.get(objects.put(frame).address))


def test_layout_does_not_change_the_address(objects: Objects) -> None:
    """However pandas has laid its blocks out, equal frames are one object."""
    together = pd.DataFrame(np.arange(8.0).reshape(4, 2), columns=["a", "b"])
    apart = pd.DataFrame({"a": together["a"].to_numpy(copy=True)})
    apart["b"] = together["b"].to_numpy(copy=True)
    assert objects.put(together).address == objects.put(apart).address
    sliced = pd.concat([together, together]).iloc[4:].reset_index(drop=True)
    assert objects.put(together).address == objects.put(sliced).address
    transposed = pd.DataFrame(np.asfortranarray(together.to_numpy()), columns=["a", "b"], copy=False)
    assert objects.put(together).address == objects.put(transposed).address


def test_a_frame_is_not_copied_to_be_read(objects: Objects) -> None:
    """The numbers of a large frame are mapped."""
    frame = pd.DataFrame({"a": np.arange(300_000), "b": np.arange(300_000.0), "c": ["x"] * 300_000})
    result = objects.get(objects.put(frame).address)
    assert isinstance(result, pd.DataFrame)
    assert not result["b"].to_numpy().flags.owndata
    same_frame(frame.head(3), result.head(3))


def test_the_scalars_of_pandas_keep_their_types(objects: Objects) -> None:
    """Timestamps with zone and fold, timedeltas, NaT and NA."""
    values = [pd.NA, pd.NaT, pd.Timedelta("1s"), pd.Timestamp("2020-01-01 01:02:03.123456789")]
    values += [pd.Timestamp("2020", tz=BERLIN)]
    values += [pd.Timestamp(f"2025-10-26 0{hour}:30Z").tz_convert(BERLIN) for hour in (0, 1)]
    values += [pd.Timestamp(5, unit="s").as_unit("s")]
    results = objects.get(objects.put(values).address)
    assert isinstance(results, list)
    for value, result in zip(values, results, strict=True):
        assert type(value) is type(result)
        assert repr(value) == repr(result)
        if isinstance(value, pd.Timestamp):
            assert (value.unit, value.fold, value.value) == (result.unit, result.fold, result.value)


POLARS = {
    "int": [1, None],
    "text": ["x", None],
    "category": pl.Series(["a", "b"], dtype=pl.Categorical),
    "enum": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
    "list": [[1], [2, 3]],
    "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
    "date": [dt.date(2020, 1, 1)] * 2,
    "zoned": [dt.datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN)] * 2,
    "duration": [dt.timedelta(1)] * 2,
    "decimal": pl.Series([Decimal("1.10"), None], dtype=pl.Decimal(10, 2)),
    "struct": [{"a": 1}, {"a": None}],
    "binary": [b"a", b""],
    "null": [None, None],
}


@pytest.mark.parametrize("column", POLARS)
def test_polars_columns(objects: Objects, column: str) -> None:
    """Frames and series of polars come back with their schema, as data."""
    frame = pl.DataFrame({column: POLARS[column]})
    stored = objects.put(frame)
    assert "tree+" == stored.codec
    result = objects.get(stored.address)
    assert isinstance(result, pl.DataFrame)
    assert frame.schema == result.schema
    assert frame.equals(result)
    assert stored.address == objects.put(result).address
    series = objects.get(objects.put(frame[column]).address)
    assert isinstance(series, pl.Series)
    assert frame[column].equals(series, check_names=True, check_dtypes=True)


def test_polars_slices_and_chunks_do_not_count(objects: Objects) -> None:
    """A slice and two chunks of the same rows are one object."""
    frame = pl.DataFrame({"a": range(10), "b": list("abcdefghij")})
    parts = pl.concat([frame[:4], frame[4:]], rechunk=False)
    assert objects.put(frame).address == objects.put(parts).address
    assert objects.put(frame[2:5]).address == objects.put(frame[2:5].clone()).address


def test_nothing_is_imported_for_values_of_ones_own() -> None:
    """Storing plain values loads none of the data libraries."""
    code = "import sys, tempfile; from pathlib import Path; from milepost.store.objects import Objects; "
    code += "o = Objects(Path(tempfile.mkdtemp()), b''); o.get(o.put({'a': (1, {2})}).address); "
    code += "print([m for m in ('numpy', 'pandas', 'polars', 'pyarrow', 'cloudpickle') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout


def test_frames_inside_other_values(objects: Objects) -> None:
    """A dict of frames stays data, whatever else is in it."""
    value = {"train": pd.DataFrame({"a": [1]}), "test": (pl.DataFrame({"b": [2]}), None)}
    assert "tree+" == codecs.encode(value).codec
    result = objects.get(objects.put(value).address)
    assert isinstance(result, dict)
    same_frame(value["train"], result["train"])  # type: ignore[arg-type]
    assert result["test"][0].equals(pl.DataFrame({"b": [2]}))
