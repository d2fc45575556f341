"""What the checks look at: the workspace and its ledger, opened by whichever check comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import cast

from milepost.config import ProcessingConfig
from milepost.errors import InvalidDataError, MilepostError, StoreError, WorkspaceError
from milepost.health.check import COULD_NOT_LOOK, Finding, shown
from milepost.kernel.clock import Clock
from milepost.kernel.workspace import LEDGER, Workspace, find_workspace
from milepost.model.health import HealthStatus, Thresholds
from milepost.model.redaction import redact
from milepost.store.protocol import Store

Place = Workspace | str | Path | None


class Ground:
    """Where to look. To be made opens nothing, so what hangs there hangs a check and not its caller."""

    def __init__(self, place: Place, store: Store | None, *, clock: Clock, thresholds: Thresholds) -> None:
        self.clock = clock
        self.thresholds = thresholds
        self.folder = _folder(place, store)  # None: a store without a workspace
        self._place = place
        self._given = store
        self._lock = threading.Lock()
        self._opened: dict[str, Workspace] = {}  # those that are ours to close
        self._ledger: tuple[int, int] | None = None  # which file it was when we opened it

    def writing(self) -> Store:
        """The ledger, to be written."""
        if self._given is not None:
            return self._given
        with self._lock:
            return self._workspace(read_only=False).store

    def reading(self) -> Store:
        """The ledger, to be read, even where it can no longer be written."""
        try:
            return self.writing()
        except (StoreError, WorkspaceError):
            if self.folder is None or not (self.folder / LEDGER).exists():
                raise
        with self._lock:
            return self._workspace(read_only=True).store

    def close(self) -> None:
        """Close what was opened here."""
        with self._lock:
            for workspace in self._opened.values():
                workspace.close()
            self._opened.clear()

    def _workspace(self, *, read_only: bool) -> Workspace:
        self._look_whether_it_is_the_same()
        if isinstance(self._place, Workspace) and self._place.read_only is read_only:
            return self._place
        name = "reading" if read_only else "writing"
        if name not in self._opened:
            is_new = self._ledger is None and not read_only
            self._opened[name] = Workspace.open(self.folder, create=is_new, read_only=read_only)
            self._opened[name].store.durability  # noqa: B018  (opens it)
            self._ledger = self._ledger_now()
        return self._opened[name]

    def _look_whether_it_is_the_same(self) -> None:
        """WorkspaceError when the workspace that was looked at is gone; one that was made anew is opened anew."""
        if self._ledger is None and isinstance(self._place, Workspace):
            self._place.store.durability  # noqa: B018
            self._ledger = self._ledger_now()
        now = None if self._ledger is None else self._ledger_now()
        if now == self._ledger:
            return
        for workspace in self._opened.values():
            workspace.close()
        self._opened.clear()
        if now is None:
            raise WorkspaceError(f"workspace {self.folder} is gone: it was moved or deleted")
        self._ledger = now

    def _ledger_now(self) -> tuple[int, int] | None:
        if self.folder is None:
            return None
        try:
            found = (self.folder / LEDGER).stat()  # never opened: that would drop SQLite's locks
        except OSError:
            return None
        return found.st_dev, found.st_ino


def ground_at(place: object, store: object, *, clock: object, thresholds: object) -> Ground:
    """The ground that these name. Raises InvalidDataError for what can be none of it."""
    if place is not None and not isinstance(place, Workspace | str | Path):
        raise InvalidDataError(f"workspace is a path or a Workspace, not {shown(place)}")
    if store is not None and not callable(getattr(store, "recent_steps", None)):
        raise InvalidDataError(f"store is one of milepost.store, not {shown(store)}")
    if not callable(getattr(clock, "now", None)):
        raise InvalidDataError(f"clock is a clock, with now() and monotonic(), not {shown(clock)}")
    if thresholds is not None and not isinstance(thresholds, Thresholds):
        raise InvalidDataError(f"thresholds are Thresholds(…), not {shown(thresholds)}")
    return Ground(
        place,
        cast("Store | None", store),
        clock=cast(Clock, clock),
        thresholds=thresholds if thresholds is not None else Thresholds(),
    )


def _folder(place: Place, store: Store | None) -> Path | None:
    if isinstance(place, Workspace):
        return place.path
    if place is not None:
        return Path(place).expanduser().absolute()
    return None if store is not None else find_workspace(ProcessingConfig.from_environment())


def unknown_without_ledger(look: Callable[..., Finding]) -> Callable[..., Finding]:
    """For checks that only read: that they cannot is the matter of the check of the store."""

    @wraps(look)
    def looking(*arguments: object) -> Finding:
        try:
            return look(*arguments)
        except (MilepostError, OSError) as error:
            return Finding(HealthStatus.UNKNOWN, redact(f"{COULD_NOT_LOOK}{error}"))

    return looking
