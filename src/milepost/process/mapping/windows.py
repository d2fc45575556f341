"""Windows of a mapped stage's items that are done as a whole: found by one look-up and read from their chunks.

The ledger's rows say it of single items. Beside them, for each window and each chunk of a stored sequence that holds
results of it, a result row says which: its key is made of the items key and of every item's key and digest, in order.
Where a window ends its items' digests say, so an item that is inserted or removed changes only the windows around it.
Whatever does not fit is no error: the items are then looked up one by one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import count, islice

import msgspec
from blake3 import blake3

from milepost.errors import ObjectDamaged, ObjectMissing, ObjectRefused
from milepost.kernel.clock import SYSTEM
from milepost.model.rows import ResultRow
from milepost.process.jobs import Trade
from milepost.store.chunks import Kept, classes_of, read_chunk
from milepost.store.protocol import Store

LEAST, MOST = 250, 1000  # items in a window; where its end says so, about 500
CACHED_CHUNKS = 2  # a window may lie in both
PREFIX = "w1:"  # what a window's key is made of, and where windows end

Keyed = tuple[object, tuple[str, bytes]]  # an item, its key and its digest


class Window(msgspec.Struct, frozen=True):
    """Successive items, the first at position `start`: their keys, and the digests of their values."""

    start: int
    items: list[str]
    digests: list[bytes]


class Part(msgspec.Struct, frozen=True):
    """Results that lie in one chunk, from `start` on."""

    chunk: str
    start: int
    count: int


class DoneWindow(msgspec.Struct, frozen=True):
    """Where the results of a window's `count` items are. `seconds` they took when they were computed."""

    parts: tuple[Part, ...]
    count: int
    seconds: float
    classes: frozenset[str]


class _Chunk(msgspec.Struct, frozen=True):
    """The items of a chunk, and where each is, by its key."""

    kept: list[Kept]
    places: dict[str, int]


class _Expected(msgspec.Struct, frozen=True):
    """A window of which so many results, in so many chunks, are stored."""

    window: Window
    key: str
    taken: int = 0
    parts: int = 0


def windows_of(items: Iterator[Keyed]) -> Iterator[list[Keyed]]:
    """The items in windows. Each ends with an item whose digest begins with a zero, but has its least and most."""
    coming: list[Keyed] = []
    while True:
        coming += islice(items, MOST - len(coming))
        if not coming:
            return
        ends = (at for at, (_, (_, digest)) in enumerate(coming[LEAST - 1 :], LEAST) if digest[0] == 0)
        end = next(ends, len(coming))
        yield coming[:end]
        del coming[:end]


def is_in_order(positions: Sequence[int]) -> bool:
    """Whether each position, of one at least, is that after the one before."""
    return bool(positions) and list(positions) == list(range(positions[0], positions[0] + len(positions)))


class DoneWindows:
    """Remembers windows as their chunks are stored, and finds them again. All of one mapped stage."""

    def __init__(self, store: Store, trade: Trade, *, stage: str, items_key: str) -> None:
        self._store = store
        self._trade = trade
        self._stage = stage
        self._items_key = items_key
        self._expected: dict[str, _Expected] = {}  # by the key of the item that comes next
        self._seconds = array("d")  # by position
        self._chunks: dict[str, _Chunk] = {}  # the last ones read, for windows in a row share them

    def find(self, window: Window) -> DoneWindow | None:
        """Where this window's results are; None where they are not known, or not whole."""
        try:
            return self._found(window, self._key(window))
        except (KeyError, ObjectMissing, ObjectDamaged, ObjectRefused):
            return None

    def results(self, found: DoneWindow) -> Iterator[Sequence[Kept]]:
        """The results, part by part in order. Raises ObjectMissing, ObjectDamaged, ObjectRefused."""
        for part in found.parts:
            yield self._read(part.chunk).kept[part.start : part.start + part.count]

    def expect(self, window: Window) -> None:
        """This window is about to be computed; it is remembered as the chunks that hold it are stored."""
        self._expected[window.items[0]] = _Expected(window, self._key(window))
        missing = window.start + len(window.items) - len(self._seconds)
        self._seconds.frombytes(bytes(missing * self._seconds.itemsize))

    def spent(self, positions: Sequence[int], seconds: Sequence[float]) -> None:
        """The items of expected windows at these positions are done, in so much time each."""
        if is_in_order(positions):
            self._seconds[positions[0] : positions[-1] + 1] = array("d", seconds)
            return
        for position, taken in zip(positions, seconds, strict=True):
            self._seconds[position] = taken

    def stored(self, chunk: str, items: Sequence[Kept]) -> None:
        """A chunk is stored. What follows an item that was left out is not remembered, so its window is not found."""
        names = [name for name, _, _ in items]
        for at in sorted(map(names.index, self._expected.keys() & names)):
            expected = self._expected.pop(names[at])
            rest = expected.window.items[expected.taken :]
            held = names[at : at + len(rest)]
            if held != rest[: len(held)]:
                continue
            self._remember(expected, chunk, items[at : at + len(held)])
            if len(held) < len(rest):
                self._expected[rest[len(held)]] = msgspec.structs.replace(
                    expected, taken=expected.taken + len(held), parts=expected.parts + 1
                )

    def _found(self, window: Window, key: str) -> DoneWindow | None:
        parts: list[Part] = []
        seconds, classes, taken = 0.0, set[str](), 0
        for number in count():
            row = self._store.get(ResultRow, key=f"{key}.{number}")
            if row is None:
                return None
            chunk = self._read(row.address)
            start = chunk.places[window.items[taken]]
            results = chunk.kept[start : start + len(window.items) - taken]
            if [name for name, _, _ in results] != window.items[taken : taken + len(results)]:
                return None
            classes |= classes_of(self._trade.objects, results)
            parts.append(Part(row.address, start, len(results)))
            seconds, taken = seconds + row.seconds, taken + len(results)
            if taken == len(window.items):
                break
        return DoneWindow(tuple(parts), taken, seconds, frozenset(classes))

    def _remember(self, expected: _Expected, chunk: str, results: Sequence[Kept]) -> None:
        start = expected.window.start + expected.taken
        row = ResultRow(
            key=f"{expected.key}.{expected.parts}",
            address=chunk,
            stage=self._stage,
            run=self._trade.run,
            seconds=sum(self._seconds[start : start + len(results)]),
            size_bytes=sum([len(result or b"") for _, result, _ in results]),
            at=SYSTEM.now(),
        )
        self._trade.recorder.observe(row)  # without it the items are found one by one

    def _key(self, window: Window) -> str:
        said = msgspec.msgpack.encode((self._items_key, window.items, window.digests))
        return PREFIX + blake3(said).hexdigest(length=16)

    def _read(self, address: str) -> _Chunk:
        chunk = self._chunks.pop(address, None)
        if chunk is None:
            kept = read_chunk(self._trade.objects, address)
            chunk = _Chunk(kept, {name: at for at, (name, _, _) in enumerate(kept)})
        self._chunks[address] = chunk
        if len(self._chunks) > CACHED_CHUNKS:
            del self._chunks[next(iter(self._chunks))]
        return chunk
