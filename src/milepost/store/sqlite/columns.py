"""Rows to columns and back: what SQLite would mangle goes in as a blob or text and comes out as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from milepost import typed
from milepost.model.rows import (
    AcceptedRow,
    DecisionRow,
    EventRow,
    FileRow,
    PartsRow,
    ResultRow,
    Row,
    RunRow,
    ScenarioRow,
    SessionRow,
    SourceRow,
    StageRow,
    TraceRow,
)
from milepost.model.status import RunState, StageState
from milepost.store.kinds import IDENTITY, KEPT, choices
from milepost.store.protocol import R

Cell = str | bytes | int | float | None
_SINGLE = frozenset({str, bytes, int, float})
_KEPT_STATEMENTS = 100

TABLES: Mapping[type[Row], str] = {
    RunRow: "runs",
    SessionRow: "sessions",
    DecisionRow: "decisions",
    StageRow: "stages",
    ResultRow: "results",
    PartsRow: "parts",
    SourceRow: "sources",
    AcceptedRow: "accepted",
    FileRow: "files",
    ScenarioRow: "scenarios",
    TraceRow: "traces",
    EventRow: "events",
}


def to_cell(value: object) -> Cell:
    """What is bound for a value: NaN as text, 2**63 and lone surrogates as blobs."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return text_cell(value)
    if isinstance(value, float):
        return "nan" if value != value else value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else hex(value).encode()
    return _list_cell(value)


def _list_cell(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        from json import dumps  # which escapes lone surrogates

        return dumps(value)


def text_cell(text: str) -> str | bytes:
    """The text itself, or bytes when UTF-8 cannot hold it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-8", "surrogatepass")
    return text if type(text) is str else str.__str__(text)


def from_text(cell: str | bytes) -> str:
    """The text of a cell."""
    return cell if isinstance(cell, str) else cell.decode("utf-8", "surrogatepass")


def from_integer(cell: int | bytes) -> int:
    """The integer of a cell."""
    return cell if isinstance(cell, int) else int(cell, 16)


def from_real(cell: float | str | bytes) -> float:
    """The float of a cell."""
    return float(int(cell, 16)) if isinstance(cell, bytes) else float(cell)


def _from_list(cell: str) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(cell, type=tuple[str, ...])
    except msgspec.DecodeError:
        from json import loads

        return tuple(loads(cell))


_DECODERS: Mapping[str, Callable[..., object] | None] = {
    "str": from_text,
    "int": from_integer,
    "bool": bool,
    "float": from_real,
    "bytes": None,
    "tuple[str, ...]": _from_list,
    "RunState": RunState,
    "StageState": StageState,
}


class Table:
    """The statements and conversions of one kind of row."""

    def __init__(self, kind: type[Row]) -> None:
        self.kind = kind
        self.name = TABLES[kind]
        self.columns = tuple(name for name in kind.__struct_fields__ if name != "seq")
        self.order = "created, rowid" if kind is RunRow else "rowid"
        self.selected = ", ".join(f'"{name}"' for name in kind.__struct_fields__)
        self._decoders = {name: decode for name in kind.__struct_fields__ if (decode := _decoder(kind, name))}
        self._lists = [name for name, decode in self._decoders.items() if decode is _from_list]
        self._statements: dict[tuple[object, ...], str] = {}
        self._convert = typed.converter(kind)

    @property
    def insert(self) -> str:
        """Insert, or replace what has this identity, or leave what never changes."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        marks = ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self.name} ({names}) VALUES ({marks}) {self._on_conflict()}"

    def _on_conflict(self) -> str:
        identity = IDENTITY.get(self.kind)
        if identity is None:
            return ""
        target = ", ".join(f'"{name}"' for name in identity)
        if self.kind in KEPT:
            return f"ON CONFLICT ({target}) DO NOTHING"
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in self.columns if name not in identity)
        return f"ON CONFLICT ({target}) DO UPDATE SET {changes}"

    def encode(self, row: Row) -> tuple[Cell, ...]:
        return tuple([to_cell(getattr(row, name)) for name in self.columns])

    def select(self, condition: str, *, after: int, limit: int | None, newest: bool) -> str:
        """The rows that fulfil a condition; made once, for the same questions are asked again and again."""
        asked = (condition, after, limit, newest)
        found = self._statements.get(asked)
        if found is None:
            if len(self._statements) >= _KEPT_STATEMENTS:
                self._statements.clear()
            end = page(condition, order=self.order, after=after, limit=limit, newest=newest)
            found = self._statements[asked] = f"SELECT {self.selected} FROM {self.name} {end}"
        return found

    def decode(self, kind: type[R], cells: Sequence[Cell]) -> R:
        values: dict[str, object] = dict(zip(kind.__struct_fields__, cells, strict=True))
        for name in self._lists:
            values[name] = _from_list(cast(str, values[name]))
        try:
            return cast(R, self._convert(values))
        except msgspec.ValidationError:  # one of the cells that SQLite would mangle
            return self._decode_each(kind, cells)

    def _decode_each(self, kind: type[R], cells: Sequence[Cell]) -> R:
        values: dict[str, object] = dict(zip(kind.__struct_fields__, cells, strict=True))
        for name, decoder in self._decoders.items():
            if values[name] is not None:
                values[name] = decoder(values[name])
        return kind(**values)


def _decoder(kind: type[Row], name: str) -> Callable[..., object] | None:
    return _DECODERS[str(kind.__annotations__[name]).removesuffix(" | None")]


_tables: dict[type[Row], Table] = {}


def table(kind: type[Row]) -> Table:
    """The table of a kind; steps have their own module."""
    found = _tables.get(kind)
    if found is None:
        found = _tables[kind] = Table(kind)
    return found


def where(
    equal: Mapping[str, object], cell: Callable[[str, object], Cell], written: Mapping[str, str] = {}
) -> tuple[str, list[Cell]]:
    """The condition that columns equal these values, and what to bind; some columns are `written` as expressions."""
    terms: list[str] = []
    bound: list[Cell] = []
    for column, value in equal.items():
        name = written.get(column, f'"{column}"')
        if type(value) in _SINGLE:
            terms.append(f"{name} = ?")
            bound.append(cell(column, value))
            continue
        several = choices(value)
        values = [value] if several is None else several
        cells = [cell(column, each) for each in values if each is not None]
        marks = f"{name} IN ({', '.join('?' * len(cells))})" if len(cells) != 1 else f"{name} = ?"
        terms.append(f"({marks} OR {name} IS NULL)" if None in values else marks)
        bound.extend(cells)
    return " AND ".join(terms) or "1", bound


def page(condition: str, *, order: str, after: int, limit: int | None, newest: bool) -> str:
    """The end of a SELECT: which rows, in what order, how many."""
    if after:
        condition = f"{condition} AND seq > {int(after)}"
    return f"WHERE {condition}{ordered(order, limit=limit, newest=newest)}"


def ordered(order: str, *, limit: int | None, newest: bool) -> str:
    """In what order rows come, and how many."""
    if newest:
        order = ", ".join(f"{column} DESC" for column in order.split(", "))
    return f" ORDER BY {order}" + ("" if limit is None else f" LIMIT {int(limit)}")
