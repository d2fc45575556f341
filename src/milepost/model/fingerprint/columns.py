"""Encodings of columns: text as lengths, bytes and what is missing, whether Python, NumPy or Arrow holds it.

An Arrow column is read from its buffers: slices, chunks, offsets that do not begin at 0, bytes under a null and
padding do not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xxhash import xxh3_128

from milepost.model.fingerprint.walk import Walk

_MISSING = {type(None): 1, float: 2, "NA": 3}


class ColumnHash:
    """Values, their lengths when they have some, and which are missing; three streams, one result."""

    def __init__(self) -> None:
        self._values, self._lengths, self._missing = xxh3_128(), xxh3_128(), xxh3_128()
        self._count = 0
        self._missing_count = 0

    def add(self, count: int, values: bytes | memoryview, lengths: Any = None, missing: Any = None) -> None:
        """One chunk. `lengths` are int64 bytes per value; `missing` is a byte per value, 0 where there is one."""
        if lengths is not None:
            self._lengths.update(lengths)
        if missing is not None and self._missing_count == 0:
            self._fill(self._count)
        if missing is not None:
            self._missing.update(missing)
            self._missing_count += 1
        elif self._missing_count:
            self._fill(count)
        self._values.update(values)
        self._count += count

    def _fill(self, count: int) -> None:
        for start in range(0, count, 1 << 20):
            self._missing.update(bytes(min(1 << 20, count - start)))

    def body(self) -> bytes:
        """The encoding of the column's content."""
        head = b"X" + self._count.to_bytes(8, "little") + self._values.digest() + self._lengths.digest()
        return head + (self._missing.digest() if self._missing_count else b"")


def text_body(elements: list[Any], *, na: bool = False) -> bytes | None:
    """The content of a column of `str`, None, NaN and pandas' NA; None when it holds anything else or no text.

    With `na` everything missing counts alike, as in a column whose dtype says what missing means.
    """
    kinds = set(map(type, elements))
    names = {kind.__name__ for kind in kinds - {str, type(None), float}}
    if (str not in kinds and not na) or not names <= {"NAType"}:
        return None
    missing = None
    if kinds - {str}:
        if any(each == each for each in elements if type(each) is float):
            return None
        codes = {kind: 0 if kind is str else 1 if na else _MISSING.get(kind, 3) for kind in kinds}
        missing = bytes(map(codes.__getitem__, map(type, elements)))
        elements = [each if type(each) is str else "" for each in elements]
    column = ColumnHash()
    column.add(len(elements), *_joined(elements), missing)
    return column.body()


def _joined(elements: list[str]) -> tuple[bytes, Any]:
    """All text as UTF-8, and the bytes that each element takes of it."""
    import numpy

    text = "".join(elements)
    if text.isascii():
        return text.encode(), numpy.fromiter(map(len, elements), "<i8", len(elements))
    encoded = [each.encode("utf-8", "surrogatepass") for each in elements]
    return b"".join(encoded), numpy.fromiter(map(len, encoded), "<i8", len(encoded))


def arrow_body(walk: Walk, chunks: Iterable[Any], kind: Any) -> bytes:
    """The content of an Arrow column of type `kind`, given as its chunks."""
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(kind):
        decoded = (chunk.dictionary_decode() for chunk in chunks)
        return arrow_body(walk, decoded, kind.value_type)
    if isinstance(kind, pyarrow.BaseExtensionType):
        return arrow_body(walk, (chunk.storage for chunk in chunks), kind.storage_type)
    if _is_view(kind):
        wide = pyarrow.large_string() if types.is_string_view(kind) else pyarrow.large_binary()
        return arrow_body(walk, (chunk.cast(wide) for chunk in chunks), wide)
    if types.is_null(kind):
        return b"X" + sum(map(len, chunks)).to_bytes(8, "little")
    if _is_text(kind):
        return _hashed(chunks, _text_chunk)
    if types.is_list(kind) or types.is_large_list(kind):
        return _list_body(walk, list(chunks), kind)
    if types.is_struct(kind):
        return _struct_body(walk, list(chunks), kind)
    if types.is_boolean(kind) or _byte_width(kind):
        return _hashed(chunks, _fixed_chunk)
    return walk.part([each for chunk in chunks for each in chunk.to_pylist()])


def _is_view(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_string_view(kind) or pyarrow.types.is_binary_view(kind))


def _is_text(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    return any(ask(kind) for ask in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary))


def _byte_width(kind: Any) -> int:
    """Bytes a value of a fixed width takes; 0 for all other types."""
    import pyarrow

    types = pyarrow.types
    if types.is_fixed_size_binary(kind) or types.is_decimal(kind) or types.is_primitive(kind):
        return int(kind.bit_width) // 8
    return 0


def _hashed(chunks: Iterable[Any], read: Any) -> bytes:
    column = ColumnHash()
    for chunk in chunks:
        if len(chunk):
            column.add(len(chunk), *read(chunk))
    return column.body()


def _missing(chunk: Any) -> Any:
    """A byte per value, 1 where it is null; None when there is no null."""
    if chunk.null_count == 0:
        return None
    return chunk.is_null().cast("uint8").to_numpy(zero_copy_only=False)


def _text_chunk(chunk: Any) -> tuple[Any, Any, Any]:
    import numpy

    missing = _missing(chunk)
    lengths = numpy.diff(_offsets(chunk).astype("<i8", copy=False))
    if missing is not None:
        lengths[missing == 1] = 0
        chunk = chunk.drop_null()  # bytes may lie under a null
    offsets = _offsets(chunk)
    data = chunk.buffers()[2]
    if data is None or len(chunk) == 0:
        return b"", lengths, missing
    return memoryview(data)[int(offsets[0]) : int(offsets[-1])], lengths, missing


def _offsets(chunk: Any) -> Any:
    import numpy
    import pyarrow

    types = pyarrow.types
    is_wide = types.is_large_string(chunk.type) or types.is_large_binary(chunk.type)
    buffer = chunk.buffers()[1]
    if buffer is None or len(chunk) == 0:
        return numpy.zeros(1, "<i8")
    width = "<i8" if is_wide else "<i4"
    return numpy.frombuffer(buffer, width)[chunk.offset : chunk.offset + len(chunk) + 1]


def _fixed_chunk(chunk: Any) -> tuple[Any, Any, Any]:
    import numpy
    import pyarrow

    from milepost.model.fingerprint.arrays import canonical_bytes

    missing = _missing(chunk)
    buffer = chunk.buffers()[1]
    if pyarrow.types.is_boolean(chunk.type):
        bits = numpy.unpackbits(numpy.frombuffer(buffer, "u1"), bitorder="little")
        values = bits[chunk.offset : chunk.offset + len(chunk)]
    else:
        width = _byte_width(chunk.type)
        kind = f"<f{width}" if pyarrow.types.is_floating(chunk.type) else f"V{width}"
        values = numpy.frombuffer(buffer, kind, (chunk.offset + len(chunk)))[chunk.offset :]
    if missing is not None:
        values = values.copy()
        values[missing == 1] = numpy.zeros((), values.dtype)[()]
    return canonical_bytes(values), None, missing


def _list_body(walk: Walk, chunks: list[Any], kind: Any) -> bytes:
    import numpy

    column = ColumnHash()
    for chunk in chunks:
        if len(chunk):
            lengths = chunk.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype("<i8")
            column.add(len(chunk), b"", numpy.ascontiguousarray(lengths), _missing(chunk))
    inner = arrow_body(walk, [chunk.flatten() for chunk in chunks], kind.value_type)
    return walk.typed("list", column.body(), inner)


def _struct_body(walk: Walk, chunks: list[Any], kind: Any) -> bytes:
    column = ColumnHash()
    for chunk in chunks:
        if len(chunk):
            column.add(len(chunk), b"", None, _missing(chunk))
    fields = zip(*(chunk.flatten() for chunk in chunks), strict=True) if chunks else ()
    bodies = [arrow_body(walk, parts, kind.field(n).type) for n, parts in enumerate(fields)]
    return walk.typed("struct", column.body(), bodies)
