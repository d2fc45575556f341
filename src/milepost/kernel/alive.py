"""The state of a run as it is, not as it was last written: a session that died without a word is seen at once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from milepost.kernel.crash import crash_path
from milepost.kernel.sessions import STALLED_SECONDS, liveness
from milepost.model.rows import RunRow, SessionRow, StageRow, StepRow
from milepost.model.status import RunState
from milepost.store.protocol import Store


class Seen(NamedTuple):
    """A run's state now, why, and since when it is over (UTC epoch seconds)."""

    state: RunState
    cause: str | None
    ended: float | None


def look(run: RunRow, session: SessionRow | None, lock_folder: Path, now: float) -> Seen:
    """What a run that is written down as active really is; any other is what it says."""
    if not run.state.is_active or session is None or session.run != run.id:
        return Seen(run.state, run.cause, run.ended)
    found = liveness(session, lock_folder / f"{run.id}.lock", now=now)
    if found.kind == "alive":
        return Seen(run.state, run.cause, None)
    if found.kind == "stalled":
        return Seen(RunState.STALLED, found.cause, None)
    return Seen(RunState.INTERRUPTED, found.cause, session.beat)


def look_closely(run: RunRow, session: SessionRow | None, lock_folder: Path, now: float, store: Store) -> Seen:
    """The same, and of one that died the very last sign of life, for which the ledger is asked."""
    seen = look(run, session, lock_folder, now)
    if session is None or session.ended is not None or seen.state is not RunState.INTERRUPTED:
        return seen
    return seen._replace(ended=last_sign(session, lock_folder, store))


def last_sign(session: SessionRow, lock_folder: Path, store: Store) -> float:
    """When a session that died was last known to work: its last beat, what it recorded since, or its crash.

    Others may record steps in its run when it is long dead: what came much later than a beat was due is not its own.
    """
    recorded = [row.at for row in store.rows(StepRow, run=session.run, newest=True, limit=1)]
    for row in store.rows(StageRow, run=session.run, epoch=session.epoch):
        recorded += [moment for moment in (row.started, row.ended) if moment is not None]
    own = [moment for moment in recorded if moment <= session.beat + STALLED_SECONDS]
    return max(session.beat, *own, _written(crash_path(lock_folder / session.run, session.epoch)))


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def working_seconds(session: SessionRow, seen: Seen, now: float, *, is_last: bool) -> float:
    """From start to end; to now for the one that works; to the last sign of life for one that died."""
    if session.ended is not None:
        until = session.ended
    elif is_last and seen.state.is_active:
        until = now
    else:
        until = seen.ended if is_last and seen.ended is not None else session.beat
    return max(until - session.started, 0.0)
