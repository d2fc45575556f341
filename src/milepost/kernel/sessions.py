"""A session: one OS process taking part in a run, from its first beat to its end marker or its death.

Whoever looks decides whether it lives. On the same boot of the same machine the run's kernel lock says so
at once; elsewhere the age of its last beat does: 15 s without one is stalled, 300 s is dead. That age is
measured by the observer: pass `unchanged_seconds`, how long its own monotonic clock has seen the same
beat, and no jump of a wall clock can mislead it; a single look can only compare wall clocks.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Literal

import msgspec

from milepost.kernel import host
from milepost.kernel.clock import SYSTEM, Clock
from milepost.kernel.crash import CrashLog, cause_of_death
from milepost.kernel.lock import RunLock, is_held
from milepost.kernel.ticker import TICKER, Tick, Ticker
from milepost.model.rows import SessionRow
from milepost.model.status import RunState

BEAT_SECONDS = 1.0
STALLED_SECONDS = 15.0
DEAD_SECONDS = 300.0


class Liveness(msgspec.Struct, frozen=True):
    """What an observer found: `cause` says in words why it is not alive."""

    kind: Literal["alive", "stalled", "dead"]
    cause: str | None = None


ALIVE = Liveness("alive")


def new_session(clock: Clock = SYSTEM, run: str = "", epoch: int = 0) -> SessionRow:
    """The row of a session of this process that begins now; the store fills in run and epoch when it
    claims.
    """
    now = clock.now()
    return SessionRow(
        run=run,
        epoch=epoch,
        host=host.host(),
        boot_id=_place(),
        pid=os.getpid(),
        pid_started=host.pid_started(os.getpid()) or 0.0,
        started=now,
        beat=now,
        python=".".join(map(str, sys.version_info[:3])),
        version=_version(),
        oom_kills=host.oom_kills(),
    )


def liveness(
    session: SessionRow,
    lock_path: str | os.PathLike[str],
    *,
    now: float,
    unchanged_seconds: float | None = None,
) -> Liveness:
    """Whether a session lives, seen from this process at `now` (UTC epoch seconds).

    Example:
        >>> row = new_session(run="r1", epoch=1)
        >>> liveness(row, "/nowhere/r1.lock", now=row.beat).kind
        'dead'
    """
    if session.end is not None or session.ended is not None:
        return Liveness("dead", session.cause)
    if is_of_this_boot(session) and host.boot_id():
        return _seen_here(session, lock_path)
    if session.host == host.host() and _began_before_boot(session):
        return Liveness("dead", "reboot: the machine was restarted")
    return _heard_of(session, now - session.beat if unchanged_seconds is None else unchanged_seconds)


def _seen_here(session: SessionRow, lock_path: str | os.PathLike[str]) -> Liveness:
    """Same boot, so the same kernel knows the lock, even from another container."""
    try:
        is_alive = is_held(lock_path) and not _owner_is_gone(session)
    except PermissionError:
        is_alive = not _owner_is_gone(session)  # another user's run: its lock cannot be asked
    return ALIVE if is_alive else Liveness("dead", cause_of_death(session, lock_path))


def _owner_is_gone(session: SessionRow) -> bool:
    if session.boot_id != _place():
        return False  # pids of another space say nothing here
    return host.pid_started(session.pid) != session.pid_started


def _began_before_boot(session: SessionRow) -> bool:
    """A session that beat after this machine started ran on another of the same name."""
    booted = host.booted()
    return booted is None or session.beat <= booted


def _heard_of(session: SessionRow, silence: float) -> Liveness:
    if silence < STALLED_SECONDS:
        return ALIVE
    since = f"host {session.host} for {silence:.0f} s"
    if silence < DEAD_SECONDS:
        return Liveness("stalled", f"no heartbeat from {since}")
    return Liveness("dead", f"lost contact with {since}")


def _place() -> str:
    """The boot and the pid space: within one, a pid with its start time names one process."""
    return f"{host.boot_id()} {host.pid_space()}".strip()


def is_of_this_boot(session: SessionRow) -> bool:
    """Whether it began on this machine since that was started."""
    return session.boot_id.partition(" ")[0] == host.boot_id()


def _version() -> str:
    return str(getattr(sys.modules.get("milepost"), "__version__", ""))


class Session:
    """What the runner holds while it works: beats every second, catches crashes, writes the end marker.

    `write` receives the row at each beat, on the ticker's thread. `end` stops the beats first, so that
    none can overwrite the end marker, and lets go of the lock last, so that nobody takes an ended session
    for a dead one.
    """

    def __init__(
        self,
        row: SessionRow,
        folder: str | os.PathLike[str],
        *,
        write: Callable[[SessionRow], object],
        lock: RunLock | None = None,
        clock: Clock = SYSTEM,
        ticker: Ticker = TICKER,
    ) -> None:
        self._row = row
        self._write = write
        self._lock = lock
        self._clock = clock
        self._ticker = ticker
        self._crash_log = CrashLog(folder, row.epoch)
        self._writing = threading.Lock()
        self._tick: Tick | None = None

    @property
    def row(self) -> SessionRow:
        """The row as it was last written."""
        return self._row

    def begin(self) -> None:
        """Catch crashes into `crash-<epoch>.log` in the run's folder and beat from now on."""
        self._crash_log.open()
        self._tick = self._ticker.every(BEAT_SECONDS, self.beat)

    def beat(self) -> None:
        """Write the row with the present time; after the end it does nothing."""
        with self._writing:
            if self._row.ended is None:
                self._row = msgspec.structs.replace(self._row, beat=self._clock.now())
                self._write(self._row)

    def end(
        self, state: RunState, cause: str | None = None, commit: Callable[[SessionRow], object] | None = None
    ) -> SessionRow:
        """Give `commit` the final row, then remove the empty crash log and release the lock; return the
        row.

        The lock is released even when `commit` raises. A second call returns the first one's row.
        """
        if self._tick is not None:
            self._tick.stop()
        with self._writing:
            if self._row.ended is not None:
                return self._row
            now = self._clock.now()
            self._row = msgspec.structs.replace(self._row, beat=now, ended=now, end=state, cause=cause)
        try:
            if commit is not None:
                commit(self._row)
        finally:
            self._crash_log.close()
            if self._lock is not None:
                self._lock.release()
        return self._row
