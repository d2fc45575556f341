"""How the program of a loop was started, so that `milepost retry` can start it again, and what it is to try again."""

from __future__ import annotations

import os
import sys

import msgspec

from milepost import typed
from milepost.model.redaction import redact
from milepost.model.rows import EventRow, RunRow
from milepost.process.underway import RunUnderway
from milepost.store.protocol import Store

LOOP = "loop"  # in place of the hash of decisions: a loop takes none
PROGRAM_STARTED = "program_started"
RETRY_REQUESTED = "retry_requested"
LOOKED_AT = 20  # runs of one name


class Program(msgspec.Struct, frozen=True):
    """A command line and the folder it was given in; no words where it cannot be given again."""

    words: tuple[str, ...] = ()
    cwd: str = ""
    path: str | None = None


def program_event(underway: RunUnderway) -> EventRow:
    """The fact that this program carries the run out."""
    program = _this_program()
    return underway.event(PROGRAM_STARTED, words=program.words, cwd=program.cwd, path=program.path)


def program_of(store: Store, run: RunRow) -> Program | None:
    """What carried a loop's run out last; None for a run that is no loop's."""
    event = store.get(EventRow, run=run.id, kind=PROGRAM_STARTED)
    return None if event is None else typed.from_json(event.json, Program)


def wanted_again(store: Store, process: str) -> RunRow | None:
    """The newest run of this name that is over and of which `milepost retry` wants the failed items tried again."""
    for run in store.rows(RunRow, process=process, decisions_hash=LOOP, newest=True, limit=LOOKED_AT):
        if store.get(EventRow, run=run.id, kind=RETRY_REQUESTED, epoch=run.epoch) is not None:
            return run
    return None


def _this_program() -> Program:
    """The command line, unless there is no program file, or a secret stands in it."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    words = (sys.executable, *sys.orig_argv[1:])
    can_be_repeated = path is not None and all(redact(word) == word for word in words)
    return Program(
        words=words if can_be_repeated else (), cwd=os.getcwd(), path=os.path.abspath(path) if path else None
    )
