"""Garbage collection of objects: mark what rows need, then remove what is neither marked nor young."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from milepost.errors import ObjectError
from milepost.store import files

if TYPE_CHECKING:
    from milepost.store.objects import Objects


COARSE_SECONDS = 0.05  # files get their times from a clock that lags behind by up to a tick of the kernel


class Sweep(msgspec.Struct, frozen=True):
    """What a sweep removed, or would remove."""

    count: int
    size_bytes: int


def sweep(objects: Objects, keep: Collection[str], *, before: float, dry_run: bool) -> Sweep:
    """See `Objects.sweep`; what was written or put again since `before` (epoch seconds) stays."""
    marked = mark(objects, keep)
    count = size_bytes = 0
    for address in objects.addresses():
        if address in marked:
            continue
        taken = _take(objects.path(address), before - COARSE_SECONDS, dry_run)
        if taken is not None:
            count, size_bytes = count + 1, size_bytes + taken
    if not dry_run:
        files.remove_stale(objects.root)
    return Sweep(count, size_bytes)


def mark(objects: Objects, keep: Collection[str]) -> set[str]:
    """`keep` and everything those objects need. What cannot be read keeps itself and names nothing."""
    marked = set(keep)
    waiting = list(marked)
    while waiting:
        with contextlib.suppress(ObjectError):
            for address in objects.references(waiting.pop()):
                if address not in marked:
                    marked.add(address)
                    waiting.append(address)
    return marked


def _take(path: Path, before: float, dry_run: bool) -> int | None:
    """Remove one file when it is old; its size, or None when it stays."""
    try:
        size = _size_if_old(path, before)
        if size is None or dry_run:
            return size
        with files.guarded(path.parent, alone=True):
            size = _size_if_old(path, before)  # a writer may have found it, and made it young
            if size is not None:
                os.unlink(path)
            return size
    except OSError:
        return None


def _size_if_old(path: Path, before: float) -> int | None:
    found = os.stat(path, follow_symlinks=False)
    return found.st_size if found.st_mtime < before else None
