"""Encodings of Arrow tables and columns and of polars frames: schema and values; chunks and metadata do not count."""

from __future__ import annotations

from typing import Any

from milepost.model.fingerprint import arrays
from milepost.model.fingerprint.columns import ColumnHash, arrow_body, text_body
from milepost.model.fingerprint.walk import Unkeyable, Walk


def encode_table(walk: Walk, value: Any) -> bytes:
    """A Table or RecordBatch: names, types, values."""
    head = walk.typed("pyarrow." + type(value).__name__, value.num_rows, tuple(value.schema.names))
    return head + b"".join(map(walk.part, value.columns))


def encode_arrow(walk: Walk, value: Any) -> bytes:
    """An Array or ChunkedArray: the same whichever of the two, and however chunked."""
    chunks = getattr(value, "chunks", None)
    body = arrow_body(walk, [value] if chunks is None else chunks, value.type)
    return b"C" + walk.typed("pyarrow.Array", str(value.type)) + body


def encode_arrow_scalar(walk: Walk, value: Any) -> bytes:
    """An Arrow scalar: its type and its value."""
    return walk.typed("pyarrow.Scalar", str(value.type), value.as_py())


def encode_arrow_type(walk: Walk, value: Any) -> bytes:
    """An Arrow type."""
    return walk.typed("pyarrow.DataType", str(value))


def encode_arrow_schema(walk: Walk, value: Any) -> bytes:
    """A schema: names, types, and which fields may be null."""
    return walk.typed("pyarrow.Schema", [(field.name, str(field.type), field.nullable) for field in value])


def refuse_lazy(walk: Walk, value: Any) -> bytes:
    """A LazyFrame is a plan to read files, not their content."""
    raise Unkeyable("a LazyFrame has not been read yet: pass its collect()")


def encode_polars(walk: Walk, value: Any) -> bytes:
    """A polars DataFrame: names, types and values of its columns in order."""
    head = walk.typed("polars.DataFrame", value.shape, tuple(value.columns))
    return head + b"".join(map(walk.part, value.get_columns()))


def encode_polars_series(walk: Walk, value: Any) -> bytes:
    """A polars Series: name, type, values."""
    return b"P" + walk.typed("polars.Series", value.name, str(value.dtype)) + _polars_body(walk, value)


def _polars_body(walk: Walk, value: Any) -> bytes:
    """The same with and without pyarrow: text as lengths and bytes, numbers as they lie, the rest by element."""
    kind = value.dtype
    name = type(kind).__name__ if not isinstance(kind, type) else kind.__name__
    if name in ("Categorical", "Enum"):
        import polars

        return _polars_body(walk, value.cast(polars.String))
    if name == "String":
        return _polars_text(walk, value)
    if (kind.is_numeric() and name != "Decimal") or kind.is_temporal() or name == "Boolean":
        return _polars_fixed(value.to_physical())
    return walk.part(value.to_list())


def _polars_text(walk: Walk, value: Any) -> bytes:
    try:
        column = value.rechunk().to_arrow()
    except ImportError:
        body = text_body(value.to_list(), na=True)
        return body if body is not None else walk.part(value.to_list())
    return arrow_body(walk, [column], column.type)


def _polars_fixed(value: Any) -> bytes:
    missing = None
    if value.null_count():
        missing = value.is_null().to_numpy().view("u1")
        value = value.fill_null((value.dtype.is_numeric() and 0) or False)
    column = ColumnHash()
    values = value.to_numpy().copy(order="C")
    column.add(len(values), arrays.canonical_bytes(values), None, missing)
    return column.body()
