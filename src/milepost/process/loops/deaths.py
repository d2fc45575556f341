"""Items that were at hand when their session was killed: each an attempt lost, as `model/deaths.py` says it ended.

A process that dies takes the blame of what it worked on to the next session, since nobody else can write it down.
"""

from __future__ import annotations

from pathlib import Path

from milepost.kernel.sessions import is_of_this_boot
from milepost.model.deaths import death
from milepost.model.rows import SessionRow, StepRow
from milepost.model.status import ProcessingStatus, RunState
from milepost.process.loops.flight import Entry, left_behind
from milepost.store.protocol import Store


def lost_attempts(store: Store, folder: Path, session: SessionRow) -> list[StepRow]:
    """The rows of what a dead session had at hand; none when the machine went down, as that was nobody's doing."""
    if session.end is not RunState.INTERRUPTED or not is_of_this_boot(session):
        return []
    ended = [_ended(store, session, entry) for entry in left_behind(folder, session.epoch)]
    return [row for row in ended if row is not None]


def _ended(store: Store, session: SessionRow, entry: Entry) -> StepRow | None:
    """How it ended; None where the session could record that, and no more than that."""
    rows = store.rows(StepRow, run=session.run, step=entry.step, item=entry.item)
    if any(row.attempt == entry.attempt and row.status.is_terminal for row in rows):
        return None
    attempt = StepRow(
        run=session.run,
        step=entry.step,
        item=entry.item,
        attempt=entry.attempt,
        status=ProcessingStatus.RUNNING,
        key=entry.key,
        digest=entry.digest,
        at=entry.at,
    )
    return death(attempt, session.cause or "killed", session.beat, rows)
