"""The one writer of a session: facts commit before the call returns, observation is queued and may be lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from milepost.errors import StoreBusy, StoreError, StoreFull
from milepost.kernel.in_place import InPlace
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
    which has to be there after each commit.
    """

    def __init__(
        self,
        store: Store,
        fence: Fence | None,
        *,
        wait_seconds: float = 60.0,
        ticker: Ticker | None = None,
        file: InPlace | None = None,
    ) -> None:
        self._store = store
        self._file = file
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
            began = time.monotonic()
            try:
                changed = self._store.write(rows, fence=self._fence, durable=durable, fresh=fresh)
            except (StoreFull, StoreBusy) as error:
                changed = self._written_later(error, began + self._wait_seconds, rows, durable, fresh)
            if self._warned:
                self._warned.discard("wait")  # the next time is news again
            self._is_dirty = not durable
            if self._file is not None:
                self._file.check()
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

    def _barrier(self) -> None:
        with self._lock:
            if not self._is_dirty:
                return
            try:
                self._store.sync()
                self._is_dirty = False
            except StoreError as error:
                self._warn("barrier", f"milepost: the ledger could not be made safe against power loss: {error}")

    def _written_later(
        self, refusal: StoreError, deadline: float, rows: tuple[Row, ...], durable: bool, fresh: bool
    ) -> int:
        """Write these as soon as the store takes them again. Raises what it last said when that is too late."""
        while time.monotonic() < deadline:
            self._warn("wait", f"milepost: waiting up to {self._wait_seconds:.0f} s for the ledger: {refusal}")
            time.sleep(0.5)
            try:
                return self._store.write(rows, fence=self._fence, durable=durable, fresh=fresh)
            except (StoreFull, StoreBusy) as error:
                refusal = error
        raise refusal

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warn(text)


_REPLACED = (StageRow, SessionRow)


def _identity(row: Row) -> object:
    if isinstance(row, StageRow):
        return (StageRow, row.run, row.stage, row.epoch)
    if isinstance(row, SessionRow):
        return (SessionRow, row.run, row.epoch)
    return id(row)
