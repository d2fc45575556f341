"""The state of a run as it is, not as it was last written: a session that died without a word is seen at once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from milepost.kernel.sessions import liveness
from milepost.model.rows import RunRow, SessionRow
from milepost.model.status import RunState


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


def working_seconds(session: SessionRow, seen: Seen, now: float, *, is_last: bool) -> float:
    """From start to end; to now for the one that works; to the last sign of life for one that died."""
    if session.ended is not None:
        until = session.ended
    else:
        until = now if is_last and seen.state.is_active else session.beat
    return max(until - session.started, 0.0)
