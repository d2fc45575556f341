"""`ProcessManager` as its document has it: decisions, stage results, scenarios."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milepost.kernel.workspace import Workspace
from milepost.model.stage_config import read_config
from milepost.process.manager.asking import Way
from milepost.process.manager.attaching import recorded_choices
from milepost.process.manager.deciding import StagePoint, own_copy
from milepost.process.manager.inside import Inside
from milepost.process.manager.naming import StageId
from milepost.process.manager.observing import active, concerned, innermost, observe
from milepost.process.manager.scenario_calls import ScenarioCalls
from milepost.process.manager.schemas import schema_of
from milepost.process.manager.stage_data import Outcome, StageData
from milepost.process.manager.watching import AllDecisions

if TYPE_CHECKING:
    from milepost.process.underway import RunUnderway

StageAddress = int | str


class ProcessManager(ScenarioCalls):
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

        self._inside = Inside(project_name or type(self).__name__, workspace)
        self._inside.results = StageResults(self._inside)
        self._inside.caching, self._inside.raise_errors = caching, raise_errors
        self.core_data = core_data
        self.config: dict[str, object] = dict(config or {})
        if config is not None:
            self.register_stages(config)

    def __getattribute__(self, name: str) -> Any:
        if active and id(self) in active:
            inside = object.__getattribute__(self, "_inside")
            observe(self, inside.results, name, sys._getframe(1))
        return object.__getattribute__(self, name)

    # Decision points

    def register_decision_point(
        self,
        stage: StageAddress,
        schema: object = dict,
        required: bool = True,
        defaults: Mapping[str, object] | None = None,
        *,
        caching: bool = True,
    ) -> None:
        """Declare what may be decided for a stage; registering it again replaces it.

        `schema` is `dict` (anything), a mapping of names to types, a TypedDict, a dataclass, a msgspec.Struct or a
        pydantic model. `defaults` fill what is not chosen. Raises DefinitionError, InvalidDataError.
        """
        inside = self._inside
        found = inside.names.id_of(stage)
        point = StagePoint(
            schema=schema_of(schema, inside.names.text_of(found)), required=required, defaults=dict(defaults or {})
        )
        with inside.lock:
            inside.points.register(found, point)
            (inside.uncached.discard if caching else inside.uncached.add)(found)
            inside.changed()

    def register_stages(self, config: Mapping[str, object]) -> None:
        """Take names, numbers and default decisions of CONFIG's stages; doing it again changes nothing.

        Raises DefinitionError for a CONFIG that cannot be.
        """
        inside, stages = self._inside, read_config(config).stages
        with inside.lock:
            inside.names.add({name: stage.sequence for name, stage in stages.items()})
            for name, stage in stages.items():
                found = inside.names.id_of(name)
                if found not in inside.points.of:
                    point = StagePoint(schema=schema_of(dict, name), required=False, defaults=stage.decisions)
                    inside.points.register(found, point)
            inside.changed()
        self.config = self.config or dict(config)

    # Decisions

    def make_decisions(
        self,
        stage: StageAddress,
        values: object,
        apply_defaults: bool = True,
        *,
        replace: bool = False,
        note: str | None = None,
    ) -> None:
        """Choose for a stage: what is not named keeps its value, or its default; with `replace` only the default.

        Committed on return. Raises InvalidDataError, DecisionValidationError, UnkeyableError, and changes nothing then.
        """
        inside = self._inside
        with inside.lock:
            found = inside.names.id_of(stage)
            accepted = inside.points.chosen(
                inside.decided, found, values, apply_defaults=apply_defaults, replace=replace
            )
            after = inside.points.after(inside.decided, found, accepted, apply_defaults=apply_defaults, replace=replace)
            inside.decide(self, after, {(found, name): "chosen" for name in accepted}, note)

    def record_decisions(
        self, stage: StageAddress, values: Mapping[str, object], *, note: str | None = None, source: str = "chosen"
    ) -> None:
        """Record decisions whose names are the caller's own, beside those of the schema. Raises UnkeyableError."""
        inside = self._inside
        with inside.lock:
            found = inside.names.id_of(stage)
            given = inside.points.keyable(found, values)
            after = inside.points.after(inside.decided, found, given, apply_defaults=True, replace=False)
            inside.decide(self, after, {(found, name): source for name in given}, note)

    @property
    def current_decisions(self) -> AllDecisions:
        """What is decided, by stage number or name. In a computation: as it was when that began."""
        return self._read(of_defaults=False)

    @property
    def default_values(self) -> AllDecisions:
        """The defaults, by stage number or name."""
        return self._read(of_defaults=True)

    def _read(self, *, of_defaults: bool) -> AllDecisions:
        readers, here = concerned(self), innermost(self)
        snapshot = here.snapshot if here is not None else self._inside.snapshot()

        def saw(stage: StageId | None, name: str | None, only_keys: bool) -> None:
            for one in readers:
                one.saw(stage, name, only_keys, of_defaults=of_defaults)
                if one.snapshot.version != snapshot.version:
                    one.problems["decisions were changed while a thread without its context read them"] = None

        return AllDecisions(self._inside.names, snapshot.defaults if of_defaults else snapshot.decisions, saw)

    def get_stage_decision(self, stage: StageAddress, name: str | None = None, default: object = None) -> Any:
        """One decision of a stage, `default` where there is none; without a name all of them, as a dict."""
        of_stage = self.current_decisions.get(stage)
        if of_stage is None:
            return {} if name is None else default
        return dict(of_stage) if name is None else of_stage.get(name, default)

    def get_default_values(self, stage: StageAddress) -> dict[str, object]:
        """The defaults of a stage, a copy."""
        return dict(self.default_values.get(stage, {}))

    def update_default_values(self, stage: StageAddress, values: Mapping[str, object]) -> None:
        """Change some of a stage's defaults; what was chosen stays. Raises InvalidDataError."""
        inside = self._inside
        with inside.lock:
            inside.points.update_defaults(inside.names.id_of(stage), values)
            inside.changed()
            if inside.hold.underway is not None:
                inside.synced(self)

    @property
    def decision_points(self) -> dict[StageId, dict[str, object]]:
        """The decision points, by stage: schema, required, defaults."""
        inside = self._inside
        return {
            inside.names.shown(stage): {
                "schema": point.schema.declared,
                "required": point.required,
                "defaults": own_copy(point.defaults),
            }
            for stage, point in inside.points.of.items()
        }

    def decisions(self) -> dict[str, dict[str, object]]:
        """What is decided, a plain copy: stage name -> decision -> value."""
        return {str(stage): dict(values) for stage, values in self.current_decisions.items()}

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
            if _is_until(self._inside.names.id_of(one), stage):
                decided[one].copy()

    def set_result(self, stage: StageAddress, result: object) -> None:
        """Let this be what `get_stage_data(stage)` gives, until `drop_result` or another of it."""
        inside = self._inside
        found = inside.names.id_of(stage)
        text = inside.names.text_of(found)
        inside.given[found] = inside.latest[found] = inside.results.given(self, text, result)

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

    @property
    def underway(self) -> RunUnderway | None:
        """The run that is recorded in; None until something is."""
        return self._inside.hold.underway

    @property
    def workspace(self) -> Workspace:
        """Where it records; made when it is first asked for."""
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

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __milepost_key__(self) -> object:
        from milepost.process.manager.verifying import is_looking

        if is_looking.get():
            return ()  # what a computation takes of it counts by itself
        own = {name: value for name, value in vars(self).items() if name != "_inside"}
        return own, self.decisions()


def _is_until(one: StageId, stage: StageId) -> bool:
    if isinstance(one, int) and isinstance(stage, int):
        return one <= stage
    return one == stage
