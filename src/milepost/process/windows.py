"""Windows of a mapped stage's items that are done as a whole: found by one look-up and read from one chunk.

The ledger's rows say it of single items. Beside them, for each window whose results lie in one chunk of a stored
sequence, a result row says which: its key is made of the items key and of every item's key and digest, in order.
Whatever does not fit is no error: the items are then looked up one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from blake3 import blake3

from milepost.errors import ObjectDamaged, ObjectMissing, ObjectRefused
from milepost.kernel.clock import SYSTEM
from milepost.model.rows import ResultRow
from milepost.process.jobs import Trade
from milepost.store.protocol import Store
from milepost.store.sequence import Kept, classes_of, read_chunk

WINDOW = 1000  # items
PREFIX = "w1:"  # what a window's key is made of


class Window(msgspec.Struct, frozen=True):
    """Some successive items: their keys, and the digests of their values. `number` counts from the first window."""

    number: int
    items: Sequence[str]
    digests: Sequence[bytes]


class DoneWindow(msgspec.Struct, frozen=True):
    """Where the results of a window are: from `start` on in a chunk. `seconds` they took when they were computed."""

    chunk: str
    start: int
    count: int
    seconds: float
    classes: frozenset[str]


class DoneWindows:
    """Remembers windows as their chunks are stored, and finds them again. All of one mapped stage."""

    def __init__(self, store: Store, trade: Trade, *, stage: str, items_key: str) -> None:
        self._store = store
        self._trade = trade
        self._stage = stage
        self._items_key = items_key
        self._expected: dict[str, tuple[Window, str]] = {}  # by the key of the first item
        self._seconds: dict[int, float] = {}
        self._chunk: tuple[str, list[Kept]] = ("", [])  # the last one read: windows in a row share it

    def find(self, window: Window) -> DoneWindow | None:
        """Where this window's results are; None where they are not known, or not whole."""
        row = self._store.get(ResultRow, key=self._key(window))
        if row is None:
            return None
        try:
            start = [item for item, _, _ in self._read(row.address)].index(window.items[0])
            found = DoneWindow(row.address, start, len(window.items), row.seconds, frozenset())
            results = self.results(found)
            classes = frozenset(classes_of(self._trade.objects, results))
        except (ValueError, ObjectMissing, ObjectDamaged, ObjectRefused):
            return None
        is_same = [item for item, _, _ in results] == list(window.items)
        return msgspec.structs.replace(found, classes=classes) if is_same else None

    def results(self, found: DoneWindow) -> Sequence[Kept]:
        """The results themselves, in order. Raises ObjectMissing, ObjectDamaged, ObjectRefused."""
        return self._read(found.chunk)[found.start : found.start + found.count]

    def expect(self, window: Window) -> None:
        """This window is about to be computed; it is remembered when a chunk holds all of it."""
        self._expected[window.items[0]] = (window, self._key(window))

    def spent(self, position: int, seconds: float) -> None:
        """An item is done, in so much time."""
        number = position // WINDOW
        self._seconds[number] = self._seconds.get(number, 0.0) + seconds

    def stored(self, chunk: str, items: Sequence[Kept]) -> None:
        """A chunk is stored. A window with an item left out, or that goes on in the next chunk, is not remembered."""
        for start, (first, _, _) in enumerate(items):
            if first not in self._expected:
                continue
            window, key = self._expected.pop(first)
            seconds = self._seconds.pop(window.number, 0.0)
            end = start + len(window.items)
            if [item for item, _, _ in items[start:end]] == list(window.items):
                self._remember(key, chunk, seconds, sum(len(result or b"") for _, result, _ in items[start:end]))

    def _remember(self, key: str, chunk: str, seconds: float, size_bytes: int) -> None:
        row = ResultRow(
            key=key,
            address=chunk,
            stage=self._stage,
            run=self._trade.run,
            seconds=seconds,
            size_bytes=size_bytes,
            at=SYSTEM.now(),
        )
        self._trade.recorder.observe(row)  # without it the items are found one by one

    def _key(self, window: Window) -> str:
        said = msgspec.msgpack.encode((self._items_key, window.items, window.digests))
        return PREFIX + blake3(said).hexdigest(length=16)

    def _read(self, chunk: str) -> list[Kept]:
        if self._chunk[0] != chunk:
            self._chunk = (chunk, read_chunk(self._trade.objects, chunk))
        return self._chunk[1]
