"""Values as bytes and back, each type exactly: plain, typed trees with arrays and frames, signed pickle."""

from __future__ import annotations

from collections.abc import Callable

from milepost.errors import ObjectDamaged
from milepost.store.codecs.container import join_parts, part_references, split_parts
from milepost.store.codecs.encoded import (
    PICKLE,
    PICKLE_PARTS,
    PLAIN,
    SIGNED,
    TREE,
    TREE_PARTS,
    Encoded,
    Piece,
)
from milepost.store.codecs.plain import decode_plain, encode_plain

__all__ = ["SIGNED", "Encoded", "Piece", "classes_in", "decode", "encode", "references"]


def encode(value: object) -> Encoded:
    """A value as bytes by the first codec that holds it exactly. Raises CannotEncode naming type and path.

    >>> encode((1, 2)).codec
    'tree'
    """
    payload = encode_plain(value)
    if payload is not None:
        return Encoded(PLAIN, (payload,))
    from milepost.store.codecs.scalars import Unsuited
    from milepost.store.codecs.tree import TreeWriter

    writer = TreeWriter()
    try:
        tree = writer.write(value)
    except Unsuited:
        from milepost.store.codecs.pickles import encode_pickle

        return encode_pickle(value)
    if not writer.parts and not writer.references:
        return Encoded(TREE, (tree,))
    joined = join_parts([tree, *writer.parts], writer.references)
    return Encoded(TREE_PARTS, joined, references=tuple(writer.references))


def decode(codec: str, payload: memoryview, *, resolve: Callable[[str], object] | None = None) -> object:
    """The value of a payload. Arrays are views of it. A pickle's signature must have been checked before.

    `resolve` gives the value behind an address that the value refers to.
    """
    if codec == PLAIN:
        return decode_plain(payload)
    if codec in (TREE, TREE_PARTS):
        from milepost.store.codecs.tree import TreeReader

        tree, *parts = split_parts(payload) if codec == TREE_PARTS else [payload]
        return TreeReader(parts, resolve).read(tree)
    if codec in (PICKLE, PICKLE_PARTS):
        from milepost.store.codecs.pickles import decode_pickle

        stream, *buffers = split_parts(payload) if codec == PICKLE_PARTS else [payload]
        return decode_pickle(stream, buffers)
    raise ObjectDamaged(f"codec {codec!r} is unknown to this version")


def classes_in(codec: str, payload: memoryview) -> tuple[str, ...]:
    """The user's classes that a value holds, as "module:qualname"; nothing is loaded."""
    if codec not in (PICKLE, PICKLE_PARTS):
        return ()
    from milepost.store.codecs.pickles import classes_in

    return classes_in(codec, payload)


def references(codec: str, payload: memoryview) -> list[str]:
    """The addresses of the objects that a value refers to."""
    return part_references(payload) if codec in (TREE_PARTS, PICKLE_PARTS) else []
