"""What a run is asked for: the decisions of a scenario, and over them those given by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from milepost.errors import InvalidDataError, ScenarioStateError
from milepost.kernel.workspace import Workspace
from milepost.model.decision import Choice, accept_given, refuse_unknown
from milepost.model.redaction import redact
from milepost.process.decisions.scenarios import Scenario, Scenarios

if TYPE_CHECKING:
    from milepost.process.definition import Process

Given = dict[str, dict[str, object]]  # stage -> name -> value
Choices = Mapping[str, Mapping[str, Choice]]


def chosen_scenario(process: Process, name: str, workspace: Workspace | str | None) -> Scenario:
    """The scenario of this name or id. Where there is no workspace none is made, and the name is unknown."""
    place = workspace if isinstance(workspace, Workspace) else Workspace.open_to_plan(workspace)
    return Scenarios(place.store, place.objects, process.name).get(name)


def overridden(process: Process, scenario: Scenario, given: Given) -> Given:
    """The scenario's decisions with the given ones in their place.

    Raises ScenarioStateError for one that the process does not take any more, or not this value; InvalidDataError
    for a secret that the scenario does not keep and nobody gives.
    """
    decisions = dict(scenario.decisions)
    kept = {
        stage: {name: value for name, value in values.items() if name not in given.get(stage, {})}
        for stage, values in decisions.items()
    }
    try:
        refuse_unknown(process.points, decisions)
        accept_given(process.points, kept)
    except InvalidDataError as error:
        raise ScenarioStateError(
            f"scenario {scenario.name!r} does not fit process {process.name!r} as it is now: {error} "
            f"Save it again under its name, or run without it.",
            scenario=scenario.name,
        ) from error
    _refuse_missing(process, scenario, given)
    return {stage: {**kept.get(stage, {}), **given.get(stage, {})} for stage in {**kept, **given}}


def noted(choices: Choices, note: str) -> dict[str, dict[str, Choice]]:
    """The same choices; those that were chosen bear the note."""
    said = redact(note)
    return {
        stage: {
            name: msgspec.structs.replace(choice, note=said) if choice.source == "chosen" else choice
            for name, choice in of_stage.items()
        }
        for stage, of_stage in choices.items()
    }


def _refuse_missing(process: Process, scenario: Scenario, given: Given) -> None:
    for path in scenario.left_out:
        stage, _, name = path.partition(".")
        if name in process.points.get(stage, {}) and name not in given.get(stage, {}):
            raise InvalidDataError(
                f"scenario {scenario.name!r} does not keep {path}, which is secret or cannot be stored: "
                f"give it with the run, --set {path}=… or decisions={{{path!r}: …}}",
                scenario=scenario.name,
                decision=path,
            )
