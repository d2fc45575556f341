"""The results of a mapped stage in the order of its items, however they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from milepost.process.mapping.windows import DoneWindow, is_in_order
from milepost.store.chunks import Kept
from milepost.store.objects import Packed, Stored
from milepost.store.sequence import SequenceWriter

KEPT = 20_000  # results held while one before them is not done; beyond, they are read from the ledger again


class OrderedResults:
    """Takes results by position, writes them in order.

    Meanwhile results may wait where they are stored: `recall` reads one from the ledger by its item's digest,
    `recall_window` those of a whole window.
    """

    def __init__(
        self,
        writer: SequenceWriter,
        recall: Callable[[bytes], Packed],
        recall_window: Callable[[DoneWindow], Iterable[Sequence[Kept]]],
    ) -> None:
        self._writer = writer
        self._recall = recall
        self._recall_window = recall_window
        self._waiting: dict[int, tuple[str, Packed | bytes | None] | DoneWindow] = {}
        self._next = 0

    def put_all(
        self, positions: Sequence[int], results: Sequence[tuple[str, Packed]], digests: Sequence[bytes]
    ) -> None:
        """The results of items that are in the ledger already, each with its item's key; the items' digests."""
        if not self._waiting and is_in_order(positions) and positions[0] == self._next:
            self._writer.append_all(results)
            self._next += len(results)
            return
        for position, (item, packed), digest in zip(positions, results, digests, strict=True):
            self._waiting[position] = (item, packed if len(self._waiting) < KEPT else digest)
        self._write()

    def put_window(self, position: int, found: DoneWindow) -> None:
        """The results of all items of a window, which begins at this position."""
        self._waiting[position] = found
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
            if isinstance(ready, DoneWindow):
                for results in self._recall_window(ready):
                    self._writer.extend(results, ready.classes)
                self._next += ready.count
                continue
            item, packed = ready
            if packed is not None:
                self._writer.append(self._recall(packed) if isinstance(packed, bytes) else packed, item)
            self._next += 1
