"""A manager's hold on its run: begun when the first thing is recorded, or taken from a stage handler."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from milepost.errors import Cancelled, ProcessManagementError
from milepost.executors.faults import error_text
from milepost.kernel import host
from milepost.kernel.clock import SYSTEM
from milepost.kernel.user import user_name
from milepost.kernel.workspace import Workspace
from milepost.model.decision import Choice
from milepost.model.fingerprint.values import digest
from milepost.model.redaction import redact, register_secrets_in
from milepost.model.rows import DecisionRow, Row
from milepost.model.status import RunState
from milepost.process.decisions.recording import decision_row, note_text
from milepost.process.manager.deciding import Decided, DecisionPoints
from milepost.process.manager.naming import StageId
from milepost.process.underway import RunUnderway

Named = tuple[StageId, str]


class RunHold:
    """The run that a manager records in, and which decisions its rows say already."""

    def __init__(self, process: str, workspace: Workspace | str | Path | None) -> None:
        self.process = process
        self.underway: RunUnderway | None = None
        self._workspace = workspace
        self._is_own = False
        self._recorded: dict[Named, str] = {}
        self._scenario: str | None = None
        self._pid = os.getpid()

    @property
    def workspace(self) -> Workspace:
        """Where it is recorded; made when it is first needed."""
        if not isinstance(self._workspace, Workspace):
            self._workspace = Workspace.open(self._workspace)
        return self._workspace

    def now(self, owner: object) -> RunUnderway:
        """The run, begun if there is none. It ends with `owner`."""
        self.refuse_child()
        if self.underway is None or self.underway.is_over:
            self.underway, self._is_own = self._begun(), True
            self.underway.end_with(owner)
            self._recorded = {}
        return self.underway

    def refuse_child(self) -> None:
        """ProcessManagementError in a forked child; what has begun nothing belongs to whoever uses it first."""
        if os.getpid() == self._pid:
            return
        if self.underway is not None and not self.underway.is_over:
            raise ProcessManagementError(
                f"this manager works in process {self._pid}, and {os.getpid()} was forked from it: "
                "make decisions and ask for stages there, and give the results to the workers"
            )
        self._pid = os.getpid()

    def _begun(self) -> RunUnderway:
        return RunUnderway.begin(self.process, self.workspace, scenario=self._scenario)

    def attach(self, underway: RunUnderway) -> None:
        """Record in this run from now on; one that was begun here has ended."""
        self.end()
        self.underway, self._is_own = underway, False
        self._workspace = underway.workspace
        self._recorded = {}

    def end(self, error: BaseException | None = None) -> None:
        """End a run that was begun here; as failed or cancelled with the error that ended the program's part."""
        if not self._is_own or self.underway is None or os.getpid() != self._pid:
            return
        if error is None:
            self.underway.end()
        elif isinstance(error, KeyboardInterrupt | Cancelled):
            self.underway.end(RunState.CANCELLED, str(error) or "Ctrl-C")
        else:
            self.underway.end(RunState.FAILED, redact(error_text(error)))

    @contextmanager
    def aside(self, scenario: str) -> Iterator[None]:
        """While entered, what is recorded belongs to a run of its own, of this scenario."""
        before = self.underway, self._is_own, self._recorded
        self.underway, self._is_own, self._recorded = None, True, {}
        self._scenario = scenario
        try:
            yield
        finally:
            self._scenario = None
            self.end()
            self.underway, self._is_own, self._recorded = before

    def took_over(self, points: DecisionPoints, decided: Decided) -> None:
        """The run's rows say this already."""
        self._recorded = {named: _mark(value) for named, value in _flat(points, decided).items()}

    def decision_rows(
        self,
        run: RunUnderway,
        points: DecisionPoints,
        decided: Decided,
        *,
        given: Mapping[Named, str] | None = None,
        note: str | None = None,
    ) -> list[Row]:
        """The rows that make the run say what is decided. `given`: choices of now and their source, recorded always."""
        rows: list[Row] = []
        given, said = given or {}, note_text(note)
        values = _flat(points, decided)
        for (stage, name), value in values.items():
            is_given = (stage, name) in given
            if not is_given and self._recorded.get((stage, name)) == _mark(value):
                continue
            is_chosen = name in decided.chosen.get(stage, {})
            choice = Choice(
                point=points.point(stage, name),
                value=value,
                source=given.get((stage, name), "chosen" if is_chosen else "default"),
                note=said if is_given else None,
            )
            register_secrets_in(name, value)
            rows.append(decision_row(run.id, choice, run.objects))
        rows += [_removed(run.id, points, named) for named in self._recorded if named not in values]
        return rows

    def record_decisions(self, run: RunUnderway, rows: list[Row], points: DecisionPoints, decided: Decided) -> None:
        """Commit these rows: on return they are decided, whatever happens."""
        if rows:
            run.record(*rows, durable=True)
        self.took_over(points, decided)


def _flat(points: DecisionPoints, decided: Decided) -> dict[Named, object]:
    return {
        (stage, name): value for stage, values in points.effective(decided).items() for name, value in values.items()
    }


def _mark(value: object) -> str:
    return digest(value).hex()


def _removed(run: str, points: DecisionPoints, named: Named) -> DecisionRow:
    stage, name = named
    return DecisionRow(
        run=run,
        stage=points.names.text_of(stage),
        name=name,
        value="null",
        source="removed",
        who=user_name(),
        host=host.host(),
        at=SYSTEM.now(),
    )
