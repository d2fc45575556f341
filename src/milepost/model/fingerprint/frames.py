"""Encodings of pandas frames, series, indexes, columns and scalars.

Columns in order with their names, the index, every dtype with its time zone or categories; `attrs` do not count, nor
whether Python or Arrow holds a column of text, nor whether a row number is written out or kept as a range.
"""

from __future__ import annotations

from typing import Any

from milepost.model.fingerprint import arrays
from milepost.model.fingerprint.columns import arrow_body, text_body
from milepost.model.fingerprint.walk import Unkeyable, Walk


def encode_frame(walk: Walk, value: Any) -> bytes:
    """A DataFrame."""
    body = bytearray(walk.typed("pandas.DataFrame", value.shape) + walk.part(value.columns) + walk.part(value.index))
    for position, name in enumerate(value.columns):
        try:
            body += walk.part(value.iloc[:, position].array)
        except Unkeyable as lost:
            raise lost.at(f"[{name!r}]") from None
    return bytes(body)


def encode_series(walk: Walk, value: Any) -> bytes:
    """A Series: name, index, values."""
    return b"R" + walk.typed("pandas.Series", value.name, value.index, value.array)


def encode_index(walk: Walk, value: Any) -> bytes:
    """An index: names and values, level by level."""
    if value.nlevels > 1:
        levels = [value.get_level_values(level) for level in range(value.nlevels)]
        return b"V" + walk.typed("pandas.MultiIndex", *levels)
    return b"V" + walk.typed("pandas.Index", value.name, value.array)


def encode_extension(walk: Walk, value: Any) -> bytes:
    """A column: its dtype and its values."""
    return b"C" + walk.typed("column", _dtype_text(value.dtype)) + _content(walk, value)


def encode_pandas_dtype(walk: Walk, value: Any) -> bytes:
    """A pandas dtype as a value."""
    categories = getattr(value, "categories", None)
    return walk.typed("pandas.dtype", _dtype_text(value), categories)


def _dtype_text(dtype: Any) -> str:
    """The dtype with all that counts of it, in one line; categories are encoded as values."""
    kind = type(dtype).__name__
    if kind == "StringDtype":
        return f"string[{type(dtype.na_value).__name__}]"  # storage does not count
    if kind == "CategoricalDtype":
        return f"category[ordered={bool(dtype.ordered)}]"
    if kind == "NumpyEADtype":
        return arrays.dtype_text(dtype.numpy_dtype)
    return f"{kind}:{dtype}"


def _content(walk: Walk, value: Any) -> bytes:
    kind = type(value.dtype).__name__
    reader = _CONTENT.get(kind)
    if reader is not None:
        return reader(walk, value)
    if hasattr(value, "_mask") and hasattr(value, "_data"):
        return _masked(walk, value)
    if hasattr(value, "asi8"):
        return arrays.content(walk, value.asi8)
    return walk.part(list(value))


def _plain(walk: Walk, value: Any) -> bytes:
    return arrays.content(walk, value.to_numpy())


def _text(walk: Walk, value: Any) -> bytes:
    if value.dtype.storage == "pyarrow":
        column = value.__arrow_array__()
        return arrow_body(walk, getattr(column, "chunks", [column]), column.type)
    body = text_body(value.astype(object).tolist(), na=True)
    return body if body is not None else walk.part(list(value))


def _arrow(walk: Walk, value: Any) -> bytes:
    column = value.__arrow_array__()
    return arrow_body(walk, getattr(column, "chunks", [column]), column.type)


def _categorical(walk: Walk, value: Any) -> bytes:
    return walk.part(value.categories) + arrays.content(walk, value.codes)


def _intervals(walk: Walk, value: Any) -> bytes:
    return walk.part(value.left) + walk.part(value.right)


def _sparse(walk: Walk, value: Any) -> bytes:
    return arrays.content(walk, value.to_dense())


def _masked(walk: Walk, value: Any) -> bytes:
    """Integers, floats and booleans with NA: what lies under the mask does not count."""
    missing = value.isna()
    values = value._data.copy()
    values[missing] = 0
    return arrays.content(walk, values) + arrays.content(walk, missing)


_CONTENT = {
    "NumpyEADtype": _plain,
    "StringDtype": _text,
    "ArrowDtype": _arrow,
    "CategoricalDtype": _categorical,
    "IntervalDtype": _intervals,
    "SparseDtype": _sparse,
}


def encode_timestamp(walk: Walk, value: Any) -> bytes:
    """A Timestamp: the wall clock to the nanosecond, unit, fold and zone."""
    zone = None if value.tz is None else str(value.tz)
    return walk.typed("pandas.Timestamp", value.as_unit("ns").value if value.unit == "ns" else value._value, value.unit,
                      value.fold, zone)  # fmt: skip


def encode_timedelta(walk: Walk, value: Any) -> bytes:
    """A Timedelta with its unit."""
    return walk.typed("pandas.Timedelta", value._value, value.unit)


def encode_missing(walk: Walk, value: Any) -> bytes:
    """NaT and NA."""
    return walk.typed("pandas.missing", type(value).__name__)


def encode_period(walk: Walk, value: Any) -> bytes:
    """A Period: its number and its frequency."""
    return walk.typed("pandas.Period", value.ordinal, value.freqstr)


def encode_interval(walk: Walk, value: Any) -> bytes:
    """An Interval: its ends and which of them belong to it."""
    return walk.typed("pandas.Interval", value.left, value.right, value.closed)
