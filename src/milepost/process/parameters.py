"""What each parameter of a stage is: a dependency, the item, a handle, or a decision point."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Collection, Mapping

import msgspec

from milepost.errors import DefinitionError
from milepost.kernel.handles import Run, Stage
from milepost.model.decision import MISSING, DecisionPoint
from milepost.process.stages import StageFunction

HANDLES: Mapping[object, str] = {Run: "run", Stage: "stage"}


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of one stage, sorted by what they receive."""

    upstream: Mapping[str, str]  # parameter -> stage
    item: str | None  # receives the item of a mapped stage
    handles: Mapping[str, str]  # parameter -> "run" or "stage"
    points: Mapping[str, DecisionPoint]


def classify(stage: StageFunction[..., object], stages: Collection[str]) -> Parameters:
    """Sort a stage's parameters. Raises DefinitionError, naming stage and parameter, for those that fit nowhere."""
    name, options = stage.options.name, stage.options
    declared = _declared(stage)
    _refuse_unknown_needs(stage, declared)
    hints = _hints(stage)
    upstream: dict[str, str] = {}
    handles: dict[str, str] = {}
    points: dict[str, DecisionPoint] = {}
    item: str | None = None
    for parameter in declared.values():
        annotation = hints.get(parameter.name, typing.Any)
        if parameter.name in options.needs:
            upstream[parameter.name] = options.needs[parameter.name]
        elif _handle(annotation) is not None:
            handles[parameter.name] = typing.cast(str, _handle(annotation))
        elif parameter.name in stages and parameter.name != name:
            upstream[parameter.name] = parameter.name
        elif options.each is not None and item is None:
            _refuse_default(stage, parameter, upstream)
            item = parameter.name
        else:
            default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
            points[parameter.name] = DecisionPoint(
                stage=name, name=parameter.name, annotation=annotation, default=default
            )
    if options.each is not None and item is None:
        raise DefinitionError(f"stage {name!r} maps over {options.each!r} but has no parameter that takes the item")
    return Parameters(upstream=upstream, item=item, handles=handles, points=points)


def _declared(stage: StageFunction[..., object]) -> Mapping[str, inspect.Parameter]:
    declared = inspect.signature(stage.__wrapped__).parameters
    for parameter in declared.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise DefinitionError(
                f"stage {stage.options.name!r}: parameter {parameter} cannot be planned; "
                "give each input a named parameter of its own"
            )
    return declared


def _refuse_unknown_needs(stage: StageFunction[..., object], declared: Collection[str]) -> None:
    for parameter in stage.options.needs:
        if parameter not in declared:
            raise DefinitionError(
                f"stage {stage.options.name!r}: needs= names the parameter {parameter!r}, "
                "which the function does not have"
            )


def _refuse_default(
    stage: StageFunction[..., object], parameter: inspect.Parameter, upstream: Mapping[str, str]
) -> None:
    """An item's parameter with a default, beside one that takes all of them: it was meant to be a decision."""
    each = stage.options.each
    whole = next((name for name, needed in upstream.items() if needed == each), None)
    if whole is not None and parameter.default is not inspect.Parameter.empty:
        raise DefinitionError(
            f"stage {stage.options.name!r} maps over {each!r}: its parameter {whole!r} takes the whole result of that "
            f"stage, and {parameter.name!r}, which has a default, would take the item; give the parameter that takes "
            f"the item a name that is no stage's"
        )


def _hints(stage: StageFunction[..., object]) -> Mapping[str, object]:
    try:
        return typing.get_type_hints(inspect.unwrap(stage.__wrapped__), include_extras=True)
    except Exception as error:
        raise DefinitionError(f"stage {stage.options.name!r}: an annotation cannot be resolved: {error}") from error


def _handle(annotation: object) -> str | None:
    for part in (annotation, *typing.get_args(annotation)):
        try:
            if part in HANDLES:
                return HANDLES[part]
        except TypeError:  # an unhashable annotation is no handle
            continue
    return None
