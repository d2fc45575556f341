"""`ProcessManager` as its document has it: decisions, stage results, scenarios."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from milepost.errors import DefinitionError, InvalidDataError, ProcessManagementError
from milepost.kernel.workspace import Workspace
from milepost.model.fingerprint.preview import preview
from milepost.model.names import is_name
from milepost.process.manager.asking import Way
from milepost.process.manager.attaching import changed_since, recorded_choices
from milepost.process.manager.computation import under_way
from milepost.process.manager.decision_calls import DecisionCalls, StageAddress
from milepost.process.manager.given import Given
from milepost.process.manager.inside import Inside
from milepost.process.manager.naming import StageId, is_until
from milepost.process.manager.observing import active, observe
from milepost.process.manager.scenario_calls import ScenarioCalls
from milepost.process.manager.stage_data import Outcome, StageData

if TYPE_CHECKING:
    from milepost.process.underway import RunUnderway


class ProcessManager(DecisionCalls, ScenarioCalls):
    """Decisions, stage results and scenarios of a program that calls its stages itself.

    A subclass overrides `_compute_stage(stage)`. What that reads of the decisions, of `self` and of other stages
    becomes the key of its result, so it runs again when something of this or the code that ran has changed, and is
    found otherwise: by this manager, and by every later program in the same workspace. What it appends or assigns to
    on `self` is state and does not count.

    Constructing one records nothing and makes no workspace; its run begins with the first decision or stage.
    `project_name` (default: the class's name) is the process under which runs and scenarios are listed. `caching=False`
    computes every time. `raise_errors=True` raises what a computation raised instead of returning its status "error".

    Example:
        >>> import tempfile
        >>> class Sums(ProcessManager):
        ...     def _compute_stage(self, stage):
        ...         return [number * self.current_decisions[1]["factor"] for number in self.core_data]
        >>> sums = Sums([1, 2], workspace=tempfile.mkdtemp() + "/.milepost")
        >>> sums.make_decisions(1, {"factor": 10})
        >>> sums.get_stage_data(1)["results"]
        [10, 20]
        >>> sums.close()
    """

    def __init__(
        self,
        core_data: object = None,
        project_name: str | None = None,
        *,
        config: Mapping[str, object] | None = None,
        workspace: Workspace | str | Path | None = None,
        caching: bool = True,
        raise_errors: bool = False,
    ) -> None:
        from milepost.process.manager.finding import StageResults

        if config is not None and not isinstance(config, Mapping):
            raise DefinitionError(f"a CONFIG is a mapping with 'stages', not {type(config).__name__}")
        self._inside = Inside(_checked(project_name or type(self).__name__), workspace)
        self._inside.results = StageResults(self._inside)
        self._inside.caching, self._inside.raise_errors = caching, raise_errors
        self.core_data = core_data
        self.config: dict[str, object] = dict(config or {})
        if config is not None:
            self.register_stages(config)

    def __getattribute__(self, name: str) -> Any:
        if active and name != "_inside" and id(self) in active:
            here = under_way.get()
            if here is None or here.manager != id(self) or name not in here.settled:  # else it was looked at before
                inside = object.__getattribute__(self, "_inside")
                observe(self, inside.results, name, sys._getframe(1))
        return object.__getattribute__(self, name)

    # Stages

    def get_stage_data(
        self, stage: StageAddress, *, use_cache: bool = True, raise_errors: bool | None = None
    ) -> StageData:
        """A stage's result, found or computed: a mapping with `status` and `results`; see StageData.

        An error of the computation is the status "error", with the exception in `.exception`; with `raise_errors`
        it is raised as StageExecutionError. Raises InvalidDataError for missing decisions and unknown stages,
        DependencyError for a stage that asks for itself.
        """
        inside = self._inside
        found = inside.names.id_of(stage)
        is_kept = use_cache and inside.caching and found not in inside.uncached
        outcome = inside.results.asking.ask(self, found, way=Way.FIND if is_kept else Way.ALONE)
        if outcome.exception is not None and (inside.raise_errors if raise_errors is None else raise_errors):
            raise outcome.as_error()
        return self._data(outcome)

    def _compute_stage(self, stage: Any) -> Any:
        """Compute one stage: override it. Here nothing comes out, and counts anew when a decision up to it changes."""
        decided = self.current_decisions
        for one in decided:
            if is_until(self._inside.names.id_of(one), stage):
                decided[one].copy()

    def set_result(self, stage: StageAddress, result: object, *, made: float | None = None) -> None:
        """Let this be what `get_stage_data(stage)` gives, until `drop_result`, another, or a decision up to it changes.

        `made`: when it was, in epoch seconds, where decisions may have changed since.
        """
        inside = self._inside
        found = inside.names.id_of(stage)
        text = inside.names.text_of(found)
        outcome = inside.latest[found] = inside.results.given(self, text, result)
        since = set() if made is None else changed_since(inside.synced(self), made, inside.names)
        inside.given[found] = Given.now(outcome, found, inside.snapshot(), since)

    def drop_result(self, stage: StageAddress) -> None:
        """Forget what `set_result` was given: the stage is computed or found again."""
        self._inside.given.pop(self._inside.names.id_of(stage), None)

    @property
    def computation_cache(self) -> dict[StageId, StageData]:
        """The latest result of each stage that was asked for."""
        inside = self._inside
        return {inside.names.shown(stage): self._data(outcome) for stage, outcome in inside.latest.items()}

    def clear_cache(self) -> None:
        """Let go of what this manager holds in memory; stored results are still found."""
        self._inside.results.traces.forget()
        self._inside.latest.clear()

    def store_generated_data(self, name: str, data: object) -> str:
        """Keep a value in the workspace and give its address; it belongs to the run as the event `data_stored`."""
        if not is_name(name):
            raise InvalidDataError(
                f"what is stored has a printable name of 1 to 200 characters, not {preview(name, 80)}"
            )
        run = self._underway_now()
        stored = run.objects.put(data)
        run.record(run.event("data_stored", name=name, address=stored.address, size_bytes=stored.size_bytes))
        return stored.address

    def _data(self, outcome: Outcome) -> StageData:
        inside = self._inside
        return StageData(outcome, lambda address: inside.hold.workspace.objects.get(address))

    # The run

    @property
    def project_name(self) -> str:
        """The process under which this manager's runs and scenarios are listed."""
        return self._inside.hold.process

    @project_name.setter
    def project_name(self, name: str) -> None:
        if self._inside.hold.underway is not None:
            raise ProcessManagementError(f"the run of {self.project_name!r} has begun: name the process before it does")
        self._inside.hold.process = _checked(name)

    @property
    def underway(self) -> RunUnderway | None:
        """The run that is recorded in; None until something is."""
        return self._inside.hold.underway

    def _workspace_now(self) -> Workspace:
        """Where it records; made when it is first asked for. Refused in a forked child when it has begun to."""
        self._inside.hold.refuse_child()
        return self._inside.hold.workspace

    def _underway_now(self) -> RunUnderway:
        return self._inside.synced(self)

    def attach(self, underway: RunUnderway, *, load: bool = False) -> None:
        """Record in this run from now on. With `load` its decisions are taken over, else ours are recorded in it."""
        inside = self._inside
        with inside.lock:
            inside.hold.attach(underway)
            inside.given.clear()
            if load:
                inside.decided = recorded_choices(underway, inside.points)
            inside.changed()
            if load:
                inside.hold.took_over(inside.points, inside.decided)
            inside.synced(self)

    def get_stage_handler(self, config: Mapping[str, object] | None = None) -> Any:
        """A `ProcessStageHandler` on this manager."""
        from milepost.process import ProcessStageHandler

        return ProcessStageHandler(self, dict(config or self.config))

    def close(self) -> None:
        """End the run that this manager began. A later decision or stage begins another."""
        self._inside.hold.end()

    def __enter__(self) -> ProcessManager:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._inside.hold.end(error)

    def __reduce__(self) -> NoReturn:
        raise ProcessManagementError(
            f"a {type(self).__name__!r} cannot be copied or sent to another process: its decisions and its run are "
            f"one with it. Make another there, and let it decide the same: what this one decided is in .decisions()"
        )

    def __milepost_key__(self) -> object:
        from milepost.process.manager.verifying import is_looking

        if is_looking.get():
            return ()  # what a computation takes of it counts by itself
        own = {name: value for name, value in vars(self).items() if name != "_inside"}
        return own, self.decisions()


def _checked(name: str) -> str:
    if is_name(name):
        return name
    raise InvalidDataError(f"a project's name is a printable text of 1 to 200 characters, not {preview(name, 80)}")
