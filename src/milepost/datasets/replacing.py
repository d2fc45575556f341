"""A file that is replaced as a whole or not at all, and is on disk once it is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from milepost.errors import DataSetError
from milepost.store.files import sync_folder

TEMPORARY = ".milepost-"
UNFINISHED = ".part"

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@contextlib.contextmanager
def replacing(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when the block ends well, and vanishes when it does not.

    With `replace=False` a file that is there, also one that came meanwhile, stays. Raises DataSetError.
    """
    try:
        _make_folder(path.parent)
        remove_unfinished(path.parent)
        temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}{UNFINISHED}"
        with _vanishing(temporary), _opened(temporary, path) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _move(temporary, path, replace)
        _sync(path.parent)
    except OSError as error:
        raise refusal(error, path) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise DataSetError(f"cannot save into {folder}: it is no folder", path=str(folder)) from error


def refusal(error: OSError, path: Path) -> DataSetError:
    """Why the operating system did not write the file."""
    what = f"cannot write {path}: {error.strerror or error}; what was there before is unchanged"
    todo = "; free some space and save again" if _number(error) in _FULL else ""
    return DataSetError(what + todo, path=str(path))


def _number(error: OSError) -> int | None:
    """Its errno, which polars has in the text alone."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return error.errno if error.errno is not None or found is None else int(found[1])


def already_there(path: Path) -> DataSetError:
    """The refusal to replace a file."""
    return DataSetError(f"{path} is there already: save with replace=True, or under another name", path=str(path))


def remove_unfinished(folder: Path) -> int:
    """Remove what writers that were killed left in the folder; how many. Those still at work hold a lock."""
    count = 0
    for entry in _unfinished(folder):
        with contextlib.suppress(OSError):
            handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
                count += 1
            finally:
                os.close(handle)
    return count


def _unfinished(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.name.startswith(TEMPORARY) and entry.name.endswith(UNFINISHED)]


@contextlib.contextmanager
def _vanishing(temporary: Path) -> Iterator[None]:
    """After the block nothing bears the temporary name."""
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


@contextlib.contextmanager
def _opened(temporary: Path, path: Path) -> Iterator[BinaryIO]:
    handle = _locked(temporary)
    with os.fdopen(handle, "wb", buffering=1 << 20) as file:
        with contextlib.suppress(OSError):  # none there, or of somebody else
            os.fchmod(handle, path.stat().st_mode & 0o777)
        try:
            yield file
        except BaseException:
            with contextlib.suppress(OSError):  # what is still buffered goes nowhere
                os.ftruncate(handle, 0)
            _drop_buffer(file)
            raise


def _locked(temporary: Path) -> int:
    """A new file under our lock. Another's `remove_unfinished` may take it away before it is locked: then again."""
    while True:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)


def _drop_buffer(file: BinaryIO) -> None:
    """Closing a file flushes it, which on a full disk would raise over what went wrong first."""
    with contextlib.suppress(OSError):
        file.flush()
    with contextlib.suppress(OSError):
        file.close()


def _move(temporary: Path, path: Path, replace: bool) -> None:
    if replace:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename it fails when another process was first
    except FileExistsError as error:
        raise already_there(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise already_there(path) from error
        os.replace(temporary, path)


def _sync(folder: Path) -> None:
    with contextlib.suppress(PermissionError):  # somebody else's, who lets us write but not read
        sync_folder(folder.resolve())
