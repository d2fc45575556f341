"""The results of a mapped stage in the order of its items, however they come in."""

from __future__ import annotations

from collections.abc import Callable

from milepost.store.objects import Packed, Stored
from milepost.store.sequence import SequenceWriter

KEPT = 20_000  # results held while one before them is not done; beyond, they are read from the ledger again


class OrderedResults:
    """Takes results by position, writes them in order. `recall` reads one from the ledger by its item's digest."""

    def __init__(self, writer: SequenceWriter, recall: Callable[[bytes], Packed]) -> None:
        self._writer = writer
        self._recall = recall
        self._waiting: dict[int, tuple[str, Packed | bytes | None]] = {}
        self._next = 0

    def put(self, position: int, item: str, packed: Packed, digest: bytes) -> None:
        """The result of the item at this position, which is in the ledger already."""
        if position == self._next and not self._waiting:
            self._writer.append(packed, item)
            self._next += 1
            return
        self._waiting[position] = (item, packed if len(self._waiting) < KEPT else digest)
        self._write()

    def leave_out(self, position: int) -> None:
        """The item at this position failed for good and has no result."""
        self._waiting[position] = ("", None)
        self._write()

    def close(self) -> Stored:
        """Store the sequence."""
        return self._writer.close()

    def _write(self) -> None:
        while (ready := self._waiting.pop(self._next, None)) is not None:
            item, packed = ready
            if packed is not None:
                self._writer.append(self._recall(packed) if isinstance(packed, bytes) else packed, item)
            self._next += 1
