"""How a run ends: the rows that say so, beyond a power cut, before its lock is let go."""

from __future__ import annotations

import msgspec

from milepost.errors import Cancelled, LeaseLost, StageExecutionError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.signals import StopSignals
from milepost.model.redaction import redact
from milepost.model.rows import EventRow, SessionRow
from milepost.model.status import RunState, StageState
from milepost.process.board import Board
from milepost.process.opening import Opened

_STAGE = {RunState.CANCELLED: StageState.CANCELLED, RunState.FAILED: StageState.FAILED}


def end_run(opened: Opened, board: Board, error: BaseException | None, stop: StopSignals) -> RunState:
    """Write the end of the session and of the run, and return the state. `error`: what ended it, if anything."""
    state, cause = _state_of(error, stop)

    def commit(session: SessionRow) -> None:
        now = SYSTEM.now()
        opened.recorder.record(
            *board.closing(_STAGE.get(state, StageState.CANCELLED)),
            session,
            msgspec.structs.replace(opened.run, state=state, cause=cause, ended=now),
            EventRow(at=now, run=opened.run.id, epoch=opened.epoch, kind=f"run_{state}"),
            durable=True,
        )

    try:
        if isinstance(error, LeaseLost):
            opened.session.end(state, cause)  # another session owns the run now: nothing of ours is written
        else:
            opened.session.end(state, cause, commit)
    finally:
        opened.recorder.close()
    return state


def _state_of(error: BaseException | None, stop: StopSignals) -> tuple[RunState, str | None]:
    if error is None:
        return RunState.COMPLETED, None
    if isinstance(error, Cancelled | KeyboardInterrupt):
        return RunState.CANCELLED, stop.cause or "cancelled"
    if isinstance(error, StageExecutionError):
        return RunState.FAILED, str(error)
    return RunState.FAILED, redact(f"{type(error).__name__}: {error}")
