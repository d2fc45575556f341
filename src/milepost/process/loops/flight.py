"""Which items a session has at hand, noted outside the ledger: what a killed session leaves there died with it.

A row for each beginning would double what is written. A note in a slot of a small file costs a microsecond, is there
after a kill as the system has it, and is emptied when the item is over. Who continues the run reads what is left.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from milepost import typed
from milepost.kernel.warning import warn

SLOT_BYTES = 1024
_EMPTY = b"\n"


class Entry(msgspec.Struct, frozen=True):
    """One attempt under way."""

    step: str
    item: str
    attempt: int
    key: str
    digest: bytes
    at: float


_encode = msgspec.json.Encoder().encode
_decode = typed.json_decoder(Entry)


class Flight:
    """The notes of one session. Safe from several threads; what cannot be written costs one warning."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self._path = flight_path(folder, epoch)
        self._lock = threading.Lock()
        self._free: list[int] = []
        self._slots = 0
        self._descriptor = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            self._complain(error)

    def begin(self, entry: Entry) -> int:
        """Note an attempt; the slot to give to `end`."""
        with self._lock:
            if self._free:
                slot = self._free.pop()
            else:
                slot, self._slots = self._slots, self._slots + 1
        self._put(slot, _encode(entry) + _EMPTY)
        return slot

    def end(self, slot: int) -> None:
        """The attempt is over, or nobody's fault any more."""
        self._put(slot, _EMPTY)
        with self._lock:
            self._free.append(slot)

    def close(self) -> None:
        """Remove the notes: the session ends with a word."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _put(self, slot: int, text: bytes) -> None:
        if self._descriptor < 0 or len(text) > SLOT_BYTES:
            return
        try:
            os.pwrite(self._descriptor, text, slot * SLOT_BYTES)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        warn(f"milepost: items that kill their process will not be noticed, {self._path}: {error.strerror}")


def flight_path(folder: Path, epoch: int) -> Path:
    """Where the session of this epoch keeps its notes."""
    return folder / f"flight-{epoch}"


def left_behind(folder: Path, epoch: int) -> Iterator[Entry]:
    """What a dead session had at hand."""
    try:
        with open(flight_path(folder, epoch), "rb") as file:
            while slot := file.read(SLOT_BYTES):
                text = slot.partition(_EMPTY)[0]
                with contextlib.suppress(msgspec.DecodeError):  # an empty slot, or one that a power cut tore
                    yield _decode(text)
    except OSError:
        return


def forget(folder: Path, epoch: int) -> None:
    """Remove a dead session's notes: what they say is on record."""
    with contextlib.suppress(OSError):
        flight_path(folder, epoch).unlink()
