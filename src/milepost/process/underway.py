"""A run that the user's own program carries out, call by call: claimed, beating, recorded and ended like any other."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Mapping

import msgspec

from milepost.errors import Cancelled, StoreError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.logs import RunLog
from milepost.kernel.warning import warn
from milepost.kernel.workspace import Workspace
from milepost.model.redaction import redact
from milepost.model.rows import EventRow, Row, RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.process.opening import Opened, claim_run, fresh_run
from milepost.process.watching import CANCEL_REQUESTED, CANCEL_SECONDS
from milepost.store.objects import Objects
from milepost.store.protocol import Store


class RunUnderway:
    """This session's hold on a run. All that is recorded here is committed before the call returns.

    It ends with `end`, or by itself when `owner` (see `end_with`) or the program goes: completed when every expected
    stage has its result, failed when one failed, else interrupted. A killed program ends it without a word, as always.

    Example:
        >>> from milepost.testing import memory_workspace
        >>> import pathlib, tempfile
        >>> run = RunUnderway.begin("by hand", memory_workspace(pathlib.Path(tempfile.mkdtemp())))
        >>> run.end().value
        'completed'
    """

    def __init__(self, workspace: Workspace, opened: Opened) -> None:
        self.workspace = workspace
        self.expected: set[str] = set()  # the stages without whose results the run is not complete
        self.stages = {row.stage: row for row in workspace.store.rows(StageRow, run=opened.run.id)}  # newest of each
        self._opened = opened
        self._pid = os.getpid()
        self._log = RunLog(workspace.log_folder(opened.run.id), opened.epoch)
        self._looked = 0.0
        self._began: dict[str, float] = {}
        self._state: RunState | None = None

    @classmethod
    def begin(
        cls,
        process: str,
        workspace: Workspace,
        *,
        run_id: str | None = None,
        scenario: str | None = None,
        project: str | None = None,
    ) -> RunUnderway:
        """A new run of this process. `scenario`: the decisions it was asked for; `project`: of which manager."""
        fresh = fresh_run(process, run_id=run_id, scenario=scenario, project=project)
        return cls(workspace, claim_run(workspace, fresh, new=True))

    @classmethod
    def take_up(cls, run: str, workspace: Workspace) -> RunUnderway:
        """The run of this name or id, in a new session. Raises RunIsAlive, UnknownRunError."""
        return cls(workspace, claim_run(workspace, fresh_run(""), run=run))

    @property
    def run(self) -> RunRow:
        """The run as it was claimed."""
        return self._opened.run

    @property
    def id(self) -> str:
        """The run's id."""
        return self._opened.run.id

    @property
    def epoch(self) -> int:
        """Which session of the run this is, from 1."""
        return self._opened.epoch

    @property
    def is_over(self) -> bool:
        """Whether this session has ended."""
        return self._state is not None

    @property
    def store(self) -> Store:
        """The ledger, for reading; what is written goes through `record`."""
        return self.workspace.store

    @property
    def objects(self) -> Objects:
        """The objects by digest."""
        return self.workspace.objects

    def record(self, *rows: Row, durable: bool = False) -> int:
        """Commit these rows, all or none; `durable` beyond a power cut. Raises LeaseLost, StoreFull, StoreBusy."""
        return self._opened.recorder.record(*rows, durable=durable)

    def event(self, kind: str, stage: str | None = None, **facts: object) -> EventRow:
        """The row of a fact in the past tense; `facts` are JSON-able. To be given to `record`."""
        text = msgspec.json.encode(facts).decode()
        return EventRow(at=SYSTEM.now(), run=self.id, epoch=self.epoch, kind=kind, stage=stage, json=text)

    def stage(self, name: str, *others: Row, **changes: object) -> StageRow:
        """Commit a stage's changed row together with `others`, and return it. `changes` are fields of StageRow.

        Times follow from the state: `started` when it begins to run, `ended` and `seconds` when it stops.
        """
        self.record_stages({name: changes}, *others)
        return self.stages[name]

    def record_stages(self, changes: Mapping[str, Mapping[str, object]], *others: Row, durable: bool = False) -> None:
        """Commit several stages' changed rows together with `others`; see `stage`."""
        rows = {name: self._changed(name, fields, number) for number, (name, fields) in enumerate(changes.items())}
        completed = any(row.state is StageState.COMPLETED for row in rows.values())
        self.record(*rows.values(), *others, durable=durable or completed)
        self.stages.update(rows)

    def worked(self, name: str) -> float:
        """For how many seconds earlier sessions were at a stage that goes on; a killed one to its last sign of life."""
        row = self.stages[name]
        seconds = row.seconds or 0.0
        if row.ended is None and row.started is not None:
            session = self.store.get(SessionRow, run=self.id, epoch=row.epoch)
            seconds += 0.0 if session is None else max((session.ended or session.beat) - row.started, 0.0)
        return seconds

    def observe(self, name: str, **changes: object) -> None:
        """Queue a stage's changed row: how far it is, on which nothing depends."""
        row = self.stages[name] = self._changed(name, changes, 0)
        self._opened.recorder.observe(row)

    @property
    def output(self) -> RunLog:
        """While entered, what the program prints and logs is kept with the run."""
        return self._log

    def log(self, text: str, *, stage: str | None = None, level: str = "INFO") -> None:
        """One line in the run's log."""
        self._log.write_line("log", text, level=level, stage=stage)

    def check(self) -> None:
        """A safe point: raises Cancelled when `milepost cancel` asked for it. Cheap: looks twice a second."""
        now = SYSTEM.monotonic()
        if now - self._looked < CANCEL_SECONDS:
            return
        self._looked = now
        if self.store.get(EventRow, run=self.id, kind=CANCEL_REQUESTED, epoch=self.epoch) is not None:
            raise Cancelled(f"run {self.run.name} was cancelled: milepost cancel")

    def end_with(self, owner: object) -> None:
        """End when `owner` is collected, at latest when the program leaves."""
        weakref.finalize(owner, self._left)

    def end(self, state: RunState | None = None, cause: str | None = None) -> RunState:
        """Write the end of the session and the run, and let it go; a second call returns the first one's state."""
        if self._state is not None:
            return self._state
        if state is None:
            state, cause = self._verdict()
        self._state = state
        stopped = [self._stopped(row, state) for row in self.stages.values() if row.state is StageState.RUNNING]

        def commit(session: Row) -> None:
            self.record(
                *stopped,
                session,
                msgspec.structs.replace(self.run, state=state, cause=cause, ended=SYSTEM.now()),
                self.event(f"run_{state}"),
                durable=True,
            )

        try:
            self._opened.session.end(state, cause, commit)
        finally:
            self._opened.recorder.close()
        return state

    def _left(self) -> None:
        if os.getpid() != self._pid:
            return  # a forked child leaves: the run is its parent's
        try:
            self._end_as(getattr(sys, "last_value", None))
        except StoreError as error:
            warn(f"milepost: the end of run {self.run.name} could not be recorded, it reads interrupted: {error}")

    def _end_as(self, error: object) -> None:
        if self._state is not None or not isinstance(error, BaseException):
            self.end()
        elif isinstance(error, KeyboardInterrupt | Cancelled):
            self.end(RunState.CANCELLED, str(error) or "Ctrl-C")
        else:
            self.end(RunState.FAILED, redact(f"{type(error).__name__}: {error}"))

    def _verdict(self) -> tuple[RunState, str | None]:
        failed = sorted(name for name, row in self.stages.items() if row.state is StageState.FAILED and not row.parent)
        if failed:
            return RunState.FAILED, f"failed: {', '.join(failed)}"
        done = {name for name, row in self.stages.items() if row.state.has_result or row.state is StageState.SKIPPED}
        begun = {name for name, row in self.stages.items() if row.state is StageState.RUNNING}
        missing = sorted((self.expected | begun) - done)
        if missing:
            return RunState.INTERRUPTED, f"the program ended before {', '.join(missing)} was done"
        return RunState.COMPLETED, None

    def _changed(self, name: str, fields: Mapping[str, object], number: int) -> StageRow:
        known = self.stages.get(name) or StageRow(
            run=self.id,
            stage=name,
            epoch=self.epoch,
            process=self.run.process,
            state=StageState.PENDING,
            position=len(self.stages) + number,
        )
        changes = {**self._times(name, known, fields.get("state", known.state), SYSTEM.now()), **fields}
        return msgspec.structs.replace(known, seq=0, epoch=self.epoch, **changes)

    def _times(self, name: str, known: StageRow, state: object, now: float) -> dict[str, object]:
        if state is StageState.RUNNING and (known.state is not StageState.RUNNING or known.epoch != self.epoch):
            self._began[name] = SYSTEM.monotonic()
            return {"started": now, "ended": None, "seconds": None}
        if state is StageState.RUNNING or known.state is not StageState.RUNNING:
            return {}
        before = known.seconds or 0.0  # of earlier sessions, when it goes on
        return {"ended": now, "seconds": before + SYSTEM.monotonic() - self._began.pop(name, SYSTEM.monotonic())}

    def _stopped(self, row: StageRow, state: RunState) -> StageRow:
        now = SYSTEM.now()
        seconds = (row.seconds or 0.0) + SYSTEM.monotonic() - self._began.get(row.stage, SYSTEM.monotonic())
        as_stage = StageState.CANCELLED if state is RunState.CANCELLED else StageState.INTERRUPTED
        return msgspec.structs.replace(row, state=as_stage, ended=now, seconds=seconds)
