"""Typed trees: MessagePack in which every type but the plain ones is an extension with a code of its own.

What lies in a tree comes back with its exact type: a tuple as a tuple, True as True, {1: 2} with an int key.
Arrays and frames in it are leaves whose bytes lie beside the tree, so that they can be mapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.msgpack import Ext

from milepost.errors import MilepostError, ObjectDamaged
from milepost.store.codecs import leaves
from milepost.store.codecs.encoded import Piece
from milepost.store.codecs.plain import SCALARS as PLAIN
from milepost.store.codecs.scalars import READERS, SCALARS, Unsuited

DEPTH = 64

TUPLE, SET, FROZENSET, DICT, LEAF, REFERENCE = 40, 41, 42, 43, 50, 51  # part of the stored format

_encode = msgspec.msgpack.Encoder().encode

Resolve = Callable[[str], object]


class TreeWriter:
    """Turns one value into what MessagePack holds, collecting the parts that lie beside it."""

    def __init__(self) -> None:
        self.parts: list[Piece] = []
        self.references: list[str] = []

    def write(self, value: object) -> bytes:
        """The tree's bytes. Raises Unsuited when some part of the value is for pickle."""
        try:
            return _encode(self._node(value, DEPTH))
        except RecursionError as error:
            raise Unsuited("nested too deeply") from error

    def _node(self, value: object, depth: int) -> object:
        kind = type(value)
        if kind in PLAIN:
            return self._plain(value, kind)
        if depth <= 0:
            raise Unsuited("nested too deeply")
        if kind is list:
            return self._nodes(value, depth)  # type: ignore[arg-type]
        if kind is dict:
            return self._dict(value, depth)  # type: ignore[arg-type]
        if kind is tuple:
            return Ext(TUPLE, _encode(self._nodes(value, depth)))  # type: ignore[arg-type]
        if kind is set or kind is frozenset:
            members = sorted(_encode(self._node(each, depth - 1)) for each in value)  # type: ignore[attr-defined]
            return Ext(SET if kind is set else FROZENSET, _encode(members))
        scalar = SCALARS.get(kind)
        if scalar is not None:
            return Ext(scalar.code, scalar.write(value))
        return self._leaf(value, depth)

    def _nodes(self, values: Sequence[object], depth: int) -> list[object]:
        return [self._node(each, depth - 1) for each in values]

    def _plain(self, value: object, kind: type) -> object:
        if kind is int and not -(1 << 63) <= value < 1 << 64:  # type: ignore[operator]
            return Ext(SCALARS[int].code, SCALARS[int].write(value))
        if kind is str and not value.isascii() and _has_surrogates(value):  # type: ignore[attr-defined,arg-type]
            return Ext(SCALARS[str].code, SCALARS[str].write(value))
        return value

    def _dict(self, value: dict[object, object], depth: int) -> object:
        nodes = {key: self._node(each, depth - 1) for key, each in value.items()}
        keys = [self._node(key, depth - 1) for key in value]
        if all(type(key) is not Ext and type(key) in PLAIN for key in keys):
            return nodes
        return Ext(DICT, _encode([each for pair in zip(keys, nodes.values(), strict=True) for each in pair]))

    def _leaf(self, value: object, depth: int) -> object:
        address = getattr(type(value), "__milepost_address__", None)
        if address is not None:
            self.references.append(address(value))
            return Ext(REFERENCE, address(value).encode())
        leaf = leaves.write_leaf(value)
        places = [self._part(part) for part in leaf.parts]
        return Ext(LEAF, _encode([leaf.kind, places, self._node(leaf.description, depth - 1)]))

    def _part(self, part: Piece) -> int:
        self.parts.append(part)
        return len(self.parts) - 1


class TreeReader:
    """Rebuilds a value from a tree and the parts beside it. `resolve` gives the value behind an address."""

    def __init__(self, parts: Sequence[memoryview] = (), resolve: Resolve | None = None) -> None:
        self._parts = parts
        self._resolve = resolve
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._extension).decode

    def read(self, tree: Piece) -> object:
        """The value. Raises ObjectDamaged when the bytes are no tree."""
        try:
            return self._decode(tree)
        except (MilepostError, ImportError, MemoryError):
            raise
        except Exception as error:  # whatever a constructor says to arguments that were never written
            raise ObjectDamaged(f"a stored tree cannot be read: {type(error).__name__}: {error}") from error

    def _extension(self, code: int, data: memoryview) -> object:
        read = READERS.get(code)
        if read is not None:
            return read(bytes(data))
        if code == REFERENCE:
            if self._resolve is None:
                raise ValueError("a tree refers to another object, and nothing here can load it")
            return self._resolve(bytes(data).decode())
        inner = self._decode(data)
        if code == TUPLE:
            return tuple(inner)
        if code == SET:
            return {self._decode(each) for each in inner}
        if code == FROZENSET:
            return frozenset(self._decode(each) for each in inner)
        if code == DICT:
            return dict(zip(inner[::2], inner[1::2], strict=True))
        if code == LEAF:
            kind, places, description = inner
            return leaves.read_leaf(kind, [self._parts[place] for place in places], description)
        raise ValueError(f"extension {code} is unknown to this version")


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
