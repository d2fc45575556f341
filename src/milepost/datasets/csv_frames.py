"""CSV into and out of frames, by the readers that pandas and polars have, as strictly as our own."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from milepost.datasets import csv_text
from milepost.datasets.request import Request, chosen_columns
from milepost.datasets.shapes import with_index
from milepost.errors import DataSetError

if TYPE_CHECKING:
    import pandas
    import polars

_TRIED_ROWS = 10_000
_WORDS = {"string", "integer", "floating", "boolean", "decimal", "datetime", "date", "time", "datetime64", "empty"}
_WORDS |= {"mixed-integer", "mixed-integer-float", "categorical", "timedelta", "timedelta64", "period"}


def pandas_parts(path: Path, request: Request, what: str) -> Iterator[pandas.DataFrame]:
    """The file as one frame, or as frames of `chunks` rows."""
    import pandas

    known = csv_text.header(path, request.separator, what)
    wanted = chosen_columns(known, request.columns, what)
    chosen_columns(known, request.text, what)
    some = set(wanted) != set(known)
    if some:  # then pandas would not mind long rows
        _refuse_uneven(path, request, what)
    try:
        with open(path, "rb") as file:
            made = pandas.read_csv(
                file,
                sep=request.separator,
                header=0,
                names=known,
                usecols=wanted if some else None,
                dtype=dict.fromkeys(request.text, str),
                keep_default_na=False,
                na_values=["", *request.missing],
                encoding="utf-8",
                **_exact_floats(),
                low_memory=False,  # else a column may be of one type in one part and of another in the next
                chunksize=request.chunks,
            )
            for frame in [made] if request.chunks is None else made:
                if not some and frame.iloc[:, -1].isna().any():  # or rows are short
                    _refuse_uneven(path, request, what)
                yield frame[wanted] if list(frame.columns) != wanted else frame
    except (pandas.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise csv_text.diagnosed(path, request.separator, what, error) from error


def _exact_floats() -> dict[str, str]:
    """Before 3.1, pandas read the last digit of some numbers wrong unless asked not to."""
    import pandas

    release = tuple(map(int, pandas.__version__.split(".")[:2]))
    return {} if release >= (3, 1) else {"float_precision": "round_trip"}


def _refuse_uneven(path: Path, request: Request, what: str) -> None:
    for _ in csv_text.rows(path, request.separator, what):
        pass


def polars_parts(path: Path, request: Request, what: str) -> Iterator[polars.DataFrame]:
    """The file as one frame, or as frames of `chunks` rows."""
    import polars

    known = csv_text.header(path, request.separator, what)
    wanted = chosen_columns(known, request.columns, what)
    chosen_columns(known, request.text, what)
    if len(known) == 1:  # polars takes an empty line for a row, which we and pandas do not
        yield from (polars.DataFrame(part, schema=wanted) for part in csv_text.parts(path, request, what))
        return
    frame = _polars_frame(path, request, what)
    if frame[:, -1].null_count():  # or rows are short
        _refuse_uneven(path, request, what)
    frame = frame.select(wanted)
    yield from [frame] if request.chunks is None or not frame.height else frame.iter_slices(request.chunks)


def _polars_frame(path: Path, request: Request, what: str) -> polars.DataFrame:
    """The whole file. Its first rows say what types to try; where they do not fit, all rows are asked."""
    import polars

    def read(rows: int | None) -> polars.DataFrame:
        return polars.read_csv(
            path,
            separator=request.separator,
            infer_schema_length=rows,
            null_values=["", *request.missing],
            schema_overrides=dict.fromkeys(request.text, polars.String),
        )

    try:
        with contextlib.suppress(polars.exceptions.ComputeError):
            frame = read(_TRIED_ROWS)
            if frame.height <= _TRIED_ROWS or not any(column.head(_TRIED_ROWS).is_null().all() for column in frame):
                return frame
        return read(None)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise csv_text.diagnosed(path, request.separator, what, error) from error


def save_pandas(frame: pandas.DataFrame, file: BinaryIO, what: str) -> None:
    """Write a frame; an index that has a name or is not of numbers becomes the first column."""
    frame = with_index(frame, what)
    if not len(frame.columns):
        raise DataSetError(f"{what} has no columns, which CSV cannot keep")
    has_return = [_checked(frame.iloc[:, place], what) for place in range(len(frame.columns))]
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        frame.to_csv(
            text,
            index=False,
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC if any(has_return) else csv.QUOTE_MINIMAL,  # a bare \r would end the row
        )
        text.flush()
    except UnicodeEncodeError as error:
        raise DataSetError(f"{what} has text that is not valid Unicode: {error.object[error.start]!r}") from error
    finally:
        text.detach()


def _checked(column: pandas.Series, what: str) -> bool:
    """Whether text in the column holds a carriage return. Raises DataSetError for what a field cannot hold."""
    import pandas

    kind = pandas.api.types.infer_dtype(column, skipna=True)
    if kind not in _WORDS and not kind.startswith(("datetime", "complex")):
        for value in column.dropna():
            if not csv_text.can_keep(value):
                raise csv_text.unkeepable(str(column.name), value, what)
    if kind not in ("string", "mixed", "mixed-integer", "categorical"):
        return False
    return bool(column.astype(str).str.contains("\r", regex=False).any())


def save_polars(frame: polars.DataFrame, file: BinaryIO, what: str) -> None:
    """Write a frame."""
    if not frame.width:
        raise DataSetError(f"{what} has no columns, which CSV cannot keep")
    for column in frame.iter_columns():
        if column.dtype.is_nested() or str(column.dtype) in ("Binary", "Object"):
            message = f"{what}: column {column.name!r} is {column.dtype}, which CSV cannot keep; save as parquet"
            raise DataSetError(message, column=column.name)
    if frame.width == 1:  # polars writes a gap as an empty line, which reads as no row
        csv_text.save(frame, file, what)
        return
    frame.write_csv(file)
