"""CSV with the standard library alone: read strictly, written so that reading gives the same back."""

from __future__ import annotations

import csv
import datetime
import io
import re
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from milepost.datasets.request import Request, chosen_columns, refuse_duplicates
from milepost.datasets.shapes import batches
from milepost.errors import DataSetError

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,400})(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?|-?inf|nan")
_TRUTH = {"True": True, "False": False, "true": True, "false": False}
_PLAIN = (str, int, float, bool, Decimal, datetime.date, datetime.time, UUID)


def header(path: Path, separator: str, what: str) -> list[str]:
    """The names of the columns. Raises DataSetError when there are none, two alike, or other than in the first row."""
    for _, names in islice(read := rows(path, separator, what), 1):
        next(read, None)  # a long first row pandas would take for one with an index
        return names
    raise DataSetError(f"{what} is empty: not even a line of column names", path=str(path))


def rows(path: Path, separator: str, what: str) -> Iterator[tuple[int, list[str]]]:
    """Every row with the line it begins on, the column names first. Raises DataSetError at the first that is wrong."""
    csv.field_size_limit(max(csv.field_size_limit(), sys.maxsize >> 32))  # a text of 10 MB is a value like another
    line, columns = 1, 0
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            for row in reader:
                if row:
                    columns = _checked(row, columns, line, path, what)
                    yield line, row
                line = reader.line_num + 1
        except UnicodeDecodeError:
            raise _at(what, path, undecodable_line(path), "bytes that are not UTF-8") from None
        except csv.Error as error:
            raise _at(what, path, line, f"{error} in the row that begins there") from None


def _checked(row: list[str], columns: int, line: int, path: Path, what: str) -> int:
    """How many columns there are, and this row has."""
    if not columns:
        refuse_duplicates(row, what)
        return len(row)
    if len(row) != columns:
        raise _at(what, path, line, f"{len(row)} fields, but there are {columns} columns")
    return columns


def undecodable_line(path: Path) -> int:
    """The first line that is not UTF-8."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0


def diagnosed(path: Path, separator: str, what: str, error: Exception) -> DataSetError:
    """What is wrong with a file that another reader refused, with its line if it can be found."""
    try:
        for _ in rows(path, separator, what):
            pass
    except DataSetError as found:
        return found
    text = str(error).strip().partition("\n")[0]
    return DataSetError(f"{what} cannot be read as CSV: {text}", path=str(path))


def _at(what: str, path: Path, line: int, trouble: str) -> DataSetError:
    return DataSetError(f"{what}, line {line}: {trouble}", path=str(path), line=line)


def parts(path: Path, request: Request, what: str) -> Iterator[list[dict[str, object]]]:
    """The rows as mappings, all at once or in chunks. A column of numbers or truth values becomes that."""
    reader = rows(path, request.separator, what)
    known = header(path, request.separator, what)
    wanted = chosen_columns(known, request.columns, what)
    chosen_columns(known, request.text, what)
    next(reader)
    empty = frozenset({"", *request.missing})
    for number, part in enumerate(_portions(reader, request.chunks)):
        if part or not number:
            yield _typed(known, wanted, part, empty, request.text)


def _portions(reader: Iterator[tuple[int, list[str]]], size: int | None) -> Iterator[list[list[str]]]:
    values = (row for _, row in reader)
    while part := list(islice(values, size)):
        yield part
    yield []


def _typed(
    known: list[str], wanted: list[str], part: list[list[str]], empty: frozenset[str], text: Sequence[str]
) -> list[dict[str, object]]:
    places = {name: place for place, name in enumerate(known)}
    columns = [_column([row[places[name]] for row in part], empty, name in text) for name in wanted]
    return [dict(zip(wanted, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(fields: list[str], empty: frozenset[str], as_text: bool) -> list[object]:
    """None for empty fields; numbers when each field is one as a program writes it, so "007" and "1,5" stay text."""
    given = {field for field in fields if field not in empty}
    values: dict[str, object]
    if as_text or not given:
        values = {}
    elif all(map(_NUMBER.fullmatch, given)):
        values = {field: _number(field) for field in given}
    elif given <= _TRUTH.keys():
        values = {field: _TRUTH[field] for field in given}
    else:
        values = {}
    return [None if field in empty else values.get(field, field) for field in fields]


def _number(field: str) -> int | float:
    return int(field) if field.lstrip("-").isdigit() else float(field)


def save(data: object, file: BinaryIO, what: str) -> None:
    """Write mappings, a line of column names first."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    usual = csv.writer(text, lineterminator="\n")
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a bare \r would end the row
    first = True
    try:
        for columns, part in batches(data, what):
            if first:
                _refuse_no_columns(columns, what)
                usual.writerow(columns)
                first = False
            for row in part:
                fields = [_field(column, value, what) for column, value in row.items()]
                has_return = any(isinstance(field, str) and "\r" in field for field in fields)
                (quoting if has_return else usual).writerow(fields)
        text.flush()
    except UnicodeEncodeError as error:
        raise DataSetError(f"{what} has text that is not valid Unicode: {error.object[error.start]!r}") from error
    finally:
        text.detach()


def _refuse_no_columns(columns: list[str], what: str) -> None:
    if not columns:
        raise DataSetError(f"{what} has no columns, which CSV cannot keep")


def _field(column: str, value: object, what: str) -> object:
    if can_keep(value):
        return value
    raise unkeepable(column, value, what)


def can_keep(value: object) -> bool:
    """Whether the text of a value stands for it."""
    return value is None or isinstance(value, _PLAIN)


def unkeepable(column: str, value: object, what: str) -> DataSetError:
    """A value that a field of text cannot hold."""
    kind = type(value).__name__
    return DataSetError(
        f"{what}: column {column!r} holds {kind}, which CSV cannot keep; save as json or parquet", column=column
    )
