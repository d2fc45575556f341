"""Garbage collection of objects: mark what rows need, then remove what is neither marked nor young."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from milepost.errors import ObjectError
from milepost.store import files

if TYPE_CHECKING:
    from milepost.store.objects import Objects


HIDDEN = ".swept"


class Sweep(msgspec.Struct, frozen=True):
    """What a sweep removed, or would remove."""

    count: int
    size_bytes: int


def sweep(objects: Objects, keep: Collection[str], *, older_than_seconds: float, dry_run: bool) -> Sweep:
    """See `Objects.sweep`."""
    marked = mark(objects, keep)
    before = time.time() - older_than_seconds
    count = size_bytes = 0
    for address in objects.addresses():
        if address in marked:
            continue
        taken = _take(objects.path(address), before, dry_run)
        if taken is not None:
            count, size_bytes = count + 1, size_bytes + taken
    if not dry_run:
        _finish_earlier(objects.root, before)
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
    """Remove one file when it is old; its size, or None when it stays.

    It is renamed, then looked at again: a writer that found the object a moment ago has made it young.
    """
    try:
        found = os.stat(path, follow_symlinks=False)
        if found.st_mtime >= before:
            return None
        if dry_run:
            return found.st_size
        hidden = path.with_name(path.name + HIDDEN)
        os.rename(path, hidden)
        return found.st_size if _settle(hidden, path, before) else None
    except OSError:
        return None


def _settle(hidden: Path, path: Path, before: float) -> bool:
    """Remove a hidden file, or bring it back when it became young in the meantime; whether it was removed."""
    if os.stat(hidden, follow_symlinks=False).st_mtime >= before:
        os.rename(hidden, path)
        return False
    os.unlink(hidden)
    return True


def _finish_earlier(root: Path, before: float) -> None:
    """Settle what a sweep that was killed had hidden."""
    for hidden in root.glob(f"??/*{HIDDEN}"):
        with contextlib.suppress(OSError):
            _settle(hidden, hidden.with_name(hidden.name.removesuffix(HIDDEN)), before)
