"""Files that appear whole or not at all, and survive a power cut once written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from milepost.errors import ObjectError, StoreFull
from milepost.model.refusal import refusal_text
from milepost.store.beside import Beside
from milepost.store.codecs.encoded import Piece

TEMPORARY = ".tmp-"
DAMAGED = ".corrupt-"

GRACE_SECONDS = 5.0  # between making a temporary file and locking it

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_known_fans: set[Path] = set()
_JOINED_BYTES = 1 << 16  # up to here one write of a copy is cheaper than several writes
_PART_BYTES = 8 << 20  # what is written at once


def write_whole(path: Path, header: bytes, payload: Sequence[Piece]) -> None:
    """Put header and payload into folder/fan/name: on disk when this returns. Raises StoreFull, ObjectError."""
    try:
        with _temporary(path.parent.parent) as (temporary, handle):
            if sum(memoryview(piece).nbytes for piece in payload) <= _JOINED_BYTES:
                payload = (b"".join((header, *payload)),)
            else:
                _write_all(handle, memoryview(header))
            for part in _parts(payload):
                _write_all(handle, part)
            _commit(handle, temporary, path)
    except OSError as error:
        raise storage_error(error, path) from error


def write_beside(folder: Path, payload: Sequence[Piece], header_bytes: int, beside: Beside) -> bool:
    """Put payload and header where `beside` finds that they go while they are written already.

    False, and nothing is left, when it finds that they are there. Raises as `write_whole` does.
    """
    with beside:
        try:
            with _temporary(folder) as (temporary, handle):
                os.lseek(handle, header_bytes, os.SEEK_SET)
                for part in _parts(payload):
                    if beside.is_unwanted:
                        break
                    _write_all(handle, part)
                path = beside.path()
                if path is None:
                    return False
                os.lseek(handle, 0, os.SEEK_SET)
                _write_all(handle, memoryview(beside.header()))
                _commit(handle, temporary, path)
                return True
        except OSError as error:
            path = beside.path()
            if path is None:
                return False
            raise storage_error(error, path) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, _FOLDER)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def guarded(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Around putting a file into a folder or making one young; `alone`: around removing one that is old.

    Who removes is alone from the look at a file's age until it is gone, so that nobody finds in between what is
    about to go.
    """
    handle = os.open(folder, _FOLDER)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)  # explicitly: a child forked meanwhile shares the description
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder of our own and those above it; their names survive a power cut when this returns."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, 0o700)
        with contextlib.suppress(PermissionError):  # somebody else's, who let us write but not read
            sync_folder(each.parent.resolve())


def set_aside(path: Path) -> Path | None:
    """Move a damaged file out of the way; where it went, or None when somebody else did."""
    aside = path.with_name(f"{path.name}{DAMAGED}{time.time_ns()}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return None
    return aside


def storage_error(error: OSError, path: Path) -> ObjectError | StoreFull:
    """The operating system's refusal in our words."""
    what = f"cannot write {path}: {refusal_text(error)}"
    if error.errno in _FULL:
        return StoreFull(f"{what}; free some space, then run the same command again", path=str(path))
    return ObjectError(what, path=str(path))


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new file, for writing, which is gone afterwards unless it was moved to its place."""
    path = folder / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(6)}"  # where the next start finds it without a search
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # free when its writer is gone: see remove_stale
        yield path, handle
    finally:
        os.close(handle)
        _remove(path)


def _parts(payload: Sequence[Piece]) -> Iterator[memoryview]:
    for piece in payload:
        rest = memoryview(piece).cast("B")
        while rest.nbytes:
            yield rest[:_PART_BYTES]
            rest = rest[_PART_BYTES:]


def _write_all(handle: int, rest: memoryview) -> None:
    while rest.nbytes:
        rest = rest[os.write(handle, rest) :]


def _commit(handle: int, temporary: Path, path: Path) -> None:
    """Sync the file, then move it to its place, and sync the name."""
    _sync_file(handle)
    _make_fan(path.parent)
    with guarded(path.parent):
        _move(temporary, path)
        sync_folder(path.parent)


def _sync_file(handle: int) -> None:
    if sys.platform == "darwin":  # fsync there leaves the data in the drive's cache
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fsync(handle)


def _make_fan(path: Path) -> None:
    if path in _known_fans and path.is_dir():
        return
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    sync_folder(path.parent)  # also when another process made it: that one may not have come this far
    _known_fans.add(path)


def _move(temporary: Path, path: Path) -> None:
    """The rename is the commit point; what stands in the way and is no file is set aside."""
    try:
        os.rename(temporary, path)
    except (IsADirectoryError, NotADirectoryError):
        set_aside(path)
        os.rename(temporary, path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_stale(folder: Path) -> int:
    """Remove temporary files of writers that are gone; how many."""
    count = 0
    for entry in _temporaries(folder):
        if _is_stale(entry):
            _remove(Path(entry.path))
            count += 1
    return count


def _temporaries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.startswith(TEMPORARY)]
    except OSError:  # gone, or refused: the next start removes them
        return []


def _is_stale(entry: os.DirEntry[str]) -> bool:
    """Its writer's lock is free, and it had the time to take it."""
    try:
        if time.time() - entry.stat(follow_symlinks=False).st_mtime < GRACE_SECONDS:
            return False
        handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
