"""Rows as programs hold them: pandas and polars frames, or mappings; told apart, taken apart, put together."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING

from milepost.datasets.request import KINDS, Kind, known_names, refuse_duplicates
from milepost.errors import DataSetError, MissingExtra

if TYPE_CHECKING:
    import pandas
    import polars

BATCH_ROWS = 10_000

_INSTALL = {"pandas": "frames", "pyarrow": "frames", "sqlalchemy": "db"}


def needed(module: str, what: str) -> ModuleType:
    """The optional module, imported. Raises MissingExtra with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        target = f"'milepost[{_INSTALL[top]}]'" if top in _INSTALL else top
        raise MissingExtra(f"{what} needs {top}, which is not installed: pip install {target}") from error


def wanted_kind(asked: object) -> Kind:
    """What loading gives: what was asked for, else pandas frames, else polars frames, else records."""
    if asked is None:
        return _first_installed()
    if asked not in KINDS:
        raise DataSetError(f"as_={asked!r} is no form that data are loaded as.{known_names(asked, KINDS)}")
    if asked != "records":
        needed(str(asked), f"loading as_={asked!r}")
    return asked


def _first_installed() -> Kind:
    for kind in KINDS[:2]:
        try:
            importlib.import_module(kind)
        except ImportError:
            continue
        return kind
    return "records"


def kind_of(data: object) -> Kind:
    """What the user gave to be saved. Raises DataSetError for what is neither frame nor records."""
    for kind in KINDS[:2]:
        module = sys.modules.get(kind)
        if module is not None and isinstance(data, getattr(module, "DataFrame", ())):
            return kind
    if isinstance(data, Iterable) and not isinstance(data, str | bytes | bytearray | Mapping):
        return "records"
    raise DataSetError(
        f"{type(data).__name__} is not a data set: save a pandas or polars frame, or mappings such as [{{'id': 1}}]"
    )


def batches(data: object, what: str) -> Iterator[tuple[list[str], list[dict[str, object]]]]:
    """The rows as plain mappings, a few thousand at once, each time with the columns of the whole."""
    kind = kind_of(data)
    if kind == "pandas":
        yield from _pandas_batches(data, what)
    elif kind == "polars":
        yield from _polars_batches(data)  # type: ignore[arg-type]
    else:
        yield from _record_batches(data, what)  # type: ignore[arg-type]


def _pandas_batches(frame: pandas.DataFrame, what: str) -> Iterator[tuple[list[str], list[dict[str, object]]]]:
    frame = with_index(frame, what)
    columns = [str(column) for column in frame.columns]
    for start in range(0, len(frame), BATCH_ROWS) or (0,):
        part = frame.iloc[start : start + BATCH_ROWS]
        cells = [_pandas_cells(part.iloc[:, place]) for place in range(len(columns))]
        yield columns, [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]


def _pandas_cells(column: pandas.Series) -> list[object]:
    """Plain values; what pandas calls missing is None."""
    plain = column.astype(object)
    return [None if gone else value for value, gone in zip(plain.tolist(), plain.isna().tolist(), strict=True)]


def with_index(frame: pandas.DataFrame, what: str) -> pandas.DataFrame:
    """The frame with its index as columns, unless that only counts rows. The caller's frame stays as it is."""
    import pandas

    if frame.columns.nlevels > 1:
        raise DataSetError(f"{what}: columns of several levels cannot be kept in this format; save as parquet")
    index = frame.index
    counts = index.nlevels == 1 and index.name is None and pandas.api.types.is_integer_dtype(index.dtype)
    if not counts and len(index):
        names = [name if name is not None else f"index_{place}" for place, name in enumerate(index.names)]
        frame = frame.reset_index(names=names if index.nlevels > 1 else [index.name or "index"])
    refuse_duplicates([str(column) for column in frame.columns], what)
    return frame


def _polars_batches(frame: polars.DataFrame) -> Iterator[tuple[list[str], list[dict[str, object]]]]:
    for part in frame.iter_slices(BATCH_ROWS):
        yield frame.columns, part.to_dicts()
    if not frame.height:
        yield frame.columns, []


def _record_batches(data: Iterable[object], what: str) -> Iterator[tuple[list[str], list[dict[str, object]]]]:
    """Rows of a list have the columns of all rows; those of a stream have the columns of its first batch."""
    columns: list[str] = _all_columns(data, what) if isinstance(data, Sequence) else []
    rows = iter(data)
    number = 0
    while (part := list(islice(rows, BATCH_ROWS))) or not number:
        if not number and not columns:
            columns = _all_columns(part, what)
        yield columns, [_row(row, columns, number + place, what) for place, row in enumerate(part, 1)]
        number += len(part)
        if not part:
            return


def _all_columns(rows: Sequence[object], what: str) -> list[str]:
    names: dict[str, None] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise DataSetError(f"{what}: row {number} is {type(row).__name__}, not a mapping of columns to values")
        if row.keys() - names.keys():
            names.update(dict.fromkeys(row))
    for name in names:
        if not isinstance(name, str):
            raise DataSetError(f"{what}: a column is named by text, not by {name!r}")
    return list(names)


def _row(row: object, columns: list[str], number: int, what: str) -> dict[str, object]:
    if not isinstance(row, Mapping):
        raise DataSetError(f"{what}: row {number} is {type(row).__name__}, not a mapping of columns to values")
    if len(row) > len(columns) or not row.keys() <= set(columns):
        new = next(key for key in row if key not in columns)
        raise DataSetError(f"{what}: row {number} has a column {new!r} that the first rows have not", column=str(new))
    return {column: plain(row.get(column)) for column in columns}


def plain(value: object) -> object:
    """A numpy scalar as the Python number it stands for."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "shape", ()):
        return value.item()
    return value


def built(columns: list[str], rows: Sequence[Sequence[object]], kind: Kind) -> object:
    """Rows of values as what was asked for."""
    if kind == "records":
        return [dict(zip(columns, row, strict=True)) for row in rows]
    if kind == "polars":
        import polars

        return polars.DataFrame(list(rows), schema=columns, orient="row", infer_schema_length=None)
    import pandas

    return pandas.DataFrame.from_records(list(map(tuple, rows)), columns=columns)  # rows of SQLAlchemy are slow there
