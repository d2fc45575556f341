"""What is asked of a data set, and what is known of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from milepost.errors import DataSetError
from milepost.model.nearest import nearest

Kind = Literal["pandas", "polars", "records"]

KINDS: tuple[Kind, ...] = ("pandas", "polars", "records")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """How a data set is wanted."""

    kind: Kind
    columns: tuple[str, ...] | None = None  # None: all, in their order
    chunks: int | None = None  # rows a piece; None: whole
    missing: tuple[str, ...] = ()  # words in a CSV that mean no value, beside the empty field
    text: tuple[str, ...] = ()  # columns of a CSV that stay text, as "007" should
    separator: str = ","


class DataSet(msgspec.Struct, frozen=True, kw_only=True):
    """One data set by its name: where it is, and whether it is there."""

    name: str
    format: str  # csv, parquet, json, jsonl, table or view
    path: str | None = None  # of a file
    size_bytes: int | None = None
    is_input: bool = False  # read only: it came from the configuration or data_dir
    is_there: bool = True


def chosen_columns(known: list[str], columns: tuple[str, ...] | None, what: str) -> list[str]:
    """The columns that are wanted. Raises DataSetError for one that is not there."""
    if columns is None:
        return known
    for column in columns:
        if column not in known:
            message = f"{what} has no column {column!r}.{known_names(column, known)}"
            raise DataSetError(message, column=column)
    return list(columns)


def refuse_duplicates(columns: list[str], what: str) -> None:
    """Raise DataSetError when two columns have one name."""
    if len(set(columns)) == len(columns):
        return
    twice = sorted({column for column in columns if columns.count(column) > 1})
    raise DataSetError(f"{what} has more than one column named {twice[0]!r}: rename one", column=twice[0])


def known_names(name: object, known: Iterable[str], most: int = 20) -> str:
    """The end of an error's text: the name that may have been meant, and those that exist.

    Example:
        >>> known_names("oders", ["orders", "items"])
        " Did you mean 'orders'? There are: items, orders."
    """
    known = sorted(known)
    match = nearest(name, known) if isinstance(name, str) else None
    meant = f" Did you mean {match!r}?" if match else ""
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return f"{meant} There are: {', '.join(known[:most])}{more}." if known else " There are none."
