"""What may happen next to a substage or a work item: the facts to record, or an error and nothing changes."""

from __future__ import annotations

from collections.abc import Collection

from milepost.errors import DependencyError, InvalidDataError, ProcessManagementError
from milepost.model.by_hand import facts
from milepost.model.by_hand.machine import StageMachine
from milepost.model.by_hand.specs import StageSpec
from milepost.model.by_hand.stage_standing import StageStanding, SubstageStanding
from milepost.model.fingerprint.preview import preview
from milepost.model.names import LONGEST_NAME
from milepost.model.nearest import did_you_mean
from milepost.model.progress import told_fraction
from milepost.model.shortening import encodable
from milepost.model.status import StageState

_MOST = 10**LONGEST_NAME


def start(machine: StageMachine, stage: str | int, substage: str | int, *, at: float) -> list[facts.Fact]:
    """A substage of a running stage, or a work item of a loop, begins; again after it failed."""
    standing = machine.find(stage)
    name = substage_name(standing.spec, substage)
    where = f"substage {name} of stage {standing.name}"
    if standing.state is not StageState.RUNNING:
        raise ProcessManagementError(
            f"Cannot start {where}: the stage is {standing.state}, not running", stage=standing.name, substage=name
        )
    sub = standing.substages.get(name)
    if sub is not None:
        if sub.state is StageState.COMPLETED or (sub.state is StageState.RUNNING and sub.session == machine.session):
            said = "completed" if sub.state is StageState.COMPLETED else "already running"
            raise ProcessManagementError(f"Cannot start {where}: it is {said}", stage=standing.name, substage=name)
        _refuse_missing(where, standing, sub)
    return [facts.SubstageStarted(stage=standing.name, at=at, substage=name, attempt=sub.attempt + 1 if sub else 1)]


def track(
    machine: StageMachine,
    stage: str | int,
    substage: str | int,
    progress: object,
    message: str,
    metadata: object,
    *,
    at: float,
) -> list[facts.Fact]:
    """How far a substage says it is."""
    standing, name, _ = _known_substage(machine, stage, substage)
    told = told_fraction(f"{standing.name}, substage {name}", progress)
    return [
        facts.SubstageTracked(
            stage=standing.name, at=at, substage=name, progress=told, message=message, metadata=metadata
        )
    ]


def check_complete(machine: StageMachine, stage: str | int, substage: str | int) -> tuple[str, str]:
    """Stage and substage, when it may be completed now."""
    standing, name, sub = _known_substage(machine, stage, substage)
    if sub.state is not StageState.RUNNING or standing.state is not StageState.RUNNING:
        raise ProcessManagementError(
            f"Cannot complete substage {name} of stage {standing.name}: it is {sub.state}, not running; "
            "call start_substage first",
            stage=standing.name,
            substage=name,
        )
    return standing.name, name


def find_failed(machine: StageMachine, stage: str | int, substage: str | int) -> tuple[str, str]:
    """Stage and substage, to record a failure; of one in any state."""
    standing = machine.find(stage)
    return standing.name, substage_name(standing.spec, substage)


def skip(machine: StageMachine, stage: str | int, substage: str | int, reason: str, *, at: float) -> list[facts.Fact]:
    """A substage that is not required is left out, and what waited for it begins by itself if so configured."""
    standing = machine.find(stage)
    name = substage_name(standing.spec, substage)
    sub = standing.substages.get(name)
    where = f"substage {name} of stage {standing.name}"
    if sub is not None and sub.state is StageState.SKIPPED:
        return []
    if sub is not None and sub.spec is not None and sub.spec.required:
        raise ProcessManagementError(f"Cannot skip {where}: it is required", stage=standing.name, substage=name)
    if standing.state is StageState.COMPLETED:
        raise ProcessManagementError(f"Cannot skip {where}: the stage is completed", stage=standing.name)
    if sub is not None and sub.state in (StageState.RUNNING, StageState.COMPLETED):
        raise ProcessManagementError(f"Cannot skip {where}: it is {sub.state}", stage=standing.name, substage=name)
    skipped = facts.SubstageSkipped(stage=standing.name, at=at, substage=name, reason=reason)
    return [skipped, *after_substage(standing, name, at=at)]


def after_substage(standing: StageStanding, ended: str, *, at: float) -> list[facts.Fact]:
    """What follows by itself when this substage is done: others that waited begin, or the stage is completed."""
    if standing.state is not StageState.RUNNING:
        return []
    done = {name for name in standing.spec.substages if standing.substages[name].is_done} | {ended}
    running = {name for name in standing.spec.substages if standing.substages[name].state is StageState.RUNNING}
    begun = started_by_themselves(standing, done, (StageState.PENDING,), at=at)
    if begun or running - {ended} or not _is_complete(standing, done, ended):
        return begun
    return [facts.StageCompleted(stage=standing.name, at=at, by_substages=True)]


def substage_name(spec: StageSpec, substage: str | int) -> str:
    """The name of a declared substage, or of a work item of a loop. Raises InvalidDataError with the nearest name."""
    known = spec.substage(substage) if isinstance(substage, str | int) else None
    if known is not None:
        return known.name
    if spec.loop:
        return _item_name(spec, substage)
    hint = did_you_mean(substage if isinstance(substage, str) else "", spec.substages)
    declared = "" if spec.substages else " It has none; a stage with 'loop': True takes any name."
    raise InvalidDataError(
        f"stage {spec.name!r} has no substage {preview(substage, 80)}.{hint}{declared}", stage=spec.name
    )


def _item_name(spec: StageSpec, item: str | int) -> str:
    """What a work item is called: any text, or a whole number."""
    is_number = isinstance(item, int) and not isinstance(item, bool) and abs(item) < _MOST
    name = str(item) if is_number or isinstance(item, str) else ""
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidDataError(
            f"stage {spec.name!r}: an item's name is a text of 1 to {LONGEST_NAME} characters or a whole number, "
            f"not {_shown(item)}",
            stage=spec.name,
        )
    return encodable(name)


def _shown(item: object) -> str:
    return f"{item!r:.80}" if isinstance(item, str) else type(item).__name__


def _refuse_missing(where: str, standing: StageStanding, sub: SubstageStanding) -> None:
    waits = [need for need in (sub.spec.dependencies if sub.spec else ()) if not standing.substages[need].is_done]
    if waits:
        raise DependencyError(
            f"Cannot start {where}: it depends on {', '.join(waits)}, not completed",
            stage=standing.name,
            missing=tuple(waits),
        )


def _known_substage(
    machine: StageMachine, stage: str | int, substage: str | int
) -> tuple[StageStanding, str, SubstageStanding]:
    standing = machine.find(stage)
    name = substage_name(standing.spec, substage)
    sub = standing.substages.get(name)
    if sub is None:
        raise ProcessManagementError(
            f"stage {standing.name}: item {name} was not started; call start_substage first", stage=standing.name
        )
    return standing, name, sub


def started_by_themselves(
    standing: StageStanding, done: set[str], eligible: Collection[StageState], *, at: float
) -> list[facts.Fact]:
    """The substages with `auto_start` that nothing keeps waiting any more."""
    subs = ((sub.spec, sub) for sub in standing.declared() if sub.spec is not None)
    return [
        facts.SubstageStarted(stage=standing.name, at=at, substage=spec.name, attempt=sub.attempt + 1)
        for spec, sub in subs
        if spec.auto_start and spec.name not in done and sub.state in eligible and set(spec.dependencies) <= done
    ]


def _is_complete(standing: StageStanding, done: set[str], ended: str) -> bool:
    if not standing.spec.auto_complete_on_substages:
        return False
    if not standing.spec.substages:  # a loop: all of its items, the one at hand too
        before = standing.items_done
        sub = standing.substages.get(ended)
        return standing.items_total is not None and before + (sub is None or not sub.is_done) >= standing.items_total
    needed = {sub.name for sub in standing.spec.substages.values() if not sub.optional}
    return (needed or set(standing.spec.substages)) <= done
