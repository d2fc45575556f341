"""Items that were at hand when their session was killed: an attempt lost, and after three of them set aside.

A process that dies takes the blame of what it worked on to the next session, since nobody else can write it down.
"""

from __future__ import annotations

from pathlib import Path

from milepost.kernel import host
from milepost.model.rows import SessionRow, StepRow
from milepost.model.status import ProcessingStatus, RunState
from milepost.process.jobs import LOST_TRIES
from milepost.process.loops.flight import Entry, left_behind
from milepost.store.protocol import Store

DIED = "its process died while it was at hand: "


def is_death(row: StepRow) -> bool:
    """Whether this attempt ended with its process."""
    return row.error is not None and row.error.startswith(DIED)


def is_set_aside(row: StepRow) -> bool:
    """Whether this item is not tried again by itself, since it kills who works on it."""
    return row.status is ProcessingStatus.FAILED and is_death(row)


def deaths_in_a_row(rows: list[StepRow]) -> int:
    """How many of an item's last attempts ended with their process."""
    count = 0
    for row in sorted((row for row in rows if row.status.is_terminal), key=lambda row: row.attempt, reverse=True):
        if not is_death(row) or (count and row.status is ProcessingStatus.FAILED):
            break  # who was set aside before and is tried again begins anew
        count += 1
    return count


def lost_attempts(store: Store, folder: Path, session: SessionRow) -> list[StepRow]:
    """The rows of what a dead session had at hand; none when the machine went down, as that was nobody's doing."""
    if session.end is not RunState.INTERRUPTED or session.boot_id.partition(" ")[0] != host.boot_id():
        return []
    return [_row(store, session, entry) for entry in left_behind(folder, session.epoch)]


def _row(store: Store, session: SessionRow, entry: Entry) -> StepRow:
    earlier = store.rows(StepRow, run=session.run, step=entry.step, item=entry.item)
    deaths = 1 + deaths_in_a_row([row for row in earlier if row.attempt < entry.attempt])
    given_up = deaths >= LOST_TRIES
    return StepRow(
        run=session.run,
        step=entry.step,
        item=entry.item,
        attempt=entry.attempt,
        status=ProcessingStatus.FAILED if given_up else ProcessingStatus.ERROR,
        key=entry.key,
        digest=entry.digest,
        error=f"{DIED}{session.cause or 'killed'}" + (f"; given up after {deaths} times" if given_up else ""),
        seconds=max(session.beat - entry.at, 0.0),
        at=max(session.beat, entry.at),
    )
