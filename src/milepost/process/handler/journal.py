"""One process's facts, written and folded: what is told is on record before the state that follows from it counts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from milepost import typed
from milepost.errors import ObjectError, ProcessManagementError
from milepost.kernel.workspace import Workspace
from milepost.model.by_hand import facts
from milepost.model.by_hand.machine import StageMachine
from milepost.model.by_hand.specs import ProcessSpec, row_name
from milepost.model.decision import DecisionPoint
from milepost.model.redaction import MASK, redact_value
from milepost.model.rows import DecisionRow, EventRow, Row, RunRow
from milepost.model.status import StageState
from milepost.process.decisions.recording import read_value
from milepost.process.finding import find_run
from milepost.process.handler.rows import item_step, positions, stage_fields, substage_fields
from milepost.process.underway import RunUnderway
from milepost.store.objects import Objects
from milepost.store.protocol import Store

INITIALIZED = "process_initialized"
PAGE = 10_000  # events read at once


class Founding(msgspec.Struct, frozen=True, kw_only=True):
    """What a process was begun with."""

    name: str
    description: str = ""
    program: str | None = None
    spec: ProcessSpec


class Journal:
    """A process under way: its machine, and the run that records it."""

    def __init__(self, underway: RunUnderway, founding: Founding) -> None:
        self.underway = underway
        self.founding = founding
        self.pid = os.getpid()  # the only one that writes, and that ends it
        self._positions = positions(founding.spec)
        self._machine: StageMachine | None = StageMachine(underway.id, founding.spec, session=underway.epoch)

    @classmethod
    def begin(
        cls,
        founding: Founding,
        workspace: Workspace,
        process_id: str,
        others: Sequence[Row] = (),
        *,
        project: str | None = None,
    ) -> Journal:
        """A new process, with all of its stages waiting."""
        underway = RunUnderway.begin(founding.name, workspace, run_id=process_id, project=project)
        journal = cls(underway, founding)
        begun = underway.event(INITIALIZED)
        begun = msgspec.structs.replace(begun, json=msgspec.json.encode(_told(founding)).decode())
        underway.record_stages(journal._all_rows(), begun, *others, durable=True)
        journal._expect()
        return journal

    @classmethod
    def take_up(cls, run: RunRow, founding: Founding, workspace: Workspace) -> Journal:
        """A process that an earlier session began; what it left running is running again."""
        underway = RunUnderway.take_up(run.id, workspace)
        try:
            journal = cls(underway, founding)
            journal._machine = journal._folded()
            on = journal._all_rows(only=StageState.RUNNING)
            underway.record_stages({name: {**row, "seconds": underway.worked(name)} for name, row in on.items()})
            journal._expect()
        except BaseException:
            underway.end()
            raise
        return journal

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child of the program that carries it out."""
        return os.getpid() != self.pid

    @property
    def machine(self) -> StageMachine:
        """The state as it is on record; read again after a record whose fate is not known."""
        if self._machine is None:
            self._machine = self._folded()
        return self._machine

    def commit(self, happened: Sequence[facts.Fact], *others: Row, durable: bool = False) -> None:
        """These facts, and what follows from them, in one commit; `durable` beyond a power cut."""
        machine, self._machine = self.machine, None  # until the commit is through
        machine.apply(happened)
        rows: list[Row] = list(others)
        changes: dict[str, dict[str, object]] = {}
        for fact in happened:
            rows.append(self._event(fact))
            step = item_step(self.underway.id, machine.stages[fact.stage], fact)
            rows += [step] if step is not None else []
            for name, fields in self._fields(machine, fact).items():
                changes.setdefault(name, {}).update(fields)
        self.underway.record_stages(changes, *rows, durable=durable)
        self._machine = machine

    def _event(self, fact: facts.Fact) -> EventRow:
        return EventRow(
            at=fact.at,
            run=self.underway.id,
            epoch=self.underway.epoch,
            kind=fact.kind,
            stage=fact.stage,
            json=fact.json,
        )

    def _fields(self, machine: StageMachine, fact: facts.Fact) -> dict[str, dict[str, object]]:
        standing = machine.stages[fact.stage]
        fields = {fact.stage: {**stage_fields(standing, fact), "position": self._positions[fact.stage]}}
        named = getattr(fact, "substage", None)
        all_of_them = isinstance(fact, facts.StageStarted | facts.StageCompleted | facts.StageFailed)
        for name in standing.spec.substages if all_of_them else (named,) if named in standing.spec.substages else ():
            row = row_name(standing.name, name)
            about_it = fact if name == named else None
            fields[row] = {
                **substage_fields(standing.name, standing.substages[name], about_it),
                "position": self._positions[row],
            }
        return fields

    def _all_rows(self, *, only: StageState | None = None) -> dict[str, dict[str, object]]:
        rows: dict[str, dict[str, object]] = {}
        for standing in self.machine.stages.values():
            if only in (None, standing.state):
                rows[standing.name] = {**stage_fields(standing), "position": self._positions[standing.name]}
            for sub in standing.declared():
                if sub.spec is not None and only in (None, sub.state):
                    row = row_name(standing.name, sub.spec.name)
                    rows[row] = {**substage_fields(standing.name, sub), "position": self._positions[row]}
        return rows

    def _expect(self) -> None:
        self.underway.expected = {name for name, stage in self.founding.spec.stages.items() if not stage.optional}

    def _folded(self) -> StageMachine:
        machine = StageMachine(self.underway.id, self.founding.spec)
        for epoch, fact in _facts(self.underway.store, self.underway.objects, self.underway.id):
            if fact.stage in machine.stages:
                machine.session = epoch
                machine.apply([fact])
        machine.session = self.underway.epoch
        return machine


def read_founding(store: Store, words: str) -> tuple[RunRow, Founding]:
    """The run that is meant, and what it was begun with. Raises UnknownRunError, ProcessManagementError."""
    run = find_run(store, words)
    founding = founding_of(store, run.id)
    if founding is None:
        raise ProcessManagementError(
            f"run {run.name} was not begun with ProcessStageHandler.initialize_process; "
            f"go on with it by  milepost resume {run.name}",
            run=run.name,
        )
    return run, founding


def founding_of(store: Store, run: str) -> Founding | None:
    """What a process carried out by hand was begun with; None for any other run."""
    event = store.get(EventRow, run=run, kind=INITIALIZED)
    return None if event is None else typed.from_json(event.json, Founding)


def _told(founding: Founding) -> dict[str, object]:
    spec = founding.spec
    stages = {name: msgspec.structs.replace(one, decisions=_plain(one.decisions)) for name, one in spec.stages.items()}
    spec = msgspec.structs.replace(spec, stages=stages, algorithm_defaults=_plain(spec.algorithm_defaults))
    told = msgspec.to_builtins(msgspec.structs.replace(founding, spec=spec))
    assert isinstance(told, dict)
    return told


def _plain(defaults: Mapping[str, object]) -> dict[str, object]:
    """Defaults as JSON holds them; secrets are left out."""
    plain: dict[str, object] = {}
    for name, value in defaults.items():
        shown, _ = redact_value(name, value)
        if isinstance(shown, dict):
            plain[name] = {key: one for key, one in shown.items() if one != MASK}
        elif shown != MASK:
            plain[name] = shown
    return plain


def _facts(store: Store, objects: Objects, run: str) -> Iterator[tuple[int, facts.Fact]]:
    decided = {(row.stage, row.name): row for row in store.rows(DecisionRow, run=run)}
    after = 0
    while page := store.rows(EventRow, run=run, after=after, limit=PAGE):
        for row in page:
            fact = facts.fact_of(row.kind, row.stage, row.at, row.json)
            if fact is not None:
                yield row.epoch, _remembered(fact, decided, objects)
        after = page[-1].seq


def _remembered(fact: facts.Fact, decided: dict[tuple[str, str], DecisionRow], objects: Objects) -> facts.Fact:
    """The fact with what is kept elsewhere: the value of a decision, a result."""
    if isinstance(fact, facts.DecisionRecorded):
        row = decided.get((fact.stage, fact.decision))
        return fact if row is None else msgspec.structs.replace(fact, value=_decision(row, objects))
    if isinstance(fact, facts.Ended) and (fact.packed or fact.address):
        try:
            return msgspec.structs.replace(fact, result=objects.unpack(fact.packed, fact.address))
        except ObjectError as error:
            return msgspec.structs.replace(fact, unstored=str(error))
    return fact


def _decision(row: DecisionRow, objects: Objects) -> object:
    if row.is_redacted:
        return msgspec.json.decode(row.value)
    return read_value(DecisionPoint(stage=row.stage, name=row.name), row, objects)
