"""From a process and its decisions to a run that this session owns."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping

import msgspec

from milepost.kernel.alive import last_sign
from milepost.kernel.clock import SYSTEM
from milepost.kernel.crash import cause_of_death
from milepost.kernel.in_place import InPlace
from milepost.kernel.lock import RunLock, try_acquire
from milepost.kernel.recorder import Recorder
from milepost.kernel.sessions import Session, new_session
from milepost.kernel.ticker import TICKER
from milepost.kernel.workspace import Workspace
from milepost.model.decision import Choice
from milepost.model.fingerprint.values import digest
from milepost.model.names import name_for
from milepost.model.rows import DecisionRow, EventRow, Row, RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.process.decisions.recording import decision_row
from milepost.process.definition import Process
from milepost.process.finding import find_run
from milepost.store.protocol import Claim, Fence, Wish

Choices = Mapping[str, Mapping[str, Choice]]


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


def open_run(
    process: Process,
    choices: Choices,
    workspace: Workspace,
    *,
    run: str | None,
    new: bool,
    scenario: str | None = None,
) -> Opened:
    """Claim the run to continue, or a new one. Raises RunIsAlive, UnknownRunError, UnkeyableError."""
    fresh = fresh_run(
        process.name, decisions_hash=decisions_hash(process, choices), target=process.target, scenario=scenario
    )

    def decisions(run_id: str) -> list[Row]:
        each = (choice for stage in choices.values() for choice in stage.values())
        return [decision_row(run_id, choice, workspace.objects) for choice in each]

    return claim_run(workspace, fresh, run=run, new=new, decisions=decisions)


def fresh_run(
    process: str,
    *,
    run_id: str | None = None,
    decisions_hash: str = "",
    target: str | None = None,
    scenario: str | None = None,
    project: str | None = None,
) -> RunRow:
    """The row of a run that begins now."""
    run_id = run_id or secrets.token_hex(8)
    return RunRow(
        id=run_id,
        name=name_for(run_id),
        process=process,
        decisions_hash=decisions_hash,
        target=target,
        cwd=os.getcwd(),
        created=SYSTEM.now(),
        scenario=scenario,
        project=project,
    )


def _undecided(run: str) -> list[Row]:
    return []


def claim_run(
    workspace: Workspace,
    fresh: RunRow,
    *,
    run: str | None = None,
    new: bool = False,
    decisions: Callable[[str], list[Row]] = _undecided,
) -> Opened:
    """Claim `run` (a name or id), else the newest like `fresh` that can be continued, else `fresh`; begin its session.

    `decisions(run_id)` are recorded with the first rows of a run that has none yet; later those that bear a note. The
    scenario of `fresh` is the run's from now on. Raises RunIsAlive, UnknownRunError.
    """
    locks: dict[str, RunLock] = {}

    def try_lock(run_id: str) -> bool:
        lock = try_acquire(workspace.lock_path(run_id))
        if lock is not None:
            locks[run_id] = lock
        return lock is not None

    try:
        wanted = None if run is None else find_run(workspace.store, run).id
        wish = Wish(fresh=fresh, session=new_session(), run=wanted, never_continue=new)
        claim = workspace.store.claim(wish, try_lock)
    except BaseException:
        for lock in locks.values():
            lock.release()
        raise
    recorder = Recorder(
        workspace.store,
        Fence(claim.run.id, claim.run.epoch),
        wait_seconds=workspace.config.store_wait_seconds,
        ticker=TICKER,
        file=InPlace(workspace.ledger_file, "Start the run again: it goes on from what is there"),
    )
    session = Session(
        claim.session,
        workspace.run_folder(claim.run.id),
        write=recorder.observe,
        lock=locks.get(claim.run.id),
    )
    is_decided = claim.found is not None and workspace.store.get(DecisionRow, run=claim.run.id) is not None
    chosen = decisions(claim.run.id)
    if is_decided:
        chosen = [row for row in chosen if isinstance(row, DecisionRow) and row.note is not None]
    labelled = claim.run
    if fresh.scenario is not None and fresh.scenario != labelled.scenario:
        labelled = msgspec.structs.replace(labelled, scenario=fresh.scenario)
        chosen.append(labelled)
    recorder.record(*_first_rows(claim, workspace), *chosen, durable=True)
    session.begin()
    return Opened(run=labelled, found=claim.found, session=session, recorder=recorder)


def decisions_hash(process: Process, choices: Choices) -> str:
    """What tells one set of decisions of a process from another."""
    values = {choice.point.path: digest(choice.value) for stage in choices.values() for choice in stage.values()}
    return digest({"process": process.name, "decisions": values}).hex()


def _first_rows(claim: Claim, workspace: Workspace) -> Iterator[Row]:
    now = SYSTEM.now()
    if claim.found is None:
        yield _event(claim, "run_started", now)
        return
    yield _event(claim, "run_continued", now, found=str(claim.found.state))
    for row in workspace.store.rows(StageRow, run=claim.run.id, state=StageState.RUNNING):
        yield msgspec.structs.replace(row, state=StageState.INTERRUPTED)
    for session in workspace.store.rows(SessionRow, run=claim.run.id, end=RunState.INTERRUPTED):
        if session.cause is None and session.epoch < claim.run.epoch:
            cause = cause_of_death(session, workspace.lock_path(claim.run.id))
            ended = last_sign(session, workspace.path / "runs", workspace.store)
            yield msgspec.structs.replace(session, cause=cause, ended=ended)


def _event(claim: Claim, kind: str, now: float, **facts: str) -> EventRow:
    text = msgspec.json.encode(facts).decode()
    return EventRow(at=now, run=claim.run.id, epoch=claim.run.epoch, kind=kind, json=text)
