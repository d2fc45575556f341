"""`ProcessStageHandler`: the documented way to carry a process out stage by stage, recorded like any other run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from milepost.errors import Cancelled
from milepost.kernel.workspace import Workspace
from milepost.model.by_hand import facts, stage_rules, summary
from milepost.model.decision import MISSING, Choice, DecisionPoint
from milepost.model.metrics import load_metrics, metrics_of
from milepost.model.redaction import register_secrets_in
from milepost.model.status import RunState, StageState
from milepost.process.decisions.recording import decision_row
from milepost.process.handler.block import StageBlock
from milepost.process.handler.journal import Journal
from milepost.process.handler.keeping import DecisionKeeper, StageDict, StageName, harmless, plain, refuse_child
from milepost.process.handler.opening import known_process, new_process
from milepost.process.handler.results import as_result, error_of, store_result
from milepost.process.handler.substages import SubstageCalls

if TYPE_CHECKING:
    from typing import Self

Opener = Callable[..., "ProcessStageHandler"]


class _OpenProcess:
    """`open_process`, to be called on the class, or on a handler for its manager and configuration."""

    def __get__(self, handler: ProcessStageHandler | None, owner: type[ProcessStageHandler]) -> Opener:
        return owner._opened if handler is None else handler._open


class ProcessStageHandler(SubstageCalls):
    """Carries a process out stage by stage. Everything it is told is on record before the call returns.

    CONFIG['stages'] names the stages; a stage is meant by its name or its sequence number. What is refused raises
    and changes nothing. A process outlives its program: `ProcessStageHandler.open_process(process_id)` goes on with
    it, and so does `handler.open_process(process_id)`.

    Example:
        >>> from milepost.testing import memory_workspace
        >>> import pathlib, tempfile
        >>> place = memory_workspace(pathlib.Path(tempfile.mkdtemp()))
        >>> handler = ProcessStageHandler(None, {"stages": {"load": {"sequence": 1}}}, workspace=place)
        >>> process_id = handler.initialize_process("nightly", "all files")
        >>> handler.start_stage("load")["status"]
        'running'
        >>> handler.complete_stage("load", success=True, result_data={"rows": 3})["status"]
        'completed'
        >>> handler.get_process_summary()["progress"]
        1.0
        >>> handler.close().value
        'completed'
    """

    open_process = _OpenProcess()

    def initialize_process(self, name: str, description: str = "") -> str:
        """Begin a new process and return its id, which is its run's; a process that was under way is ended."""
        with self._lock:
            self._refuse_inherited()
            workspace = self._place(create=True)
            spec = self._blank.spec
            project = None if self.process_manager is None else self.process_manager.project_name
            journal = new_process(name, harmless(description), spec, workspace, project=project)
            self._take(journal)
            if self.process_manager is not None:
                self.process_manager.attach(journal.underway)
            return journal.underway.id

    def start_stage(
        self, stage_name: StageName, algorithm_name: str | None = None, *, items_total: int | None = None
    ) -> StageDict:
        """A stage begins: first, again after a failure, once more when repeatable, or on where a dead session was.

        `items_total`: how many work items a loop has. Raises InvalidStageSequenceError, DependencyError.
        """
        with self._call() as (journal, machine, at):
            journal.underway.check()
            self._happen(stage_rules.start(machine, stage_name, algorithm_name, at=at, items_total=items_total))
            standing = self._standing(stage_name)
            if (manager := self._manager_here()) is not None:
                manager.drop_result(standing.name)
            return standing.document

    def record_stage_decision(
        self, stage_name: StageName, decision_name: str, decision: object, *, note: str | None = None
    ) -> None:
        """Record a choice, a dict of names and values; its defaults fill what is missing. Raises InvalidDataError."""
        with self._call() as (journal, machine, at):
            standing = machine.find(stage_name)
            value = stage_rules.decide(standing.spec, decision_name, decision)
            fact = facts.DecisionRecorded(
                stage=standing.name, at=at, decision=decision_name, during=str(standing.state), value=value
            )
            if self.process_manager is not None:
                self._own_manager().record_decisions(standing.name, {decision_name: value}, note=note)
                self._happen([fact], durable=True)
                return
            register_secrets_in(decision_name, value)
            default = standing.spec.decisions.get(decision_name, MISSING)
            point = DecisionPoint(stage=standing.name, name=decision_name, default=default)
            choice = Choice(point=point, value=value, source="chosen", note=note)
            self._happen([fact], decision_row(journal.underway.id, choice, self._objects, at=at), durable=True)

    def track_progress(
        self, stage_name: StageName, progress: float, message: str = "", metadata: object = None
    ) -> None:
        """How far a stage is, 0 to 1, and what it does. Less than before is recorded and takes nothing back.

        A safe point: raises Cancelled when `milepost cancel` asked for it. Raises ProgressError for what is no number.
        """
        with self._call(is_progress=True) as (journal, machine, at):
            said = harmless(message)
            self._happen(stage_rules.track(machine, stage_name, progress, said, plain(metadata), at=at))
            if said:
                journal.underway.log(said, stage=self._standing(stage_name).name)
            journal.underway.check()

    def complete_stage(self, stage_name: StageName, success: bool = True, result_data: object = None) -> StageDict:
        """A stage has its result, or with `success=False` it failed.

        A failure is recorded of a stage in any state and raises nothing; what is completed stays so. Success of a
        stage that is not running raises ProcessManagementError.
        """
        with self._call() as (_, machine, at):
            if not success:
                return self._fail(machine.find(stage_name).name, result_data, at)
            standing = stage_rules.check_complete(machine, stage_name)
            result_data = as_result(result_data)
            reported = load_metrics(self._open_journal().underway.stages[standing.name].metrics)
            done = facts.StageCompleted(
                stage=standing.name,
                at=at,
                unfinished=tuple(standing.under_way()),
                metrics=reported | metrics_of(result_data),
                **store_result(self._objects, result_data),
            )
            self._happen([done])
            self._say_unstored(done)
            if (manager := self._manager_here()) is not None:
                manager.set_result(standing.name, result_data)
            return standing.document

    def skip_stage(self, stage_name: StageName, reason: str = "") -> StageDict:
        """An optional stage is left out. Raises ProcessManagementError for any other."""
        with self._call() as (_, machine, at):
            self._happen(stage_rules.skip(machine, stage_name, harmless(reason), at=at))
            return self._standing(stage_name).document

    def get_stage_status(self, stage_name: StageName) -> dict[str, object]:
        """A stage as the summary has it: `status` (pending, running, completed, failed, skipped), progress, times."""
        self._noticed()
        with self._lock:
            return summary.of_stage(self._standing(stage_name))

    def get_process_summary(self) -> dict[str, object]:
        """The whole process in the documented shape."""
        self._noticed()
        with self._lock:
            journal = self._journal
            if journal is None:
                return {"status": summary.NOT_INITIALIZED}
            founding = journal.founding
            said = summary.of_process(journal.machine)
            return {**said, "name": founding.name, "description": founding.description, "run": self.run_name}

    @property
    def data_container(self) -> Mapping[str, object]:
        """The results of the completed stages by name."""
        with self._lock:
            done = {name: document for name, document in self.stages.items() if document["status"] == "completed"}
            return {name: document["result_data"] for name, document in done.items()}

    @contextmanager
    def stage(
        self, stage_name: StageName, algorithm_name: str | None = None, *, items_total: int | None = None
    ) -> Iterator[StageBlock]:
        """The stage runs while the block does: completed at its end with `stage.result`, failed by an exception."""
        self.start_stage(stage_name, algorithm_name, items_total=items_total)
        block = StageBlock(self, self._standing(stage_name).name)
        try:
            yield block
        except Exception as error:
            self.complete_stage(stage_name, success=False, result_data=f"{type(error).__name__}: {error}")
            raise
        if self._standing(stage_name).state is StageState.RUNNING:
            self.complete_stage(stage_name, success=True, result_data=block.result)

    def close(self) -> RunState | None:
        """End this session: completed when every stage that is not optional is done, else failed or interrupted.

        None, and nothing ends, when there is no process, and in a forked child: it is its parent's.
        """
        with self._lock:
            journal = self._journal
            return None if journal is None or journal.is_inherited else journal.underway.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        journal = self._journal
        if journal is None or journal.is_inherited or error is None:
            self.close()
            return
        underway = journal.underway
        if isinstance(error, Cancelled | KeyboardInterrupt):
            underway.end(RunState.CANCELLED, str(error) or "Ctrl-C")
        else:
            underway.end(RunState.FAILED, harmless(f"{type(error).__name__}: {error}"))

    def _fail(self, name: str, result: object, at: float) -> StageDict:
        error, trace = error_of(result)
        failed = facts.StageFailed(
            stage=name, at=at, error=error, traceback=trace, **store_result(self._objects, result)
        )
        self._happen([failed])
        self._say_unstored(failed)
        self._open_journal().underway.log(f"failed: {error}", stage=name, level="ERROR")
        return self._standing(name).document

    def _say_unstored(self, fact: facts.Ended) -> None:
        if fact.unstored:
            text = f"its result is in this process alone, it cannot be stored: {fact.unstored}"
            self._open_journal().underway.log(text, stage=fact.stage, level="WARNING")

    def _place(self, *, create: bool) -> Workspace:
        if self._workspace is None:
            manager = self.process_manager
            self._workspace = manager._workspace_now() if manager is not None else Workspace.open(create=create)
        return self._workspace

    def _refuse_inherited(self) -> None:
        """In a forked child, what its parent began stays the parent's; what was begun by nobody may be used."""
        if self._journal is not None and not self._journal.underway.is_over:
            refuse_child(self._journal)
        if self.process_manager is not None:
            self.process_manager._workspace_now()

    def _take(self, journal: Journal) -> None:
        if self._journal is not None:
            self._journal.underway.end()
        self._journal = journal
        journal.underway.end_with(self)

    @classmethod
    def _opened(
        cls,
        process_id: str,
        process_manager: DecisionKeeper | None = None,
        config: Mapping[str, object] | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> Self:
        handler = cls(process_manager, config, workspace=workspace)
        handler._open(process_id)
        return handler

    def _open(self, process_id: str) -> Self:
        """Go on with a process, by its id or its run's name, where it was left: by this program or another."""
        with self._lock:
            is_open = self._journal is not None and not self._journal.underway.is_over
            if is_open and process_id in (self.current_process_id, self.run_name):
                return self
            self._refuse_inherited()
            journal = known_process(process_id, self._given_spec, self._place(create=False))
            self._take(journal)
            if self.process_manager is not None:
                self.process_manager.attach(journal.underway, load=True)
                for standing in journal.machine.stages.values():
                    document, ended = standing.document, standing.document["completed_at"]
                    if document["status"] == "completed" and isinstance(ended, datetime):
                        made = ended.timestamp()
                        self.process_manager.set_result(standing.name, document["result_data"], made=made)
            return self
