"""From a process and its decisions to a run that this session owns."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping

import msgspec

from milepost.errors import InvalidDataError
from milepost.kernel import host
from milepost.kernel.clock import SYSTEM
from milepost.kernel.crash import cause_of_death
from milepost.kernel.lock import RunLock, try_acquire
from milepost.kernel.recorder import Recorder
from milepost.kernel.sessions import Session, new_session
from milepost.kernel.ticker import TICKER
from milepost.kernel.user import user_name
from milepost.kernel.workspace import Workspace
from milepost.model.decision import Choice
from milepost.model.files import File
from milepost.model.fingerprint.values import digest, preview
from milepost.model.names import name_for
from milepost.model.redaction import redact, redact_value
from milepost.model.rows import DecisionRow, EventRow, Row, RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.process.definition import Process
from milepost.process.finding import find_run
from milepost.store.protocol import Claim, Fence, Store, Wish

Choices = Mapping[str, Mapping[str, Choice]]
REDACTED = "redacted"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A run claimed by this session: what writes it, and the state it was found in."""

    run: RunRow
    found: RunRow | None
    session: Session
    recorder: Recorder

    @property
    def epoch(self) -> int:
        """Which session of the run this is, from 1."""
        return self.run.epoch


def open_run(process: Process, choices: Choices, workspace: Workspace, *, run: str | None, new: bool) -> Opened:
    """Claim the run to continue, or a new one. Raises RunIsAlive, UnknownRunError, UnkeyableError."""
    locks: dict[str, RunLock] = {}

    def try_lock(run_id: str) -> bool:
        lock = try_acquire(workspace.lock_path(run_id))
        if lock is not None:
            locks[run_id] = lock
        return lock is not None

    try:
        claim = workspace.store.claim(_wish(process, choices, workspace.store, run, new), try_lock)
    except BaseException:
        for lock in locks.values():
            lock.release()
        raise
    recorder = Recorder(
        workspace.store,
        Fence(claim.run.id, claim.run.epoch),
        wait_seconds=workspace.config.store_wait_seconds,
        ticker=TICKER,
    )
    session = Session(
        claim.session,
        workspace.run_folder(claim.run.id),
        write=recorder.observe,
        lock=locks.get(claim.run.id),
    )
    recorder.record(*_first_rows(claim, choices, workspace), durable=True)
    session.begin()
    return Opened(run=claim.run, found=claim.found, session=session, recorder=recorder)


def decisions_hash(process: Process, choices: Choices) -> str:
    """What tells one set of decisions of a process from another."""
    values = {choice.point.path: digest(choice.value) for stage in choices.values() for choice in stage.values()}
    return digest({"process": process.name, "decisions": values}).hex()


def recorded_decisions(store: Store, run: RunRow, process: Process) -> dict[str, object]:
    """The decisions of a run as they were recorded, for those decision points that still exist.

    One whose decision point is gone is given on, so that settling it says so. Raises InvalidDataError for one that was
    chosen and whose value was not kept: its default would be another choice.
    """
    current = {(row.stage, row.name): row for row in store.rows(DecisionRow, run=run.id)}
    points = process.points
    decisions: dict[str, object] = {}
    for (stage, name), row in current.items():
        exists = name in points.get(stage, {})
        if row.source == "default" and (not exists or row.note == REDACTED):
            continue  # its default stands
        if row.note == REDACTED:
            raise InvalidDataError(
                f"run {run.name}: the value chosen for {stage}.{name} is not kept, as it is secret or no JSON; start "
                "it as before, with that value, and it goes on where it was",
                run=run.name,
                decision=f"{stage}.{name}",
            )
        decisions[f"{stage}.{name}"] = msgspec.json.decode(row.value)
    return decisions


def _wish(process: Process, choices: Choices, store: Store, run: str | None, new: bool) -> Wish:
    run_id = secrets.token_hex(8)
    fresh = RunRow(
        id=run_id,
        name=name_for(run_id),
        process=process.name,
        decisions_hash=decisions_hash(process, choices),
        target=process.target,
        cwd=os.getcwd(),
        created=SYSTEM.now(),
    )
    wanted = None if run is None else find_run(store, run).id
    return Wish(fresh=fresh, session=new_session(), run=wanted, never_continue=new)


def _first_rows(claim: Claim, choices: Choices, workspace: Workspace) -> Iterator[Row]:
    now = SYSTEM.now()
    if claim.found is None:
        yield from (_decision_row(claim.run.id, choice, now) for stage in choices.values() for choice in stage.values())
        yield _event(claim, "run_started", now)
        return
    yield _event(claim, "run_continued", now, found=str(claim.found.state))
    for row in workspace.store.rows(StageRow, run=claim.run.id, state=StageState.RUNNING):
        yield msgspec.structs.replace(row, state=StageState.INTERRUPTED)
    for session in workspace.store.rows(SessionRow, run=claim.run.id, end=RunState.INTERRUPTED):
        if session.cause is None and session.epoch < claim.run.epoch:
            cause = cause_of_death(session, workspace.lock_path(claim.run.id))
            yield msgspec.structs.replace(session, cause=cause)


def _event(claim: Claim, kind: str, now: float, **facts: str) -> EventRow:
    text = msgspec.json.encode(facts).decode()
    return EventRow(at=now, run=claim.run.id, epoch=claim.run.epoch, kind=kind, json=text)


def _decision_row(run: str, choice: Choice, now: float) -> DecisionRow:
    shown, was_redacted = redact_value(choice.point.name, choice.value)
    try:
        value, note = msgspec.json.encode(shown, enc_hook=_as_json).decode(), REDACTED if was_redacted else None
    except (TypeError, ValueError, OverflowError):
        value, note = msgspec.json.encode(redact(preview(choice.value))).decode(), REDACTED
    return DecisionRow(
        run=run,
        stage=choice.point.stage,
        name=choice.point.name,
        value=value,
        source=choice.source,
        who=user_name(),
        host=host.host(),
        at=now,
        note=note,
    )


def _as_json(value: object) -> object:
    if isinstance(value, File):
        return str(value)
    raise TypeError
