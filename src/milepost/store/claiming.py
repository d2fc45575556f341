"""Which run a session continues: the rule of `Store.claim`, the same for every store."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from milepost.errors import LeaseLost, RunIsAlive, UnknownRunError
from milepost.model.rows import Row, RunRow, SessionRow
from milepost.model.status import RunState
from milepost.store.protocol import Claim, Fence, Wish


class Ledger(msgspec.Struct, frozen=True):
    """What the rule asks of the store inside its transaction."""

    run_by_id: Callable[[str], RunRow | None]
    newest_run: Callable[[str, str], RunRow | None]  # of (process, decisions hash)
    is_name_taken: Callable[[str], bool]
    sessions: Callable[[str], list[SessionRow]]  # of a run, oldest first


def decide(wish: Wish, ledger: Ledger, try_lock: Callable[[str], bool]) -> tuple[Claim, list[Row]]:
    """The claim, and the rows to write for it; RunIsAlive and UnknownRunError when there is none."""
    found = _found(wish, ledger)
    if found is None:
        return _begin(wish, ledger, try_lock)
    return _continue(wish, found, ledger.sessions(found.id), try_lock)


def check_fence(fence: Fence, epoch: int | None) -> None:
    """LeaseLost unless the run still has the epoch of who writes."""
    if epoch is None:
        raise LeaseLost(f"run {fence.run} is no longer in the ledger: nothing was written", run=fence.run)
    if epoch != fence.epoch:
        raise LeaseLost(
            f"run {fence.run} was taken over by another session (epoch {epoch}, ours was {fence.epoch}): "
            "nothing was written",
            run=fence.run,
            epoch=epoch,
        )


def _found(wish: Wish, ledger: Ledger) -> RunRow | None:
    if wish.run is not None:
        run = ledger.run_by_id(wish.run)
        if run is None:
            raise UnknownRunError(f"there is no run {wish.run!r}: `milepost ls` shows those there are", run=wish.run)
        return run
    if wish.never_continue:
        return None
    newest = ledger.newest_run(wish.fresh.process, wish.fresh.decisions_hash)
    if newest is None or not (newest.state.can_continue or newest.state.is_active):
        return None
    return newest


def _begin(wish: Wish, ledger: Ledger, try_lock: Callable[[str], bool]) -> tuple[Claim, list[Row]]:
    run = msgspec.structs.replace(wish.fresh, name=_free_name(wish.fresh.name, ledger.is_name_taken))
    session = msgspec.structs.replace(wish.session, run=run.id, epoch=run.epoch)
    if not try_lock(run.id):
        raise _alive(run, [], is_asked_for=True)
    return Claim(run=run, session=session, found=None), [run, session]


def _continue(
    wish: Wish, found: RunRow, sessions: list[SessionRow], try_lock: Callable[[str], bool]
) -> tuple[Claim, list[Row]]:
    if not try_lock(found.id):
        raise _alive(found, sessions, is_asked_for=wish.run is not None)
    run = msgspec.structs.replace(found, state=RunState.RUNNING, cause=None, ended=None, epoch=found.epoch + 1)
    session = msgspec.structs.replace(wish.session, run=run.id, epoch=run.epoch)
    buried = [
        msgspec.structs.replace(dead, ended=dead.beat, end=RunState.INTERRUPTED)
        for dead in sessions
        if dead.end is None
    ]
    return Claim(run=run, session=session, found=found), [*buried, run, session]


def _free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    free, number = name, 1
    while is_taken(free):
        number += 1
        free = f"{name}-{number}"
    return free


def _alive(run: RunRow, sessions: list[SessionRow], *, is_asked_for: bool) -> RunIsAlive:
    if not sessions:
        return RunIsAlive(
            f"run {run.name!r} is being started by another session",
            run=run.id,
            host=None,
            pid=None,
            started=None,
        )
    owner = sessions[-1]
    another = "" if is_asked_for else "; new=True, on the command line --new, begins another"
    return RunIsAlive(
        f"run {run.name!r} is being carried out by process {owner.pid} on {owner.host}: "
        f"`milepost watch {run.name}` follows it, `milepost cancel {run.name}` stops it{another}",
        run=run.id,
        host=owner.host,
        pid=owner.pid,
        started=owner.started,
    )
