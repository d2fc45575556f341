"""Which items a session has at hand, noted outside the ledger: what a killed session leaves there died with it.

A row for each beginning would double what is written. A note in a slot of a small file costs a microsecond, and is
emptied when the item is over. Who continues the run reads what is left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from milepost import typed
from milepost.kernel.slots import Slots, readable, written


class Entry(msgspec.Struct, frozen=True):
    """One attempt under way."""

    step: str
    item: str
    attempt: int
    key: str
    digest: bytes
    at: float


_entry = typed.json_decoder(Entry)


class Flight:
    """The notes of one session. Safe from several threads; what cannot be written costs one warning."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self._path = flight_path(folder, epoch)
        self._slots = Slots("items that kill their process will not be noticed")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            self._slots.complain(folder, error.strerror)
            return
        self._slots.open(self._path)

    def begin(self, entry: Entry) -> int:
        """Note an attempt; the slot to give to `end`, 0 where it could not be noted."""
        return self._slots.take(entry)

    def end(self, slot: int) -> None:
        """The attempt is over, or nobody's fault any more."""
        self._slots.clear(slot)

    def close(self) -> None:
        """Remove the notes: the session ends with a word."""
        self._slots.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def flight_path(folder: Path, epoch: int) -> Path:
    """Where the session of this epoch keeps its notes."""
    return folder / f"flight-{epoch}"


def left_behind(folder: Path, epoch: int) -> Iterator[Entry]:
    """What a dead session had at hand."""
    with contextlib.suppress(OSError):
        yield from readable(written(flight_path(folder, epoch)), _entry)


def forget(folder: Path, epoch: int) -> None:
    """Remove a dead session's notes: what they say is on record."""
    with contextlib.suppress(OSError):
        flight_path(folder, epoch).unlink()
