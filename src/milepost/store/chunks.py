"""What a chunk of a stored sequence holds: some of its items, whose pickles are signed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from milepost import typed
from milepost.errors import ObjectDamaged, ObjectRefused
from milepost.store import codecs
from milepost.store.codecs.encoded import CHUNK_SIGNED, PICKLE

if TYPE_CHECKING:
    from milepost.store.objects import Objects

# An item: its key, and its result or address. Pickles are kept without their own signature, the chunk has one for all.
Kept = tuple[str, bytes | None, str | None]

PICKLED = b"s"  # the first byte of a result that is a pickle

_items = typed.msgpack_decoder(list[Kept])


def read_chunk(objects: Objects, address: str) -> list[Kept]:
    """The items in a chunk. Raises ObjectMissing, ObjectDamaged, and ObjectRefused for pickles without a signature."""
    header, payload = objects.load(address)
    items = read_items(payload)
    if header.codec != CHUNK_SIGNED and holds_pickles(items):
        raise ObjectRefused("a chunk of a stored sequence holds a pickle that nobody signed", address=address)
    return items


def holds_pickles(items: Sequence[Kept]) -> bool:
    """Whether some result is a pickle."""
    return PICKLED[0] in {result[0] for _, result, _ in items if result}


def classes_of(objects: Objects, items: Sequence[Kept]) -> set[str]:
    """The user's classes in the results of a chunk's items; objects that they name are verified. Raises as `get`."""
    classes: set[str] = set()
    for _, result, address in items:
        if address is not None:
            classes.update(objects.find(address).classes)
        elif result is not None and result[:1] == PICKLED:
            classes.update(codecs.classes_in(PICKLE, memoryview(result)[1:]))
    return classes


def read_items(payload: memoryview) -> list[Kept]:
    """The items in a chunk's payload. Raises ObjectDamaged."""
    try:
        return _items(payload)
    except ValueError as error:
        raise ObjectDamaged(f"a chunk of a stored sequence cannot be read: {error}") from error
