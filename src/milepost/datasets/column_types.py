"""Which type a new table's column gets for the values it is to hold."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from milepost.errors import DataSetError

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

# The first that a value is an instance of: a bool is an int, a datetime is a date.
_KINDS: dict[type, str] = {
    bool: "truth",
    int: "integer",
    float: "number",
    str: "text",
    datetime.datetime: "moment",
    datetime.date: "day",
    datetime.time: "time",
    Decimal: "decimal",
    bytes: "bytes",
    UUID: "uuid",
    dict: "json",
    list: "json",
}


def kinds_of(values: Iterable[object], column: str, what: str) -> set[str]:
    """The kinds of values in a column, None left out. Raises DataSetError for what no table can hold."""
    kinds = {_kind(kind, column, what) for kind in set(map(type, values)) if kind is not type(None)}
    return kinds | {"zoned"} if "moment" in kinds and any(getattr(one, "tzinfo", None) for one in values) else kinds


def _kind(given: type, column: str, what: str) -> str:
    for known, kind in _KINDS.items():
        if issubclass(given, known):
            return kind
    raise DataSetError(f"{what}: column {column!r} holds {given.__name__}, which a table cannot keep", column=column)


def column_type(kinds: set[str], column: str, what: str, *, is_sqlite: bool) -> TypeEngine[Any]:
    """The type that holds all these kinds. Raises DataSetError when there is none."""
    import sqlalchemy

    if kinds == {"integer", "number"}:
        return sqlalchemy.Double()
    if kinds == {"moment", "zoned"}:
        return sqlalchemy.DateTime(timezone=True)
    if len(kinds) > 1:
        mixed = " and ".join(sorted(kinds))
        raise DataSetError(f"{what}: column {column!r} mixes {mixed}: make it of one kind", column=column)
    types: dict[str, TypeEngine[Any]] = {
        "truth": sqlalchemy.Boolean(),
        "integer": sqlalchemy.BigInteger(),
        "number": sqlalchemy.Double(),
        "text": sqlalchemy.Text(),
        "moment": sqlalchemy.DateTime(),
        "day": sqlalchemy.Date(),
        "time": sqlalchemy.Time(),
        "decimal": sqlalchemy.Text() if is_sqlite else sqlalchemy.Numeric(),
        "bytes": sqlalchemy.LargeBinary(),
        "uuid": sqlalchemy.Text() if is_sqlite else sqlalchemy.Uuid(),
        "json": sqlalchemy.JSON(none_as_null=True),
    }
    return types[next(iter(kinds), "text")]
