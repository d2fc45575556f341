"""A workspace with runs in any state, watched with time in the test's hands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from milepost.alerts import AlertSettings, Watcher, read_settings
from milepost.alerts.channels import Channel
from milepost.alerts.courier import Courier
from milepost.kernel.lock import try_acquire
from milepost.kernel.sessions import new_session
from milepost.model.rows import EventRow, Row, RunRow, SessionRow, StageRow, StepRow
from milepost.model.status import ProcessingStatus, StageState
from milepost.testing import FakeClock, memory_workspace


class Post(Channel, frozen=True, kw_only=True, tag="post"):
    """Keeps what it is sent."""

    sent: list[Any] = []

    def send(self, notice: Any) -> None:
        self.sent.append(notice)


class Place:
    """A workspace in memory with runs as their sessions would have left them."""

    def __init__(self, folder: Path) -> None:
        self.workspace = memory_workspace(folder)
        self.clock = FakeClock()
        self.warnings: list[str] = []
        self.post = Post(name="post", sent=[])
        self._locks: dict[str, Any] = {}

    @property
    def store(self) -> Any:
        return self.workspace.store

    def write(self, *rows: Row) -> None:
        self.store.write(rows)

    def run(self, name: str, *, alive: bool = True, process: str = "sales", hash_: str | None = None) -> RunRow:
        """A run at work, by a session of this test; `alive`: it holds its lock."""
        now = self.clock.now()
        run = RunRow(id=f"id-{name}", name=name, process=process, decisions_hash=hash_ or name, created=now)
        session = msgspec.structs.replace(new_session(self.clock), run=run.id, epoch=1)
        self.write(run, session)
        if alive:
            self._locks[name] = try_acquire(self.workspace.lock_path(run.id))
        return run

    def beat(self, run: RunRow) -> None:
        session = self.store.get(SessionRow, run=run.id)
        self.write(msgspec.structs.replace(session, beat=self.clock.now()))

    def kill(self, run: RunRow) -> None:
        self._locks.pop(run.name).release()

    def resume(self, run: RunRow) -> None:
        session = msgspec.structs.replace(new_session(self.clock), run=run.id, epoch=run.epoch + 1)
        self._locks[run.name] = try_acquire(self.workspace.lock_path(run.id))
        self.write(msgspec.structs.replace(run, epoch=run.epoch + 1), session)

    def stage(self, run: RunRow, name: str = "score", **fields: Any) -> None:
        given = {"epoch": 1, "process": run.process, "state": StageState.RUNNING, "started": self.clock.now(), **fields}
        self.write(StageRow(run=run.id, stage=name, **given))

    def steps(self, run: RunRow, status: ProcessingStatus, count: int, begin: int = 0) -> None:
        at = self.clock.now()
        self.write(*[
            StepRow(run=run.id, step="score", item=f"{status}-{begin + n}", status=status, at=at) for n in range(count)
        ])  # fmt: skip

    def watcher(self, settings: AlertSettings | None = None, **more: Any) -> Watcher:
        courier = Courier(self.warnings.append, pauses=(0.0, 0.0))
        given = settings or read_settings({})
        told = AlertSettings(
            rules=tuple(msgspec.structs.replace(rule, channels=("post",)) for rule in given.rules),
            channels={"post": self.post},
        )
        return Watcher(
            self.workspace, told, clock=self.clock, warn=self.warnings.append, courier=courier, **more
        )  # fmt: skip

    def kinds(self) -> list[str]:
        return [row.kind for row in self.store.rows(EventRow, run="")]

    def close(self) -> None:
        for lock in self._locks.values():
            lock.release()


def rules(**given: dict[str, Any]) -> AlertSettings:
    return read_settings({"rule": given})


def look(watcher: Watcher) -> list[tuple[str, str, str]]:
    return [(change.rule, change.subject, change.state.value) for change in watcher.look()]
