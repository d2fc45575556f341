"""The one writer of a session: facts commit before the call returns, observation is queued and may be lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from milepost.errors import StoreBusy, StoreError, StoreFull
from milepost.kernel.ticker import Ticker
from milepost.kernel.warning import warn
from milepost.model.rows import Row, SessionRow, StageRow
from milepost.store.protocol import Durability, Fence, Store

BARRIER_SECONDS = 0.1  # how much a power cut may cost at durability "group"
FLUSH_SECONDS = 0.25


class Recorder:
    """Writes a run's rows under its fence.

    `record` commits before it returns and waits, with a warning, while the store is full or locked. `observe`
    queues; of several rows about one thing only the last is written, and none is worth a failure. `file`: the ledger's,
    when it is one: what is written after somebody took it away is an error, for the system goes on taking it.
    """

    def __init__(
        self,
        store: Store,
        fence: Fence | None,
        *,
        wait_seconds: float = 60.0,
        ticker: Ticker | None = None,
        file: Path | None = None,
    ) -> None:
        self._store = store
        self._file = file
        self._identity = file_at(file)
        self._fence = fence
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._observed: dict[object, Row] = {}
        self._warned: set[str] = set()
        self._is_dirty = False
        self._stops: list[Callable[[], None]] = []
        if ticker is not None:
            self._stops.append(ticker.every(FLUSH_SECONDS, self.flush).stop)
            if store.durability is Durability.GROUP:
                self._stops.append(ticker.every(BARRIER_SECONDS, self._barrier).stop)

    def record(self, *rows: Row, durable: bool = False, fresh: bool = False) -> int:
        """Commit these rows, all or none; return how many changed something.

        `durable`: they survive a power cut too. `fresh`: only steps of items that have none there. Raises StoreFull
        or StoreBusy after the wait, LeaseLost at once, and StoreError when the ledger is not at its place any more.
        """
        if not rows:
            return 0
        with self._lock:
            if self._observed:
                for row in rows:
                    if type(row) in _REPLACED:  # a fact replaces what was seen of the same thing
                        self._observed.pop(_identity(row), None)
            changed = self._patiently(lambda: self._store.write(rows, fence=self._fence, durable=durable, fresh=fresh))
            self._is_dirty = not durable
            self._check_that_it_is_there()
            return changed

    def observe(self, row: Row) -> None:
        """Queue a row that nobody's correctness depends on."""
        with self._lock:
            self._observed[_identity(row)] = row

    def flush(self) -> None:
        """Write the queued observations; a fault costs them and one warning."""
        with self._lock:
            if not self._observed:
                return
            rows = list(self._observed.values())
            self._observed.clear()
            try:
                self._store.write(rows, fence=self._fence)
                self._is_dirty = True
            except StoreError as error:
                self._warn("observe", f"milepost: progress is not recorded for now: {error}")

    def close(self) -> None:
        """Flush, put all that was written beyond a power cut, and stop ticking."""
        for stop in self._stops:
            stop()
        self.flush()
        self._barrier()

    def _check_that_it_is_there(self) -> None:
        if self._file is not None and file_at(self._file) != self._identity:
            raise StoreError(
                f"ledger {self._file} was moved, deleted or replaced while a run was at work: what the run records now "
                "is not there. Start it again: it goes on from what is there",
                path=str(self._file),
            )

    def _barrier(self) -> None:
        with self._lock:
            if not self._is_dirty:
                return
            try:
                self._store.sync()
                self._is_dirty = False
            except StoreError as error:
                self._warn("barrier", f"milepost: the ledger could not be made safe against power loss: {error}")

    def _patiently(self, write: Callable[[], int]) -> int:
        deadline = time.monotonic() + self._wait_seconds
        while True:
            try:
                changed = write()
            except (StoreFull, StoreBusy) as error:
                if time.monotonic() >= deadline:
                    raise
                self._warn("wait", f"milepost: waiting up to {self._wait_seconds:.0f} s for the ledger: {error}")
                time.sleep(0.5)
            else:
                self._warned.discard("wait")  # the next time is news again
                return changed

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warn(text)


def file_at(path: Path | str | None) -> tuple[int, int] | None:
    """Which file is at its place; it is never opened, which would drop SQLite's locks."""
    try:
        found = None if path is None else os.stat(path)
    except OSError:
        found = None
    return None if found is None else (found.st_dev, found.st_ino)


_REPLACED = (StageRow, SessionRow)


def _identity(row: Row) -> object:
    if isinstance(row, StageRow):
        return (StageRow, row.run, row.stage, row.epoch)
    if isinstance(row, SessionRow):
        return (SessionRow, row.run, row.epoch)
    return id(row)
