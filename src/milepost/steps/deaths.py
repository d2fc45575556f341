"""Attempts whose process died: written down by whoever looks next, each as `model/deaths.py` says it ended.

A process that is killed says nothing of what it had at hand; its notes beside the ledger do.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from milepost.errors import MilepostError, StoreError
from milepost.kernel.at_hand import Entry, LeftBehind, taken_over
from milepost.kernel.crash import cause_of_death
from milepost.kernel.sessions import is_of_this_boot
from milepost.model.deaths import REBOOT, death
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps.announcing import announce_one
from milepost.steps.ledger import Ledger, ledger_of

LOOK_SECONDS = 1.0


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
        ended = death(row, _cause(left), left.seen, rows)
        if ledger.store.write([ended], durable=True):
            announce_one(ended)


def _cause(left: LeftBehind) -> str:
    """Of a program that is no run nothing catches a crash."""
    if not is_of_this_boot(left.session):
        return REBOOT
    cause = cause_of_death(left.session, left.path)
    return "killed or crashed" if cause == "killed" else cause
