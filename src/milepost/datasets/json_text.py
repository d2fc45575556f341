"""JSON: a list of records, or a record a line; numbers exactly, and what JSON has no form for is refused."""

from __future__ import annotations

import datetime
import json
import math
import warnings
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import msgspec

from milepost.datasets.request import Request, chosen_columns
from milepost.datasets.shapes import batches, built, plain
from milepost.errors import DataSetError

_TEXTS = (datetime.date, datetime.time, Decimal, UUID)


def parts(path: Path, request: Request, what: str) -> Iterator[object]:
    """The records as what was asked for, all at once or in chunks."""
    with open(path, "rb") as file:
        records = _records(path, file, what)
        for number, part in enumerate(_portions(records, request.chunks)):
            if part or not number:
                yield _shaped(part, request, what)


def _portions(records: Iterator[dict[str, object]], size: int | None) -> Iterator[list[dict[str, object]]]:
    while part := list(islice(records, size)):
        yield part
    yield []


def _records(path: Path, file: BinaryIO, what: str) -> Iterator[dict[str, object]]:
    """A file that begins with [ is one list; else each line is a record. A list is read whole."""
    start = file.read(4096).removeprefix(b"\xef\xbb\xbf")
    file.seek(0)
    if start.lstrip().startswith(b"["):
        found = _decoded(file.read().removeprefix(b"\xef\xbb\xbf"), 1, path, what)
        for number, record in enumerate(found if isinstance(found, list) else [found], 1):
            yield _record(record, f"record {number}", path, what)
        return
    if not start.strip() and path.suffix.lower() == ".json":  # as lines, nothing is no records
        raise DataSetError(f"{what} is empty: not even a list of no records", path=str(path))
    for number, line in enumerate(file, 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if line.strip():
            yield _record(_decoded(line.strip(), number, path, what), f"line {number}", path, what)


def _decoded(text: bytes, line: int, path: Path, what: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _decoded_slowly(text, line, path, what)  # it knows NaN, and the line of what is wrong


def _decoded_slowly(text: bytes, line: int, path: Path, what: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where, trouble = line + error.lineno - 1, f"not JSON: {error.msg} at column {error.colno}"
    except UnicodeDecodeError as error:
        where, trouble = line + text.count(b"\n", 0, error.start), "bytes that are not UTF-8"
    except RecursionError:
        where, trouble = line, "values too deep in one another"
    raise DataSetError(f"{what}, line {where}: {trouble}", path=str(path), line=where)


def _record(record: object, where: str, path: Path, what: str) -> dict[str, object]:
    if isinstance(record, dict):
        return record
    raise DataSetError(
        f"{what}, {where}: {type(record).__name__} where a record is expected, as in [{{...}}] or {{...}}",
        path=str(path),
    )


def _shaped(records: list[dict[str, object]], request: Request, what: str) -> object:
    names: dict[str, None] = {}
    for record in records:
        if record.keys() - names.keys():
            names.update(dict.fromkeys(record))
    columns = chosen_columns(list(names), request.columns, what) if records else list(request.columns or ())
    if request.kind == "records" and request.columns is None:
        return records
    return built(columns, [[record.get(column) for column in columns] for record in records], request.kind)


def save(data: object, file: BinaryIO, what: str, *, lines: bool) -> None:
    """Write records, one a line: as a list, or bare. Warns of columns that no record tells."""
    encoder = msgspec.json.Encoder(decimal_format="string")
    written = 0
    if not lines:
        file.write(b"[")
    for columns, part in batches(data, what):
        for number, row in enumerate(part, written + 1):
            text = encoder.encode({column: _value(row[column], column, what, number) for column in columns})
            file.write(text + b"\n" if lines else (b",\n" if number > 1 else b"\n") + text)
        written += len(part)
    if not lines:
        file.write(b"\n]\n" if written else b"]\n")
    if columns and not written:
        _warn_of_lost(columns, what)


def _warn_of_lost(columns: list[str], what: str) -> None:
    warnings.warn(
        f"{what} has no rows, so JSON keeps none of its columns ({', '.join(columns)}): load it with columns=[…], or "
        "save it with format='csv' or 'parquet', which keep them",
        RuntimeWarning,
        stacklevel=5,  # where save_data was called
    )


def _value(value: object, column: str, what: str, number: int) -> object:
    """What JSON writes for a value. Raises DataSetError where another value would be read back."""
    value = plain(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(value, column, what, number)
    if isinstance(value, float):
        if math.isinf(value):
            raise _refused("an infinite number", column, what, number)
        return None if math.isnan(value) else float(value)
    if isinstance(value, _TEXTS):
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    if isinstance(value, list | tuple):
        return [_value(one, column, what, number) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _value(one, column, what, number) for key, one in value.items()}
    raise _refused(type(value).__name__, column, what, number)


def _text(value: str, column: str, what: str, number: int) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _refused("text that is not valid Unicode", column, what, number) from None
    return str(value)


def _refused(value: str, column: str, what: str, number: int) -> DataSetError:
    return DataSetError(f"{what}: row {number}, column {column!r} holds {value}, which JSON cannot keep", column=column)
