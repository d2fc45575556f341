"""What may happen next to a stage carried out by hand: the facts to record, or an error and nothing changes."""

from __future__ import annotations

from collections.abc import Mapping

from milepost.errors import (
    DependencyError,
    InvalidDataError,
    InvalidStageSequenceError,
    ProcessManagementError,
)
from milepost.model.by_hand import facts
from milepost.model.by_hand.machine import StageMachine
from milepost.model.by_hand.specs import StageSpec
from milepost.model.by_hand.stage_standing import DONE, StageStanding, new_standing
from milepost.model.by_hand.substage_rules import started_by_themselves
from milepost.model.fingerprint.preview import preview
from milepost.model.names import LONGEST_NAME, is_name
from milepost.model.progress import told_fraction
from milepost.model.status import StageState

_NOT_DONE = tuple(state for state in StageState if state not in DONE)


def start(
    machine: StageMachine,
    stage: str | int,
    algorithm: str | None = None,
    *,
    at: float,
    items_total: int | None = None,
) -> list[facts.Fact]:
    """It begins, again after a failure, once more when it is repeatable, or goes on where a session left it."""
    standing = machine.find(stage)
    name = standing.name
    parameters = machine.spec.algorithm(standing.spec, algorithm)
    _refuse_second_start(standing, machine.session)
    _refuse_early_start(standing, machine.stages)
    total = _items_total(standing.spec, items_total)
    if standing.state is StageState.RUNNING:
        return [facts.StageContinued(stage=name, at=at, algorithm=algorithm, parameters=parameters, items_total=total)]
    anew = standing.state is StageState.COMPLETED
    started = facts.StageStarted(
        stage=name,
        at=at,
        algorithm=algorithm,
        parameters=parameters,
        iteration=standing.iteration + 1 if anew else max(standing.iteration, 1),
        attempt=1 if anew else standing.attempt + 1,
        items_total=total,
    )
    if anew:
        return [started, *started_by_themselves(new_standing(standing.spec, ""), set(), _NOT_DONE, at=at)]
    done = {name for name in standing.spec.substages if standing.substages[name].is_done}
    return [started, *started_by_themselves(standing, done, _NOT_DONE, at=at)]


def track(
    machine: StageMachine, stage: str | int, progress: object, message: str, metadata: object, *, at: float
) -> list[facts.Fact]:
    """How far it says it is. Of a stage in any state: what is told is observation."""
    standing = machine.find(stage)
    told = told_fraction(standing.name, progress)
    return [facts.ProgressTracked(stage=standing.name, at=at, progress=told, message=message, metadata=metadata)]


def check_complete(machine: StageMachine, stage: str | int) -> StageStanding:
    """The stage, when it may be completed now: it runs, and its required substages, once used, are done."""
    standing = machine.find(stage)
    if standing.state is not StageState.RUNNING:
        raise ProcessManagementError(
            f"Cannot complete stage {standing.name}: it is {standing.state}, not running; call start_stage first",
            stage=standing.name,
        )
    if any(sub.state is not StageState.PENDING for sub in standing.declared()):
        missing = [
            sub.spec.name
            for sub in standing.declared()
            if sub.spec is not None and sub.spec.required and not sub.is_done
        ]
        if missing:
            raise DependencyError(
                f"Cannot complete stage {standing.name}: required substages not completed: {', '.join(missing)}",
                stage=standing.name,
                missing=tuple(missing),
            )
    return standing


def skip(machine: StageMachine, stage: str | int, reason: str, *, at: float) -> list[facts.Fact]:
    """An optional stage is left out."""
    standing = machine.find(stage)
    if standing.state is StageState.SKIPPED:
        return []
    if not standing.spec.optional:
        raise ProcessManagementError(
            f"Cannot skip stage {standing.name}: it is not optional; its configuration would say 'optional': True",
            stage=standing.name,
        )
    if standing.state in (StageState.RUNNING, StageState.COMPLETED):
        raise ProcessManagementError(f"Cannot skip stage {standing.name}: it is {standing.state}", stage=standing.name)
    return [facts.StageSkipped(stage=standing.name, at=at, reason=reason)]


def decide(spec: StageSpec, decision: str, values: object) -> object:
    """The decision as it counts: what is missing comes from its defaults. Raises InvalidDataError."""
    if not is_name(decision):
        raise InvalidDataError(
            f"stage {spec.name!r}: a decision's name is a printable text of 1 to {LONGEST_NAME} characters, "
            f"not {preview(decision, 80)}"
        )
    default = spec.decisions.get(decision)
    if isinstance(values, Mapping):
        strange = next((key for key in values if not isinstance(key, str)), None)
        if strange is not None:
            shown = preview(strange, 80)
            raise InvalidDataError(f"stage {spec.name!r}: decision {decision!r}: {shown} is no name of a value")
        return {**default, **values} if isinstance(default, Mapping) else dict(values)
    if decision in spec.decisions and not isinstance(default, Mapping):
        return values
    raise InvalidDataError(
        f"stage {spec.name!r}: decision {decision!r} is a dict of names and values, not {type(values).__name__}",
        stage=spec.name,
        decision=decision,
    )


def _refuse_second_start(standing: StageStanding, session: int) -> None:
    if standing.state is StageState.RUNNING and standing.session == session:
        raise ProcessManagementError(f"Cannot start stage {standing.name}: it is already running", stage=standing.name)
    if standing.state is StageState.COMPLETED and not standing.spec.repeatable:
        raise ProcessManagementError(
            f"Cannot start stage {standing.name}: it is completed; "
            "with 'repeatable': True in its configuration it would begin once more",
            stage=standing.name,
        )


def _refuse_early_start(standing: StageStanding, stages: Mapping[str, StageStanding]) -> None:
    name, spec = standing.name, standing.spec
    if spec.requires_previous:
        missing = [other.name for other in stages.values() if other.spec.sequence < spec.sequence and _blocks(other)]
        if missing:
            raise InvalidStageSequenceError(
                f"Cannot start stage {name}: previous stage {missing[0]} not completed",
                stage=name,
                missing=tuple(missing),
            )
    waits = [need for need in spec.dependencies if not stages[need].is_done]
    if waits:
        raise DependencyError(
            f"Cannot start stage {name}: it depends on {', '.join(waits)}, not completed",
            stage=name,
            missing=tuple(waits),
        )


def _blocks(other: StageStanding) -> bool:
    return not other.is_done and not (other.spec.optional and other.state is StageState.PENDING)


def _items_total(spec: StageSpec, items_total: int | None) -> int | None:
    if items_total is None:
        return None
    if not spec.loop:
        raise InvalidDataError(f"stage {spec.name!r} is no loop: its configuration would say 'loop': True")
    if isinstance(items_total, bool) or not isinstance(items_total, int) or items_total < 0:
        raise InvalidDataError(f"stage {spec.name!r}: items_total is a count of items, not {preview(items_total, 80)}")
    return items_total
