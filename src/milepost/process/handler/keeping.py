"""What every call of a handler has in common: who may call, in which process, and that it is recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn, Protocol

import msgspec

from milepost.errors import DefinitionError, ProcessManagementError, UnkeyableError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.workspace import Workspace
from milepost.model.by_hand import facts
from milepost.model.by_hand.machine import StageMachine
from milepost.model.by_hand.specs import ProcessSpec, read_config
from milepost.model.by_hand.stage_standing import StageStanding
from milepost.model.redaction import redact, redact_value
from milepost.model.rows import Row
from milepost.model.shortening import encodable, shortened
from milepost.process.handler.journal import Journal
from milepost.process.underway import RunUnderway
from milepost.store.objects import Objects

StageName = str | int  # a stage is meant by its name or by its sequence number
StageDict = dict[str, object]


class DecisionKeeper(Protocol):
    """What a handler asks of its process manager."""

    @property
    def project_name(self) -> str:
        """Under which its scenarios are kept."""

    @property
    def underway(self) -> RunUnderway | None:
        """The run that it records in; another one since it was attached to another."""

    def _workspace_now(self) -> Workspace:
        """Where it records. Raises ProcessManagementError in a forked child when it has begun to."""

    def attach(self, underway: RunUnderway, *, load: bool = False) -> None:
        """Record in this run from now on; `load`: take up its decisions."""

    def register_stages(self, config: Mapping[str, object]) -> None:
        """Know the stages and decisions of a CONFIG."""

    def record_decisions(
        self, stage: StageName, values: Mapping[str, object], *, note: str | None = None, source: str = "chosen"
    ) -> None:
        """Record decisions of a stage."""

    def set_result(self, stage: StageName, result: object, *, made: float | None = None) -> None:
        """This is the stage's result; `made`: when it was."""

    def drop_result(self, stage: StageName) -> None:
        """The stage has no result any more."""


class Keeping:
    """The hold on one process: its configuration, its journal, one call at a time."""

    def __init__(
        self,
        process_manager: DecisionKeeper | None = None,
        config: Mapping[str, object] | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> None:
        if config is not None and not isinstance(config, Mapping):
            raise DefinitionError(f"a CONFIG is a mapping with 'stages', not {type(config).__name__}")
        self.process_manager = process_manager
        self.config: Mapping[str, object] = config if config is not None else {}
        self._given_spec: ProcessSpec | None = None if config is None else read_config(config)
        self._blank = StageMachine("", self._given_spec or ProcessSpec(stages={}))
        self._workspace = workspace
        self._journal: Journal | None = None
        self._lock = threading.RLock()
        if process_manager is not None and config is not None:
            process_manager.register_stages(config)

    def __reduce__(self) -> NoReturn:
        raise ProcessManagementError(
            f"a {type(self).__name__} cannot be copied or sent to another process: it carries its process out. Make "
            "another there; one whose process was closed goes on with it by open_process(process_id)"
        )

    def __milepost_key__(self) -> object:
        """Its configuration: what else a manager's computation reads is noted, which of other code nobody can."""
        from milepost.process.manager.verifying import is_looking

        if is_looking.get():
            return dict(self.config)
        raise UnkeyableError("a stage handler knows another process in each run: take what counts as a value")

    def _noticed(self) -> None:
        """A manager's computation reads or tells more than progress here: it is not found again by other programs."""
        from milepost.process.manager.computation import under_way

        here = under_way.get()
        if here is not None:
            here.problems["it asked its stage handler for more than to track progress"] = None

    def __repr__(self) -> str:
        run = None if self._journal is None else self._journal.underway.run
        process = "no process yet" if run is None else f"{run.id}, run {run.name}"
        return f"<{type(self).__name__}: {process}>"

    @property
    def initialized(self) -> bool:
        """Whether there is a process."""
        self._noticed()
        return self._journal is not None

    @property
    def current_process_id(self) -> str | None:
        """The id of the process, which is the id of its run; None before there is one."""
        self._noticed()
        return None if self._journal is None else self._journal.underway.id

    @property
    def run_name(self) -> str | None:
        """The two words that `milepost ls` calls it by."""
        self._noticed()
        return None if self._journal is None else self._journal.underway.run.name

    @property
    def underway(self) -> RunUnderway | None:
        """The run, for what records in it too."""
        self._noticed()
        return None if self._journal is None else self._journal.underway

    @property
    def stages(self) -> dict[str, StageDict]:
        """Every stage as a dict of the documented shape, which changes as the stage does."""
        self._noticed()
        return {name: standing.document for name, standing in self._machine.stages.items()}

    @property
    def _machine(self) -> StageMachine:
        return self._blank if self._journal is None else self._journal.machine

    def _open_journal(self) -> Journal:
        journal = self._journal
        if journal is None:
            raise ProcessManagementError("there is no process yet: call initialize_process or open_process first")
        if journal.underway.is_over:
            raise ProcessManagementError(
                f"process {journal.underway.id} was closed: go on with it by open_process({journal.underway.id!r})"
            )
        refuse_child(journal)
        return journal

    def _manager_here(self) -> DecisionKeeper | None:
        """The process manager as long as it records in this process; another handler may have taken it since."""
        manager = self.process_manager
        return manager if manager is not None and manager.underway is self.underway else None

    def _own_manager(self) -> DecisionKeeper:
        manager = self._manager_here()
        if manager is None:
            elsewhere = self.process_manager.underway if self.process_manager is not None else None
            now = "records in no process" if elsewhere is None else f"records in run {elsewhere.run.name}"
            raise ProcessManagementError(
                f"the manager of process {self.current_process_id} {now} by now: give each handler a manager of its "
                f"own, or take it back by open_process after closing this one"
            )
        return manager

    @contextmanager
    def _call(self, *, is_progress: bool = False) -> Iterator[tuple[Journal, StageMachine, float]]:
        """One call: the journal to write in, the state before it, and the time."""
        if not is_progress:
            self._noticed()
        with self._lock:
            journal = self._open_journal()
            yield journal, journal.machine, SYSTEM.now()

    def _happen(self, happened: list[facts.Fact], *others: Row, durable: bool = False) -> None:
        if happened:
            self._open_journal().commit(happened, *others, durable=durable)

    def _standing(self, stage: StageName) -> StageStanding:
        return self._machine.find(stage)

    @property
    def _objects(self) -> Objects:
        return self._open_journal().underway.objects


def refuse_child(journal: Journal) -> None:
    """ProcessManagementError in a forked child of the program that carries this process out."""
    if journal.is_inherited:
        raise ProcessManagementError(
            f"process {journal.underway.id} is carried out by process {journal.pid}, this is a child of it: "
            "hand what is to be recorded to the parent"
        )


def harmless(text: object) -> str:
    """A message as it is recorded: bounded, without secrets, and something that UTF-8 can hold."""
    try:
        said = "" if text is None else str(text)
    except Exception as error:  # whatever a user's object does when it is to be a text
        said = f"({type(text).__name__} that has no text: {type(error).__name__})"
    return encodable(redact(shortened(said)))


def plain(metadata: object) -> object:
    """Metadata as JSON holds it, without secrets."""
    if metadata is None:
        return None
    shown, _ = redact_value("metadata", metadata)
    try:
        msgspec.json.encode(shown)
    except UnicodeEncodeError:
        return _encodable(shown)
    return shown


def _encodable(value: object) -> object:
    if isinstance(value, dict):
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(one) for one in value]
    return encodable(value) if isinstance(value, str) else value
