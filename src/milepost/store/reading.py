"""How an object's file is opened: never anything but a regular file, large ones mapped copy-on-write."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple, cast

from milepost.errors import ObjectDamaged, ObjectError, ObjectMissing
from milepost.model.refusal import refusal_text

MAPPED_BYTES = 1 << 20  # smaller files are read: a mapping holds a descriptor and costs more


_POPULATE_READ = 22  # MADV_POPULATE_READ of Linux 5.14, not yet named by Python


class Opened(NamedTuple):
    """A file's bytes and what tells whether it is still the one that was checked."""

    content: memoryview
    stamp: tuple[int, int, int]  # size, mtime, inode
    is_mapped: bool = False


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Size, mtime and inode of a file."""
    found = os.stat(path, follow_symlinks=False)
    return found.st_size, found.st_mtime_ns, found.st_ino


def open_whole(path: str, *, mapped: bool = True) -> Opened:
    """The bytes of a regular file. Raises ObjectMissing, ObjectDamaged (no regular file), ObjectError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise ObjectMissing(f"no object at {path}", path=path) from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EMLINK):  # a symlink or a socket in its place
            raise ObjectDamaged("it is no regular file") from error
        raise ObjectError(f"cannot read {path}: {refusal_text(error)}", path=path) from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ObjectDamaged("it is no regular file")
        stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
        if mapped and found.st_size >= MAPPED_BYTES:
            content = _map(handle, found.st_size)
            if content is not None:
                return Opened(content, stamp, True)
        return Opened(_read(handle, found.st_size), stamp)
    except OSError as error:
        raise ObjectError(f"cannot read {path}: {refusal_text(error)}", path=path) from error
    finally:
        os.close(handle)


def populate(opened: Opened) -> None:
    """Take all pages of a mapping in at once, where the system can: before it is read from end to end."""
    if opened.is_mapped and sys.platform == "linux":
        with contextlib.suppress(OSError):
            cast(mmap.mmap, opened.content.obj).madvise(_POPULATE_READ)


def _map(handle: int, size: int) -> memoryview | None:
    """Pages of the file that a writer copies; None where no more can be mapped."""
    try:
        if sys.version_info >= (3, 13):
            return memoryview(mmap.mmap(handle, size, access=mmap.ACCESS_COPY, trackfd=False))
        return memoryview(mmap.mmap(handle, size, access=mmap.ACCESS_COPY))
    except OSError:
        return None


def _read(handle: int, size: int) -> memoryview:
    content = memoryview(bytearray(size))
    position = 0
    while position < size:
        count = os.readv(handle, [content[position:]])
        if count == 0:
            return content[:position]  # it shrank; the header's length will not fit
        position += count
    return content
