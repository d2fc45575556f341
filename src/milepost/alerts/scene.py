"""What one look at the ledger sees: the runs that are not over well, as they really are, and what works in them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import msgspec

from milepost.kernel.alive import Seen, look, working_seconds
from milepost.model.rows import RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.store.protocol import Store

# Written down as at work, or as interrupted by whom could still say so; who looks says which of them are dead.
UNFINISHED = (RunState.PENDING, RunState.RUNNING, RunState.PAUSED, RunState.STALLED, RunState.INTERRUPTED)


class RunSeen(msgspec.Struct, frozen=True):
    """A run with its newest session, as it is now."""

    run: RunRow
    session: SessionRow | None
    seen: Seen
    earlier_deaths: tuple[str, ...] = ()  # of the sessions right before, the latest last: why each was interrupted

    @property
    def last_sign(self) -> float:
        """When it was last heard of, UTC epoch seconds."""
        return self.run.created if self.session is None else self.session.beat


class Scene:
    """The ledger at one moment; each part of it is read when a rule first asks. Times are as in `look`."""

    def __init__(self, store: Store, lock_folder: Path, *, now: float, at: float) -> None:
        self.store = store
        self.now = now  # UTC epoch seconds
        self.at = at  # monotonic seconds
        self._lock_folder = lock_folder

    @cached_property
    def unfinished(self) -> list[RunSeen]:
        """Runs that are at work or dead, the oldest first."""
        return self._seen(self.store.rows(RunRow, state=UNFINISHED))

    @cached_property
    def failed(self) -> list[RunSeen]:
        """Runs that failed, the oldest first."""
        rows = self.store.rows(RunRow, state=RunState.FAILED)
        return [RunSeen(run, None, Seen(run.state, run.cause, run.ended)) for run in rows]

    @property
    def active(self) -> list[RunSeen]:
        """Runs that a session carries out, or should."""
        return [seen for seen in self.unfinished if seen.seen.state.is_active]

    @cached_property
    def stages(self) -> dict[str, list[StageRow]]:
        """What works now, by run id: the stages of the newest session that are running."""
        epochs = {seen.run.id: seen.run.epoch for seen in self.active}
        found: dict[str, list[StageRow]] = {run: [] for run in epochs}
        for row in self.store.rows(StageRow, run=list(epochs)) if epochs else ():
            if row.state is StageState.RUNNING and row.epoch == epochs[row.run]:
                found[row.run].append(row)
        return found

    def is_newest(self, run: RunRow) -> bool:
        """Whether no later run of the same process with the same decisions was begun."""
        newest = self.store.get(RunRow, process=run.process, decisions_hash=run.decisions_hash)
        return newest is None or newest.id == run.id

    def worked_seconds(self, seen: RunSeen) -> float:
        """How long a run has been worked on, over all of its sessions."""
        rows = self.store.rows(SessionRow, run=seen.run.id)
        return sum(working_seconds(row, seen.seen, self.now, is_last=row.epoch == seen.run.epoch) for row in rows)

    def _seen(self, runs: list[RunRow]) -> list[RunSeen]:
        sessions: dict[str, list[SessionRow]] = {}
        ids = [run.id for run in runs]
        for start in range(0, len(ids), 500):
            for row in self.store.rows(SessionRow, run=ids[start : start + 500]):
                sessions.setdefault(row.run, []).append(row)
        return [self._certain(run, sorted(sessions.get(run.id, ()), key=lambda row: row.epoch)) for run in runs]

    def _certain(self, run: RunRow, sessions: list[SessionRow]) -> RunSeen:
        """A run as it is. One that ends while it is looked at has said so before it lets go of its lock: its row is
        read again when it seems dead.
        """
        while True:
            newest = sessions[-1] if sessions else None
            seen = look(run, newest, self._lock_folder, self.now)
            if seen.state is not RunState.INTERRUPTED:
                return RunSeen(run, newest, seen)
            again = self.store.get(RunRow, id=run.id) or run
            if again == run:
                return RunSeen(run, newest, seen, _deaths(sessions[:-1]))
            run = again
            sessions = sorted(self.store.rows(SessionRow, run=run.id), key=lambda row: row.epoch)


def _deaths(sessions: list[SessionRow]) -> tuple[str, ...]:
    """Why each of the last sessions was interrupted, back to one that was not."""
    found: list[str] = []
    for session in reversed(sessions):
        if session.end is not RunState.INTERRUPTED:
            break
        found.append(session.cause or "no cause known")
    return tuple(found[::-1])
