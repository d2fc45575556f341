"""pandas' frames, series and indexes as leaves, column by column: what is numpy inside stays an array.

A frame's description holds its columns as arrays and its index as a leaf of its own. Equal frames give
equal bytes however pandas has laid them out. What is not listed here (periods, intervals, subclasses) is for
pickle.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, cast

from milepost.store.codecs.leaves import Leaf
from milepost.store.codecs.pandas_columns import read_column, write_column
from milepost.store.codecs.scalars import Unsuited

FRAME, SERIES, RANGE, INDEX, MULTI = (
    "pandas.frame",
    "pandas.series",
    "pandas.range",
    "pandas.index",
    "pandas.multi",
)
NA, NAT, TIMESTAMP, TIMEDELTA = "pandas.NA", "pandas.NaT", "pandas.timestamp", "pandas.timedelta"

FRAGMENTS = 100  # more columns than these are laid together when read


def write_pandas(found: object) -> Leaf:
    """A frame, series, index or scalar of pandas as a leaf. Raises Unsuited for what pickle has to take."""
    value: Any = found
    import pandas as pd

    if value is pd.NA:
        return Leaf(NA, (), None)
    if value is pd.NaT:
        return Leaf(NAT, (), None)
    if type(value) is pd.DataFrame:
        return _write_frame(value)
    if type(value) is pd.Series:
        _check_flags(value)
        return Leaf(SERIES, (), [write_column(value), value.index, value.name, value.attrs])
    if isinstance(value, pd.Index):
        return _write_index(value)
    if type(value) is pd.Timestamp:
        zone = value.tzinfo
        stamp = value.tz_convert("UTC").tz_localize(None) if zone is not None else value
        return Leaf(TIMESTAMP, (), [stamp.to_datetime64(), zone, value.fold])
    if type(value) is pd.Timedelta:
        return Leaf(TIMEDELTA, (), value.to_timedelta64())
    raise Unsuited(type(value).__name__)


def read_pandas(kind: str, parts: Sequence[memoryview], description: object) -> object:
    """The value of a leaf that `write_pandas` made."""
    import pandas as pd

    if kind == FRAME:
        return _read_frame(cast("list[Any]", description))
    if kind == SERIES:
        column, index, name, attrs = cast("list[Any]", description)
        array = read_column(column)
        series = pd.Series(array, index=index, name=name, dtype=array.dtype, copy=False)
        series.attrs = attrs
        return series
    if kind in (RANGE, INDEX, MULTI):
        return _read_index(kind, cast("list[Any]", description))
    if kind == TIMESTAMP:
        stamp, zone, fold = cast("list[Any]", description)
        return _read_timestamp(stamp, zone, fold)
    if kind == TIMEDELTA:
        return pd.Timedelta(cast(Any, description))
    if kind in (NA, NAT):
        return pd.NA if kind == NA else pd.NaT
    raise ValueError(f"a leaf of kind {kind!r} is unknown to this version")


def _read_timestamp(stamp: Any, zone: Any, fold: int) -> object:
    import pandas as pd

    whole = pd.Timestamp(stamp)
    if zone is not None:
        whole = whole.tz_localize("UTC").tz_convert(zone)
    return whole.replace(fold=fold) if whole.fold != fold else whole


def _write_frame(frame: Any) -> Leaf:
    """Columns of one plain number type are one matrix, so that wide frames stay cheap; others go one by one."""
    import numpy as np

    _check_flags(frame)
    dtypes = set(frame.dtypes)
    dtype = next(iter(dtypes)) if len(dtypes) == 1 and frame.shape[1] > 1 else None
    if dtype is not None and type(dtype).__module__.startswith("numpy") and dtype.kind in "biufc":
        columns: object = np.ascontiguousarray(frame.to_numpy().T)
    else:
        columns = [write_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return Leaf(FRAME, (), [columns, frame.index, frame.columns, frame.attrs])


def _read_frame(description: list[Any]) -> object:
    import pandas as pd

    columns, index, labels, attrs = description
    if isinstance(columns, list):
        series = {}
        for place, column in enumerate(columns):
            array = read_column(column)
            series[place] = pd.Series(array, index=index, dtype=array.dtype, copy=False)
        frame = pd.DataFrame(series, index=index, copy=False)
        if len(columns) > FRAGMENTS:
            frame = frame.copy()
    else:
        frame = pd.DataFrame(columns.T, index=index, copy=False)
    frame.columns = labels
    frame.attrs = attrs
    return frame


def _check_flags(value: Any) -> None:
    if not value.flags.allows_duplicate_labels:
        raise Unsuited("flags other than the default")


def _write_index(index: Any) -> Leaf:
    import pandas as pd

    kind = type(index)
    if kind is pd.RangeIndex:
        return Leaf(RANGE, (), [index.start, index.stop, index.step, index.name])
    if kind is pd.MultiIndex:
        codes = [codes.view() for codes in index.codes]
        return Leaf(MULTI, (), [list(index.levels), [_as_array(each) for each in codes], list(index.names)])
    if kind not in (pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex):
        raise Unsuited(kind.__name__)
    return Leaf(INDEX, (), [write_column(index), index.name, _frequency(index)])


def _frequency(index: Any) -> str | None:
    """How a time index steps, when that can be read back from its text."""
    import pandas as pd

    frequency = getattr(index, "freq", None)
    if frequency is None:
        return None
    text = cast(str, frequency.freqstr)
    if pd.tseries.frequencies.to_offset(text) != frequency:
        raise Unsuited(f"frequency {text}")
    return text


def _read_index(kind: str, description: list[Any]) -> object:
    import pandas as pd

    if kind == RANGE:
        start, stop, step, name = description
        return pd.RangeIndex(start, stop, step, name=cast(Hashable, name))
    if kind == MULTI:
        levels, codes, names = description
        return pd.MultiIndex(levels, codes, names=names, verify_integrity=False)
    column, name, frequency = description
    array = read_column(column)
    index = pd.Index(array, dtype=array.dtype, name=name, copy=False, tupleize_cols=False)
    if frequency is not None:
        index.freq = frequency  # type: ignore[attr-defined,unused-ignore]
    return index


def _as_array(codes: Any) -> object:
    import numpy as np

    return np.asarray(codes)
