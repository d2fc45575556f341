"""Data sets that are tables of a database: loaded by reflection, replaced in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from milepost.datasets.column_types import column_type, kinds_of
from milepost.datasets.database import Database
from milepost.datasets.naming import shortened
from milepost.datasets.request import DataSet, Request, chosen_columns, known_names
from milepost.datasets.shapes import batches, built, kind_of
from milepost.errors import DataSetError, UnknownDataSetError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

Rows = list[dict[str, object]]

_CREATES_IN_TRANSACTIONS = ("sqlite", "postgresql", "mssql")


class Tables:
    """The tables and views of a database, by name. Names reach the database quoted by SQLAlchemy, never in a text."""

    def __init__(self, address: str) -> None:
        self._database = Database(address)

    def __repr__(self) -> str:
        return f"tables of {self._database!r}"

    def connect(self) -> None:
        """See that the database can be reached."""
        self._database.connect()

    def disconnect(self) -> None:
        """Close the connections."""
        self._database.disconnect()

    def sets(self) -> list[DataSet]:
        """Every table and view."""
        if self._database.is_missing():
            return []
        with self._database.reading() as connection:
            kinds = _kinds(connection)
        return [DataSet(name=name, format=kind, is_input=kind == "view") for name, kind in sorted(kinds.items())]

    def has(self, name: str) -> bool:
        """Whether there is such a table or view."""
        return any(each.name == name for each in self.sets())

    def path(self, name: str) -> Path:
        """A table has none. Raises DataSetError."""
        raise DataSetError(f"data set {shortened(name)} is a table of {self._database!r}: it has no file")

    def parts(self, name: str, request: Request, form: str | None) -> Iterator[object]:
        """The rows, by primary key if there is one, in one part or several."""
        import sqlalchemy

        _refuse_format(form)
        if self._database.is_missing():
            raise UnknownDataSetError(f"no data set {shortened(name)}: {self._database!r} is not there", name=name)
        with self._database.reading() as connection:
            table = self._reflected(connection, name)
            columns = chosen_columns(list(table.columns.keys()), request.columns, f"table {name!r}")
            query = sqlalchemy.select(*(table.columns[column] for column in columns)).order_by(*table.primary_key)
            if request.chunks is None:
                yield built(columns, connection.execute(query).fetchall(), request.kind)
                return
            found = connection.execution_options(yield_per=request.chunks).execute(query)
            count = 0
            for part in found.partitions(request.chunks):
                count += 1
                yield built(columns, part, request.kind)
            if not count:
                yield built(columns, [], request.kind)

    def save(self, name: str, data: object, *, form: str | None, replace: bool) -> None:
        """Put the data in place of the rows that are there, or make the table. All or nothing."""
        _refuse_format(form)
        what = f"table {name!r}"
        columns, parts = _held(data, what)
        kinds = {column: set[str]().union(*_kinds_in(parts, column, what)) for column in columns}
        self._refuse_zones(kinds, what)
        foreign = [column for column, each in kinds.items() if each & {"moment", "decimal", "uuid"}]
        with self._database.writing(name) as connection:
            table = self._emptied(connection, name, kinds, replace=replace)
            for part in filter(None, parts):
                connection.execute(table.insert(), [self._row(row, foreign) for row in part])

    def _emptied(self, connection: Connection, name: str, kinds: dict[str, set[str]], *, replace: bool) -> Table:
        """The table without rows: the one that is there if it has these columns, else a new one."""
        there = _kinds(connection).get(name)
        if there == "view":
            raise DataSetError(f"{name!r} is a view and cannot be saved: save under another name")
        if there is None:
            return self._created(connection, name, kinds)
        if not replace:
            raise DataSetError(f"table {name!r} is there already: save with replace=True, or under another name")
        table = self._reflected(connection, name)
        if set(table.columns.keys()) == set(kinds):
            connection.execute(table.delete())  # its types, keys and grants stay
            return table
        if connection.dialect.name not in _CREATES_IN_TRANSACTIONS:
            raise DataSetError(
                f"table {name!r} has other columns, and {connection.dialect.name} cannot replace it safely"
            )
        table.drop(connection)
        return self._created(connection, name, kinds)

    def _created(self, connection: Connection, name: str, kinds: dict[str, set[str]]) -> Table:
        from sqlalchemy import Column, MetaData, Table

        what, is_sqlite = f"table {name!r}", self._database.is_sqlite
        columns = [Column(each, column_type(kinds[each], each, what, is_sqlite=is_sqlite)) for each in kinds]
        table = Table(name, MetaData(), *columns)
        table.create(connection)
        return table

    def _reflected(self, connection: Connection, name: str) -> Table:
        from sqlalchemy import MetaData, Numeric, Table
        from sqlalchemy.types import NullType

        known = _kinds(connection)
        if name not in known:
            raise UnknownDataSetError(f"no table {shortened(name)} in {self!r}.{known_names(name, known)}", name=name)
        table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
        for column in table.columns:
            if self._database.is_sqlite and isinstance(column.type, Numeric) and column.type.asdecimal:
                column.type = NullType()  # SQLite has no decimal numbers: what is stored is what there is
        return table

    def _refuse_zones(self, kinds: dict[str, set[str]], what: str) -> None:
        for column, each in kinds.items():
            if "zoned" in each and self._database.is_sqlite:
                message = (
                    f"{what}: column {column!r} has a time zone, which SQLite cannot keep: convert it to UTC without"
                )
                raise DataSetError(f"{message} one, or to text", column=column)

    def _row(self, row: dict[str, object], foreign: list[str]) -> dict[str, object]:
        """Values as drivers take them; SQLite, which has neither, is given the text of decimals and UUIDs."""
        for column in foreign:
            value = row[column]
            if hasattr(value, "to_pydatetime"):
                row[column] = value.to_pydatetime(warn=False)
            elif self._database.is_sqlite and isinstance(value, Decimal | UUID):
                row[column] = str(value)
        return row


def _kinds(connection: Connection) -> dict[str, str]:
    """What there is: table or view, by name."""
    from sqlalchemy import inspect

    seen = inspect(connection)
    return dict.fromkeys(seen.get_view_names(), "view") | dict.fromkeys(seen.get_table_names(), "table")


def _held(data: object, what: str) -> tuple[list[str], list[Rows]]:
    """The columns and all rows: they are looked at before the first is written."""
    kind_of(data)
    found = list(batches(data, what))
    columns = found[-1][0]
    if not columns:
        raise DataSetError(f"{what}: there are no columns")
    return columns, [part for _, part in found]


def _kinds_in(parts: Collection[Rows], column: str, what: str) -> Iterator[set[str]]:
    for part in parts:
        yield kinds_of([row[column] for row in part], column, what)


def _refuse_format(form: str | None) -> None:
    if form not in (None, "table"):
        raise DataSetError(f"a table has no format {form!r}: use a data manager without use_db for files")
