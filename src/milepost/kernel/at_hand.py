"""What a process has at hand, noted beside its ledger: of who is killed, others read there what died with it.

A file of slots a process, in a folder beside the ledger, locked by the kernel for as long as the process lives. Its
first slot says which process; each other is empty or holds one attempt. Whoever finds the file without its lock reads
what is left, writes it down, and removes the file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import msgspec

from milepost import typed
from milepost.errors import WorkspaceError
from milepost.kernel.lock import RunLock, is_held, try_acquire
from milepost.kernel.sessions import new_session
from milepost.kernel.slots import Slots, readable, written
from milepost.kernel.ticker import TICKER, Tick
from milepost.model.rows import SessionRow

TOUCH_SECONDS = 5.0  # how exactly a death is dated


class Entry(msgspec.Struct, frozen=True):
    """One attempt under way, as its row in the ledger says when it began. `is_bound`: it ends with its process."""

    run: str
    step: str
    item: str
    at: float
    is_bound: bool = False


class LeftBehind(msgspec.Struct, frozen=True):
    """What a dead process had at hand. `seen`: when it was last alive, to some seconds (UTC epoch seconds)."""

    path: Path
    session: SessionRow
    seen: float
    entries: tuple[Entry, ...]


_entry = typed.json_decoder(Entry)
_session = typed.json_decoder(SessionRow)


def folder_beside(ledger: Path) -> Path:
    """Where the processes that write this ledger note what they have at hand."""
    return ledger.with_name(ledger.name + "-open")


Attempt = tuple[str, str, str, int]  # run, step, item, number


class AtHand:
    """The notes of this process beside one ledger; see `notes_in`. Safe from several threads, not for use after a fork.

    Nothing is made before the first note. What cannot be written costs one warning.
    """

    def __init__(self, folder: Path) -> None:
        self.users = 0
        self._folder = folder
        self._guard = threading.RLock()  # a ledger that goes with the garbage closes its notes wherever that happens
        self._slots = Slots("if this process is killed, what it has at hand stays RUNNING")
        self._slot_of: dict[Attempt, int] = {}
        self._bound: set[int] = set()
        self._lock: RunLock | None = None
        self._tick: Tick | None = None

    def begin(self, entry: Entry) -> int:
        """Note an attempt, before its row is written; the slot to give to `end`, 0 where it could not be noted."""
        with self._guard:
            if not (self._slots.is_open or self._open()):
                return 0
            slot = self._slots.take(entry)
            if slot and entry.is_bound:
                self._bound.add(slot)
            return slot

    def keep(self, slot: int, attempt: Attempt | None) -> None:
        """What was noted there has become this attempt, or nothing."""
        if slot and attempt is None:
            self._end(slot)
        elif slot and attempt is not None:
            self._slot_of[attempt] = slot

    @property
    def has_bound(self) -> bool:
        """Whether something is at hand that ends with this process."""
        return bool(self._bound)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is at hand that `end` could end."""
        return not self._slot_of

    def end(self, attempt: Attempt) -> None:
        """The attempt is over, or nobody's fault any more."""
        slot = self._slot_of.pop(attempt, 0)
        if slot:
            self._end(slot)

    def close(self) -> None:
        """One user less. The last one leaves noted what is bound to this process; all else others may end."""
        self.users -= 1
        with self._guard:
            if self.users > 0 or not self._slots.is_open:
                return
            if self._bound:
                self._slots.empty_all_but(self._bound)
                return
            if self._tick is not None:
                self._tick.stop()
            if self._lock is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self._lock.path)
            self._forget()

    def _end(self, slot: int) -> None:
        with self._guard:
            self._bound.discard(slot)
            self._slots.clear(slot)

    def _open(self) -> bool:
        path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = try_acquire(path)
        except (OSError, WorkspaceError) as error:
            self._slots.complain(self._folder, error.strerror if isinstance(error, OSError) else error)
            return False
        if not (self._slots.open(path) and self._slots.head(new_session())):
            self._forget()
            return False
        self._tick = TICKER.every(TOUCH_SECONDS, self._slots.touch)
        _close_with_worker(self)
        return True

    def _forget(self) -> None:
        self._slots.close()
        lock, self._lock = self._lock, None
        if lock is not None:  # kept until now: who cannot write is not dead
            lock.release()


_notes: dict[tuple[int, Path], AtHand] = {}
_opening = threading.Lock()


def notes_in(folder: Path) -> AtHand:
    """This process's notes in a folder, with one user more; each is to `close` them.

    They outlive their users as long as a block is inside of which a ledger was closed.
    """
    which = (os.getpid(), folder)
    with _opening:
        notes = _notes.get(which)
        if notes is None or (notes.users <= 0 and not notes.has_bound):
            notes = _notes[which] = AtHand(folder)
            for other in [
                key for key, each in _notes.items() if each.users <= 0 and not each.has_bound and key != which
            ]:
                del _notes[other]
        notes.users += 1
        return notes


def _after_fork_in_child() -> None:
    global _opening
    _opening = threading.Lock()
    _notes.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _close_with_worker(notes: AtHand) -> None:
    """The children of `multiprocessing` end without what a program does at its end."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _close_all, (weakref.ref(notes),), exitpriority=0)


def _close_all(notes: weakref.ref[AtHand]) -> None:
    found = notes()
    if found is not None:
        found.users = 1
        found.close()


def left_behind(folder: Path) -> Iterator[LeftBehind]:
    """What processes that are dead had at hand; the living notice nothing. Folders of others are passed over."""
    for path in _files(folder):
        with contextlib.suppress(OSError):
            if not is_held(path):
                found = _read(path)
                if found is not None:
                    yield found


def taken_over(folder: Path) -> Iterator[LeftBehind]:
    """The same, for who writes it down: nobody else gets it meanwhile, and asked for the next it is gone for good."""
    for path in _files(folder):
        with contextlib.suppress(OSError, WorkspaceError):
            lock = None if is_held(path) else try_acquire(path)
            if lock is None:
                continue
            try:
                found = _read(path)
                if found is not None:
                    yield found
                os.unlink(path)
            finally:
                lock.release()


def _files(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _read(path: Path) -> LeftBehind | None:
    """The notes in this file; None where there are none, or what the session's should be is not one."""
    seen, texts = path.stat().st_mtime, written(path)
    try:
        session = _session(next(texts, b""))
    except msgspec.DecodeError:
        return None
    entries = tuple(readable(texts, _entry))
    return LeftBehind(path, session, seen, entries) if entries else None
