"""A file of notes that outlives a kill: slots of one size, each empty or with one note; the first is the file's own.

A note costs microseconds, and after a kill it is there as the system has it; a power cut may tear it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from milepost.kernel.warning import warn

SLOT_BYTES = 1024
MOST_NOTES = 10_000  # at once, in one file; more are not noted
EMPTY = b"\n"

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


class Slots:
    """The slots of one file, written by this process alone. Safe from several threads, not for use after a fork.

    What cannot be written is not noted, and costs one warning that says `loss`; later notes are tried again.
    """

    def __init__(self, loss: str) -> None:
        self._loss = loss
        self._guard = threading.RLock()  # who goes with the garbage lets go of its notes wherever that happens
        self._free: list[int] = []
        self._next = 1
        self._path: Path | None = None
        self._descriptor = -1
        self._has_warned = False

    @property
    def is_open(self) -> bool:
        """Whether there is a file to write to."""
        return self._descriptor >= 0

    def open(self, path: Path) -> bool:
        """Begin this file anew; whether that could be done."""
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with self._guard:
            try:
                self._descriptor = os.open(path, flags, 0o600)
            except OSError as error:
                self.complain(path, error.strerror)
                return False
            self._path = path
            return True

    def take(self, note: msgspec.Struct) -> int:
        """Put this into a slot of its own: which, for `clear`; 0 where it could not be noted."""
        try:
            text = _encode(note) + EMPTY
        except UnicodeEncodeError:  # half a character in a name
            return 0
        with self._guard:
            if len(text) > SLOT_BYTES or self._descriptor < 0 or (not self._free and self._next > MOST_NOTES):
                return 0
            slot = self._free.pop() if self._free else self._next
            if slot == self._next:
                self._next += 1
            if self._put(slot, text):
                return slot
            self.clear(slot)
            return 0

    def clear(self, slot: int) -> None:
        """Empty a slot that `take` gave, for others to take; with 0 nothing."""
        if slot > 0:
            with self._guard:
                self._put(slot, EMPTY)
                self._free.append(slot)

    def head(self, note: msgspec.Struct) -> bool:
        """Put this into the slot that is the file's own; whether that could be done."""
        with self._guard:
            return self._put(0, _encode(note) + EMPTY)

    def empty_all_but(self, kept: set[int]) -> None:
        """Leave nothing written in the others. They stay with those who took them."""
        with self._guard:
            for slot in set(range(1, self._next)) - kept:
                self._put(slot, EMPTY)

    def touch(self) -> None:
        """Date the file now: its process is alive."""
        with self._guard, contextlib.suppress(OSError):
            if self._descriptor >= 0:
                os.utime(self._descriptor)

    def close(self) -> None:
        """Write no more. The file stays."""
        with self._guard:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def complain(self, path: Path, why: object) -> None:
        """Say once what it costs that this cannot be written."""
        if not self._has_warned:
            self._has_warned = True
            warn(f"milepost: {self._loss} ({path}: {why})")

    def _put(self, slot: int, text: bytes) -> bool:
        if self._descriptor < 0 or self._path is None:
            return False
        try:
            os.pwrite(self._descriptor, text, slot * SLOT_BYTES)
        except OSError as error:
            self.complain(self._path, error.strerror)
            return False
        return True


def written(path: Path) -> Iterator[bytes]:
    """What each slot of a file says, the file's own first, when nobody writes it any more. Raises OSError."""
    with path.open("rb") as file:
        while slot := file.read(SLOT_BYTES):
            yield slot.partition(EMPTY)[0]


def readable(texts: Iterable[bytes], decode: Callable[[bytes], T]) -> Iterator[T]:
    """The notes among these, without the slots that are empty or that a power cut tore.

    Example:
        >>> from milepost import typed
        >>> list(readable([b"", b"[1, 2]", b"[1, 2"], typed.json_decoder(list[int])))
        [[1, 2]]
    """
    for text in texts:
        with contextlib.suppress(msgspec.DecodeError):
            yield decode(text)
