"""What an encoder gives: a codec's name, the bytes in pieces, and what those bytes name."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Piece: TypeAlias = bytes | bytearray | memoryview

PLAIN = "plain"  # MessagePack of None, bool, int, float, str, bytes, list and dict
TREE = "tree"  # MessagePack with an extension for every other type of Python's own
TREE_PARTS = "tree+"  # a tree whose arrays and frames lie beside it
PICKLE = "pickle"  # signed
PICKLE_PARTS = "pickle+"  # signed, large buffers beside it
CHUNK = "chunk"  # some items of a sequence
CHUNK_SIGNED = "chunk-pickle"  # the same, and at least one of them is a pickle
SEQUENCE = "sequence"  # the chunks of a sequence, in order

SIGNED = frozenset({PICKLE, PICKLE_PARTS, CHUNK_SIGNED})


class Encoded(msgspec.Struct, frozen=True):
    """A value as bytes. `classes` are the user's own in it, `references` addresses of objects it needs."""

    codec: str
    payload: tuple[Piece, ...]
    classes: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """How many bytes the payload has."""
        return sum(memoryview(piece).nbytes for piece in self.payload)
