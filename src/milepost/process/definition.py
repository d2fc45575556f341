"""`Process`: the definition, checked when it is made, and the way to plan and run it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from milepost.errors import DefinitionError, InvalidDataError
from milepost.kernel.handles import Run
from milepost.model.decision import Choice, DecisionPoint, accept_given, settle
from milepost.model.graph import Graph
from milepost.model.nearest import did_you_mean
from milepost.model.redaction import register_secrets_in
from milepost.model.refusal import refusals_said
from milepost.process.parameters import Parameters, classify
from milepost.process.stages import StageFunction, stage

if TYPE_CHECKING:
    from milepost.kernel.workspace import Workspace
    from milepost.process.decisions.scenarios import Scenario, Scenarios
    from milepost.process.planner import Plan

Decisions = Mapping[str, object]


class Process:
    """A named set of stages. Raises DefinitionError for duplicates, unknown needs and circles.

    Example:
        >>> @stage
        ... def numbers(upto: int = 3):
        ...     return list(range(upto))
        >>> @stage
        ... def total(numbers):
        ...     return sum(numbers)
        >>> Process("sums", [numbers, total]).graph.order
        ('numbers', 'total')
    """

    def __init__(self, name: str, stages: Iterable[StageFunction[..., object] | Callable[..., object]]) -> None:
        if not isinstance(name, str) or not name.strip() or len(name) > 200:
            raise DefinitionError(f"a process's name is a text of 1 to 200 characters, not {name!r:.80}")
        self.name = name
        self.stages = self._by_name(stages)
        self.parameters: dict[str, Parameters] = {
            name: classify(made, self.stages.keys()) for name, made in self.stages.items()
        }
        self.graph = Graph({name: self._needs(name) for name in self.stages})
        self.target: str | None = None  # how a shell finds this process again; set when it was loaded from there

    def __repr__(self) -> str:
        return f"<Process {self.name}: {', '.join(self.graph.order)}>"

    @property
    def points(self) -> dict[str, Mapping[str, DecisionPoint]]:
        """The decision points of each stage."""
        return {name: parameters.points for name, parameters in self.parameters.items()}

    def run(
        self,
        decisions: Decisions | None = None,
        *,
        scenario: str | None = None,
        note: str | None = None,
        new: bool = False,
        executor: str | None = None,
        workers: int | None = None,
        only: str | None = None,
        start_from: str | None = None,
        workspace: Workspace | str | None = None,
        run: str | None = None,
        on_start: Callable[[Run, Workspace], None] | None = None,
    ) -> Run:
        """Carry the process out, reusing what is unchanged, and return the run.

        The newest run of this process with the same decisions that failed, was cancelled or interrupted is
        continued; `new` never continues; `run` (a name or id) continues exactly that one. `decisions`:
        `{"stage.name": value}` or `{"stage": {"name": value}}`. `scenario`: the name or id of a saved one, whose
        decisions hold where `decisions` gives none. `note`: why, recorded with every chosen decision. `executor`:
        "inline" (the default), "threads" or "workers". `only`: this stage and what it needs. `start_from`: this
        stage and all behind it run afresh.

        Raises InvalidDataError, UnknownScenarioError or ScenarioStateError before anything runs, RunIsAlive when
        another session has the run, StageExecutionError when a stage fails for good, Cancelled when the run was
        asked to stop.
        """
        with refusals_said(f"process {self.name!r} cannot be carried out"):
            from milepost.process.runner import RunOptions, carry_out_process

            base = self._scenario(scenario, workspace)
            choices = self._settled(decisions, base)
            if note:
                from milepost.process.decisions.choosing import noted

                choices = noted(choices, note)
            options = RunOptions(
                new=new,
                executor=executor,
                workers=workers,
                only=only,
                start_from=start_from,
                run=run,
                scenario=None if base is None else base.name,
            )
            return carry_out_process(self, choices, options, workspace, on_start)

    def plan(
        self,
        decisions: Decisions | None = None,
        *,
        scenario: str | None = None,
        only: str | None = None,
        start_from: str | None = None,
        workspace: Workspace | str | None = None,
    ) -> Plan:
        """What `run` would do now, stage by stage, and why. Nothing runs and nothing is recorded."""
        from milepost.process.planner import plan_process

        choices = self.settle(decisions, scenario=scenario, workspace=workspace)
        return plan_process(self, choices, only, start_from, workspace)

    def settle(
        self,
        decisions: Decisions | None = None,
        *,
        scenario: str | None = None,
        workspace: Workspace | str | None = None,
    ) -> dict[str, dict[str, Choice]]:
        """Every decision of every stage: the given value, else the scenario's, else its default.

        Raises InvalidDataError, and for a scenario UnknownScenarioError or ScenarioStateError. What is chosen under a
        secret's name is masked from now on in all that is recorded.
        """
        return self._settled(decisions, self._scenario(scenario, workspace))

    def scenarios(self, workspace: Workspace | str | None = None) -> Scenarios:
        """The saved scenarios: iterate over them, or `get`, `save`, `rename`, `remove` one."""
        from milepost.kernel.workspace import Workspace as Place
        from milepost.process.decisions.scenarios import Scenarios

        place = workspace if isinstance(workspace, Place) else Place.open(workspace)
        return Scenarios(place.store, place.objects, self.name, points=self.points)

    def save_scenario(
        self,
        name: str,
        decisions: Decisions | None = None,
        *,
        note: str | None = None,
        workspace: Workspace | str | None = None,
    ) -> Scenario:
        """Keep these decisions under a name, as its next version where there is one; the others stay at their defaults.

        Secrets are not kept; they are to be given with each run. Raises InvalidDataError, ScenarioStateError.
        """
        from milepost.process.decisions.scenario_names import checked_name

        checked = checked_name(name)  # before a workspace is made
        accepted = accept_given(self.points, self._given(decisions))
        return self.scenarios(workspace).save(checked, accepted, note=note)

    def _scenario(self, name: str | None, workspace: Workspace | str | None) -> Scenario | None:
        if name is None:
            return None
        from milepost.process.decisions.choosing import chosen_scenario

        return chosen_scenario(self, name, workspace)

    def _settled(self, decisions: Decisions | None, base: Scenario | None) -> dict[str, dict[str, Choice]]:
        given = self._given(decisions)
        if base is not None:
            from milepost.process.decisions.choosing import overridden

            given = overridden(self, base, given)
        return settle(self.points, given)

    def _given(self, decisions: Decisions | None) -> dict[str, dict[str, object]]:
        given = self._by_stage(decisions or {})
        for stage_decisions in given.values():
            for name, value in stage_decisions.items():
                register_secrets_in(name, value)
        return given

    def parse_settings(self, settings: Sequence[str]) -> dict[str, object]:
        """Decisions from texts such as `"score.threshold=0.8"`, converted by the annotations."""
        decisions: dict[str, object] = {}
        for setting in settings:
            path, equals, text = setting.partition("=")
            if not equals or "." not in path:
                raise InvalidDataError(f"--set {setting}: expected stage.name=value")
            decisions[path.strip()] = self.point(path.strip()).accept_text(text)
        return decisions

    def point(self, path: str) -> DecisionPoint:
        """The decision point of "stage.name", or InvalidDataError with the nearest."""
        name, _, decision = path.partition(".")
        self.require(name)
        points = self.parameters[name].points
        if decision not in points:
            raise InvalidDataError(
                f"stage {name!r} takes no decision {decision!r}."
                + (did_you_mean(decision, points) or " It takes none.")
            )
        return points[decision]

    def selected(self, only: str | None) -> tuple[str, ...]:
        """The stages to carry out, in order: all, or one and what it needs."""
        if only is None:
            return self.graph.order
        self.require(only)
        wanted = self.graph.upstream(only) | {only}
        return tuple(name for name in self.graph.order if name in wanted)

    def require(self, name: str) -> StageFunction[..., object]:
        """The stage of this name, or InvalidDataError with the nearest."""
        if name not in self.stages:
            raise InvalidDataError(f"process {self.name!r} has no stage {name!r}." + did_you_mean(name, self.stages))
        return self.stages[name]

    def _needs(self, name: str) -> list[str]:
        options = self.stages[name].options
        each = [] if options.each is None else [options.each]
        return [*each, *self.parameters[name].upstream.values(), *options.after]

    def _by_name(self, stages: Iterable[object]) -> dict[str, StageFunction[..., object]]:
        by_name: dict[str, StageFunction[..., object]] = {}
        for given in stages:
            made = given if isinstance(given, StageFunction) else stage()(given)  # type: ignore[arg-type]
            twin = by_name.get(made.options.name)
            if twin is not None:
                raise DefinitionError(
                    f"process {self.name!r} has two stages named {made.options.name!r}: "
                    f"{_where(twin)} and {_where(made)}; pass name='…' to one"
                )
            by_name[made.options.name] = made
        if not by_name:
            raise DefinitionError(f"process {self.name!r} has no stages")
        return by_name

    @staticmethod
    def _by_stage(decisions: Decisions) -> dict[str, dict[str, object]]:
        by_stage: dict[str, dict[str, object]] = {}
        if not isinstance(decisions, Mapping):
            raise InvalidDataError(
                f"decisions are named: a dict {{'stage.name': value}}, not {type(decisions).__name__}"
            )
        for path, value in decisions.items():
            if not isinstance(path, str):
                raise InvalidDataError(f"a decision is named 'stage.name', not {path!r}")
            stage_part, dot, name = path.partition(".")
            if dot:
                by_stage.setdefault(stage_part, {})[name] = value
            elif isinstance(value, Mapping):
                by_stage.setdefault(path, {}).update(_named(path, value))
            else:
                raise InvalidDataError(f"decision {path!r}: write 'stage.{path}' or {{'stage': {{'{path}': …}}}}")
        return by_stage


def _named(stage_name: str, decisions: Mapping[object, object]) -> dict[str, object]:
    for name in decisions:
        if not isinstance(name, str):
            raise InvalidDataError(f"a decision of {stage_name!r} has a name, not {name!r}")
    return {str(name): value for name, value in decisions.items()}


def _where(made: StageFunction[..., object]) -> str:
    code = getattr(made.__wrapped__, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(made.__wrapped__)
