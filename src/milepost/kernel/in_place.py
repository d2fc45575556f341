"""A file that has to stay where it was opened.

Somebody may move or delete it. The system goes on taking what is written to it, and none of that is found again.
"""

from __future__ import annotations

import os
from pathlib import Path

from milepost.errors import StoreError


class InPlace:
    """A ledger's file as it was when this was made; None for a ledger that is no file. `advice`: what to do."""

    def __init__(self, path: Path | None, advice: str) -> None:
        self._path = None if path is None else str(path)
        self._identity = file_at(path)
        self._advice = advice

    @property
    def is_gone(self) -> bool:
        """Whether it was moved or deleted, or another is in its place."""
        return self._path is not None and file_at(self._path) != self._identity

    def check(self) -> None:
        """StoreError when it is gone."""
        if self.is_gone:
            raise StoreError(
                f"ledger {self._path} was moved, deleted or replaced while it was open: what is recorded now is not "
                f"there. {self._advice}",
                path=self._path,
            )


def file_at(path: Path | str | None) -> tuple[int, int] | None:
    """Which file is at its place; it is never opened, which would drop SQLite's locks."""
    try:
        found = None if path is None else os.stat(path)
    except OSError:
        found = None
    return None if found is None else (found.st_dev, found.st_ino)
