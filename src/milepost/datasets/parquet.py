"""Parquet, through pyarrow, or polars for its own frames: types, index and time zones are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from milepost.datasets.request import Request, chosen_columns, refuse_duplicates
from milepost.datasets.shapes import batches, kind_of, needed
from milepost.errors import DataSetError

if TYPE_CHECKING:
    import pyarrow

_INDEX = "__index_level_"  # how pandas names the columns that hold an index without a name
_CHUNK_READ = 1 << 16


def parts(path: Path, request: Request, what: str) -> Iterator[object]:
    """The file as what was asked for, all at once or in chunks."""
    parquet = needed("pyarrow.parquet", "reading Parquet")
    arrow = needed("pyarrow", "reading Parquet")
    try:
        with parquet.ParquetFile(path) as file:
            known = [name for name in file.schema_arrow.names if not name.startswith(_INDEX)]
            columns = None if request.columns is None else chosen_columns(known, request.columns, what)
            if request.chunks is None:
                yield _shaped(file.read(columns=columns, use_pandas_metadata=request.kind == "pandas"), request)
                return
            yield from _chunks(file, columns, request)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = str(error).partition("\n")[0]
        raise DataSetError(
            f"{what} cannot be read as Parquet: damaged or cut short ({text})", path=str(path)
        ) from error


def _chunks(file: pyarrow.parquet.ParquetFile, columns: list[str] | None, request: Request) -> Iterator[object]:
    import pyarrow

    size = request.chunks or 1
    held: list[pyarrow.RecordBatch] = []
    rows = 0
    keep_index = request.kind == "pandas"
    for batch in file.iter_batches(min(size, _CHUNK_READ), columns=columns, use_pandas_metadata=keep_index):
        while rows + batch.num_rows >= size:
            head = batch.slice(0, size - rows)
            yield _shaped(pyarrow.Table.from_batches([*held, head]), request)
            batch, held, rows = batch.slice(size - rows), [], 0
        if batch.num_rows:
            held.append(batch)
            rows += batch.num_rows
    if held:
        yield _shaped(pyarrow.Table.from_batches(held), request)
    elif not file.metadata.num_rows:
        yield _shaped(file.read(columns=columns, use_pandas_metadata=keep_index), request)


def _shaped(table: pyarrow.Table, request: Request) -> object:
    if request.kind == "pandas":
        return table.to_pandas()
    if request.kind == "polars":
        import polars

        return polars.from_arrow(table)
    return table.to_pylist()


def save(data: object, file: BinaryIO, what: str) -> None:
    """Write the data. Raises DataSetError for a column that is of no one type."""
    arrow = needed("pyarrow", "saving Parquet")
    parquet = needed("pyarrow.parquet", "saving Parquet")
    try:
        table = _table(data, what)
        refuse_duplicates(table.column_names, what)
        parquet.write_table(table, file)
    except (
        arrow.ArrowInvalid,
        arrow.ArrowTypeError,
        arrow.ArrowNotImplementedError,
        UnicodeEncodeError,
        OverflowError,
    ) as error:
        said = error.args if all(isinstance(each, str) for each in error.args) else (error,)
        text = "; ".join(str(each).partition("\n")[0] for each in said)
        raise DataSetError(f"{what} cannot be saved as Parquet, whose columns have one type each: {text}") from error


def _table(data: object, what: str) -> pyarrow.Table:
    import pyarrow

    kind = kind_of(data)
    if kind == "pandas":
        refuse_duplicates([str(name) for name in data.columns], what)  # type: ignore[attr-defined]
        return pyarrow.Table.from_pandas(data)
    if kind == "polars":
        return data.to_arrow()  # type: ignore[attr-defined]
    found = list(batches(data, what))
    columns = found[-1][0]
    rows = [row for _, part in found for row in part]
    return pyarrow.table({column: [row[column] for row in rows] for column in columns})
