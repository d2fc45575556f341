"""How a session of a loop begins and ends: which run it takes, what dead sessions left, what its end is called."""

from __future__ import annotations

from typing import NamedTuple

from milepost.errors import Cancelled
from milepost.kernel.signals import StopSignals
from milepost.kernel.workspace import Workspace
from milepost.model.redaction import redact
from milepost.model.rows import EventRow, SessionRow, StepRow
from milepost.model.status import RunState
from milepost.process.loops.deaths import lost_attempts
from milepost.process.loops.flight import forget
from milepost.process.loops.program import LOOP, RETRY_REQUESTED, program_event, wanted_again
from milepost.process.loops.step import ends_the_program
from milepost.process.opening import Opened, claim_run, fresh_run
from milepost.process.underway import RunUnderway
from milepost.steps.telling import error_text


class Claimed(NamedTuple):
    """A run that this session has. `retries_all`: also what was set aside is to be tried again."""

    opened: Opened
    retries_all: bool


def claim_loop(workspace: Workspace, process: str, *, new: bool) -> Claimed:
    """The run that `milepost retry` wants again, else the newest that stopped, else a new one. Raises RunIsAlive."""
    store = workspace.store
    again = None if new else wanted_again(store, process)
    opened = claim_run(
        workspace, fresh_run(process, decisions_hash=LOOP), run=None if again is None else again.id, new=new
    )
    found = opened.found
    asked = found and store.get(EventRow, run=found.id, kind=RETRY_REQUESTED, epoch=found.epoch)
    return Claimed(opened, retries_all=asked is not None)


def take_over(underway: RunUnderway) -> list[StepRow]:
    """Record this program, and what the run's dead sessions had at hand; those rows."""
    folder = underway.workspace.run_folder(underway.id)
    dead = [row for row in underway.store.rows(SessionRow, run=underway.id) if row.epoch < underway.epoch]
    lost = [row for session in dead for row in lost_attempts(underway.store, folder, session)]
    underway.record(program_event(underway), *lost)
    for session in dead:
        forget(folder, session.epoch)
    return lost


def verdict(error: BaseException | None, stop: StopSignals) -> tuple[RunState | None, str | None]:
    """What a run ends as when its block is left with `error`, and why; None: as its stages say."""
    if error is None or isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code):
        return None, None
    if isinstance(error, SystemExit):
        return RunState.FAILED, redact(f"the program left with exit code {error.code}")
    if not ends_the_program(error):
        return RunState.FAILED, error_text(error)
    cause = stop.cause or ("Ctrl-C" if isinstance(error, KeyboardInterrupt) else redact(str(error)))
    return RunState.CANCELLED, cause or ("cancelled" if isinstance(error, Cancelled) else type(error).__name__)
