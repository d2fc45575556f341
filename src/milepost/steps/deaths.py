"""Attempts whose process died: written down as an error by whoever looks next, after three of them as failed.

A process that is killed says nothing of what it had at hand; its notes beside the ledger do.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from milepost.errors import MilepostError, StoreError
from milepost.kernel import host
from milepost.kernel.at_hand import Entry, LeftBehind, taken_over
from milepost.kernel.crash import cause_of_death
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps.announcing import announce_one
from milepost.steps.ledger import Ledger, ledger_of

LOOK_SECONDS = 1.0
MOST_DEATHS = 3  # a death is not the document's fault, unless it keeps happening
DIED = "its process died while it was at hand: "
REBOOT = "the machine was restarted"


def look_for_the_dead(ledger: Ledger, *, now: bool = False) -> None:
    """Write down what dead processes had at hand, unless that was looked for a second ago and need not be `now`.

    Observation: a ledger that cannot be written at this moment is looked at again later.
    """
    moment = time.monotonic()
    if ledger.notes_folder is None or (moment < ledger.next_look and not now):
        return
    ledger.next_look = moment + LOOK_SECONDS
    for left in taken_over(ledger.notes_folder):
        try:
            for entry in left.entries:
                _write_down(ledger, left, entry)
        except StoreError:
            return  # the file stays


def write_down_in(workspace: Path) -> None:
    """The same for who only reads this workspace; where it cannot be written nothing is."""
    with contextlib.suppress(MilepostError, OSError):
        look_for_the_dead(ledger_of(workspace), now=True)


def _write_down(ledger: Ledger, left: LeftBehind, entry: Entry) -> None:
    rows = ledger.store.rows(StepRow, run=entry.run, step=entry.step, item=entry.item)
    began = [row for row in rows if row.status is ProcessingStatus.RUNNING and row.at == entry.at]
    for row in began:  # none: it was killed before that was committed
        ended = _ended(left, row, rows)
        if ledger.store.write([ended], durable=True):
            announce_one(ended)


def _ended(left: LeftBehind, row: StepRow, rows: list[StepRow]) -> StepRow:
    session = left.session
    is_of_this_boot = session.boot_id.partition(" ")[0] == host.boot_id()
    cause = _cause(left) if is_of_this_boot else REBOOT
    deaths = 1 + sum(1 for _ in _deaths_in_a_row(rows, row.attempt))
    is_given_up = is_of_this_boot and deaths >= MOST_DEATHS
    return StepRow(
        run=row.run,
        step=row.step,
        item=row.item,
        attempt=row.attempt,
        status=ProcessingStatus.FAILED if is_given_up else ProcessingStatus.ERROR,
        error=f"{DIED}{cause}" + (f"; given up after {deaths} times" if is_given_up else ""),
        seconds=max(left.seen - row.at, 0.0),
        at=max(left.seen, row.at),
        details=row.details,
    )


def _cause(left: LeftBehind) -> str:
    """Of a program that is no run nothing catches a crash."""
    cause = cause_of_death(left.session, left.path)
    return "killed or crashed" if cause == "killed" else cause


def _deaths_in_a_row(rows: list[StepRow], attempt: int) -> Iterator[StepRow]:
    """The ends of the attempts before this one, the last first, while they were deaths it may be blamed for."""
    ends = [row for row in rows if row.status.is_terminal and row.attempt < attempt]
    for row in sorted(ends, key=lambda row: row.attempt, reverse=True):
        is_death = row.error is not None and row.error.startswith(DIED) and not row.error.endswith(REBOOT)
        if not is_death or row.status is ProcessingStatus.FAILED:
            return  # who was set aside before and is tried again begins anew
        yield row
