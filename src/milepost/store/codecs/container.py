"""Several buffers as one payload: an index, then each buffer at a multiple of 64 bytes.

::

    8 bytes  length of the index, little-endian
    index    MessagePack [[length of each part, …], [address of each object referred to, …]]
    parts    each begins at a multiple of 64 from the payload's start, zeros between
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from milepost import typed
from milepost.errors import ObjectDamaged
from milepost.store.codecs.encoded import Piece

ALIGNMENT = 64


class _Index(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    lengths: list[int]
    references: list[str]


_decode = typed.msgpack_decoder(_Index)


def join_parts(parts: Sequence[Piece], references: Sequence[str] = ()) -> tuple[Piece, ...]:
    """The pieces of one payload that holds these parts; nothing is copied."""
    sizes = [memoryview(part).nbytes for part in parts]
    index = msgspec.msgpack.encode(_Index(sizes, list(references)))
    pieces: list[Piece] = [len(index).to_bytes(8, "little") + index]
    position = 8 + len(index)
    for part, size in zip(parts, sizes, strict=True):
        padding = -position % ALIGNMENT
        pieces.append(bytes(padding))
        pieces.append(part)
        position += padding + size
    return tuple(pieces)


def split_parts(payload: memoryview) -> list[memoryview]:
    """The parts of a payload, as views of it."""
    index, position = _read_index(payload)
    parts = []
    for size in index.lengths:
        position += -position % ALIGNMENT
        if size < 0 or position + size > len(payload):
            raise ObjectDamaged("a stored part reaches beyond its object's end")
        parts.append(payload[position : position + size])
        position += size
    if position != len(payload):
        raise ObjectDamaged("an object has bytes that belong to no part of it")
    return parts


def part_references(payload: memoryview) -> list[str]:
    """The addresses that a payload's index names."""
    return _read_index(payload)[0].references


def _read_index(payload: memoryview) -> tuple[_Index, int]:
    end = 8 + int.from_bytes(payload[:8], "little")
    if len(payload) < 8 or end > len(payload):
        raise ObjectDamaged("the index of a stored object reaches beyond its end")
    try:
        return _decode(payload[8:end]), end
    except ValueError as error:
        raise ObjectDamaged(f"the index of a stored object cannot be read: {error}") from error
