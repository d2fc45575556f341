"""The results of a mapped stage as one value: a list that is read chunk by chunk and never held whole."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, overload

import msgspec

from milepost import typed
from milepost.errors import ObjectDamaged, ObjectMissing
from milepost.store.chunks import PICKLED, Kept, holds_pickles, read_chunk, read_items
from milepost.store.codecs.encoded import CHUNK, CHUNK_SIGNED, SEQUENCE, Encoded

if TYPE_CHECKING:
    from milepost.store.objects import Objects, Packed, Stored

# What a chunk holds decides addresses: to change it makes equal sequences differ from those stored before.
CHUNK_ITEMS = 5_000
CHUNK_BYTES = 1 << 20
CACHED_CHUNKS = 4


class _Index(msgspec.Struct, array_like=True):
    """What a sequence's object holds."""

    chunks: list[str]
    counts: list[int]
    classes: list[str]


_encode = msgspec.msgpack.Encoder().encode
_index = typed.msgpack_decoder(_Index)


def _nobody_asks(address: str, items: list[Kept]) -> None:
    pass


class SequenceWriter:
    """Appends item results in order; holds one chunk in memory, whatever the length.

    The sequence's address depends on the ordered results and keys of its items alone. `on_chunk` is told of each
    chunk that is stored.
    """

    def __init__(
        self,
        objects: Objects,
        chunk: int = CHUNK_ITEMS,
        on_chunk: Callable[[str, list[Kept]], None] = _nobody_asks,
    ) -> None:
        self._objects = objects
        self._chunk = chunk
        self._on_chunk = on_chunk
        self._pending: list[Kept] = []
        self._pending_bytes = 0
        self._signed = False
        self._classes: set[str] = set()
        self._chunks: list[str] = []
        self._counts: list[int] = []

    def append(self, packed: Packed, item: str = "") -> None:
        """Add the next item's result; `item` is its key. Raises ObjectRefused for another key's pickle."""
        self._classes.update(packed.classes)
        self._take(*self._kept(packed, item))

    def append_all(self, results: Sequence[tuple[str, Packed]]) -> None:
        """Add several, as `append` does, each behind its key."""
        items = [(item, packed.result, packed.address) for item, packed in results]
        has_pickles = holds_pickles(items)
        if has_pickles:
            items = [self._kept(packed, item) for item, packed in results]
        classes = {name for _, packed in results if packed.classes for name in packed.classes}
        self._extend(items, classes, has_pickles)

    def extend(self, items: Sequence[Kept], classes: Collection[str]) -> None:
        """Add items as `read_chunk` gave them; `classes` are those in their results."""
        self._extend(items, classes, holds_pickles(items))

    def _extend(self, items: Sequence[Kept], classes: Collection[str], has_pickles: bool) -> None:
        self._classes.update(classes)
        taken = 0
        while taken < len(items):
            room = self._chunk - len(self._pending)
            self._take_all(items[taken : taken + room], has_pickles)
            taken += room

    def close(self) -> Stored:
        """Store what is left, and the sequence itself."""
        if self._pending:
            self._flush()
        classes = tuple(sorted(self._classes))
        index = _encode(_Index(self._chunks, self._counts, list(classes)))
        return self._objects.put_encoded(Encoded(SEQUENCE, (index,), classes))

    def _kept(self, packed: Packed, item: str) -> Kept:
        result = packed.result
        if result is not None and result[:1] == PICKLED:
            result = PICKLED + self._objects.signed_item(result)
        return item, result, packed.address

    def _take(self, item: str, result: bytes | None, address: str | None) -> None:
        pending = self._pending
        size = len(item)
        if result is not None:
            size += len(result)
            if result[:1] == PICKLED:
                self._signed = True
        self._pending_bytes += size
        pending.append((item, result, address))
        if len(pending) >= self._chunk or self._pending_bytes >= CHUNK_BYTES:
            self._flush()

    def _take_all(self, items: Sequence[Kept], has_pickles: bool) -> None:
        """Take what there is room for in the chunk, at once where its bytes allow it."""
        size = sum([len(item) + len(result or b"") for item, result, _ in items])
        if self._pending_bytes + size >= CHUNK_BYTES:
            for item, result, address in items:
                self._take(item, result, address)
            return
        self._pending += items
        self._pending_bytes += size
        self._signed = self._signed or (has_pickles and holds_pickles(items))
        if len(self._pending) >= self._chunk:
            self._flush()

    def _flush(self) -> None:
        codec = CHUNK_SIGNED if self._signed else CHUNK
        stored = self._objects.put_encoded(Encoded(codec, (_encode(self._pending),)))
        self._chunks.append(stored.address)
        self._counts.append(len(self._pending))
        self._on_chunk(stored.address, self._pending)
        self._pending, self._pending_bytes, self._signed = [], 0, False


class StoredSequence(Sequence[object]):
    """A stored list: indexed, sliced and iterated like one, each access decoding its own copy of an item.

    Two are equal when their items are; so are one and a list. To another process goes only its address.

    >>> import tempfile
    >>> from milepost.store.objects import Objects
    >>> objects = Objects(Path(tempfile.mkdtemp()), b"")
    >>> writer = SequenceWriter(objects)
    >>> for word in ("one", "two", "three"):
    ...     writer.append(objects.pack(word), item=word[0])
    >>> words = objects.get(writer.close().address)
    >>> words[1], words[-2:], list(words.keys())
    ('two', ['two', 'three'], ['o', 't', 't'])
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, objects: Objects, address: str) -> None:
        index = _read_index(objects.load(address)[1])
        self.address = address
        self.classes = tuple(index.classes)
        self._objects = objects
        self._chunks = index.chunks
        self._ends = list(accumulate(index.counts))
        self._cached: dict[int, list[Kept]] = {}
        self._lock = Lock()

    @property
    def root(self) -> Path:
        """The folder of the objects it is stored in."""
        return self._objects.root

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> object: ...
    @overload
    def __getitem__(self, index: slice) -> list[object]: ...
    def __getitem__(self, index: int | slice) -> object:
        if isinstance(index, slice):
            return [self._value(self._at(position)) for position in range(*index.indices(len(self)))]
        position = index.__index__()
        if position < 0:
            position += len(self)
        if not 0 <= position < len(self):
            raise IndexError(f"item {index} of a stored sequence of {len(self)}")
        return self._value(self._at(position))

    def __iter__(self) -> Iterator[object]:
        return (self._value(each) for each in self._walk())

    def __reversed__(self) -> Iterator[object]:
        return (self._value(self._at(position)) for position in range(len(self) - 1, -1, -1))

    def keys(self) -> Iterator[str]:
        """The item keys, in order."""
        return (each[0] for each in self._walk())

    def items(self) -> Iterator[tuple[str, object]]:
        """(item key, value) in order."""
        return ((each[0], self._value(each)) for each in self._walk())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StoredSequence) and other.address == self.address:
            return True
        if not isinstance(other, StoredSequence | list):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<StoredSequence of {len(self)} items, {self.address}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (str(self.root), self.address)

    def __milepost_address__(self) -> str:
        """By this, encoders refer to it instead of copying its items."""
        return self.address

    def _value(self, kept: Kept) -> object:
        _, result, address = kept
        if result is not None and result[:1] == PICKLED:
            return self._objects.unpack_checked(result)
        try:
            return self._objects.unpack(result, address)
        except (ObjectMissing, ObjectDamaged) as error:
            raise self._incomplete(error) from error

    def _walk(self) -> Iterator[Kept]:
        for number in range(len(self._chunks)):
            yield from self._load(number)

    def _at(self, position: int) -> Kept:
        number = bisect_right(self._ends, position)
        start = self._ends[number - 1] if number else 0
        return self._load(number)[position - start]

    def _load(self, number: int) -> list[Kept]:
        """One chunk's items, of which the last few chunks used stay in memory (undecoded)."""
        with self._lock:
            items = self._cached.pop(number, None)
            if items is None:
                items = self._read(self._chunks[number])
            self._cached[number] = items
            if len(self._cached) > CACHED_CHUNKS:
                del self._cached[next(iter(self._cached))]
            return items

    def _read(self, chunk: str) -> list[Kept]:
        try:
            return read_chunk(self._objects, chunk)
        except (ObjectMissing, ObjectDamaged) as error:
            raise self._incomplete(error) from error

    def _incomplete(self, error: ObjectMissing | ObjectDamaged) -> ObjectMissing | ObjectDamaged:
        """With a part gone the whole is a miss too: set aside, so that what lacks is computed again."""
        self._objects.set_aside(self.address)
        return type(error)(f"a stored sequence lacks a part: {error}", address=self.address)


def copy_sequence(sequence: StoredSequence, objects: Objects) -> Stored:
    """Store a sequence of another workspace in these objects, item by item."""
    writer = SequenceWriter(objects)
    for item, value in sequence.items():
        writer.append(objects.pack(value), item)
    return writer.close()


def references(codec: str, payload: memoryview) -> list[str]:
    """The addresses that a sequence's or a chunk's payload names."""
    if codec == SEQUENCE:
        return _read_index(payload).chunks
    return [address for _, _, address in read_items(payload) if address is not None]


def classes_in(payload: memoryview) -> tuple[str, ...]:
    """The user's classes that a sequence's items hold."""
    return tuple(_read_index(payload).classes)


def _read_index(payload: memoryview) -> _Index:
    try:
        return _index(payload)
    except ValueError as error:
        raise ObjectDamaged(f"a stored sequence cannot be read: {error}") from error


def _reopen(root: str, address: str) -> StoredSequence:
    from milepost.store.objects import Objects

    return StoredSequence(Objects.at(Path(root)), address)
