"""Scenarios as faces show them: the list, and one with its versions and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from milepost.errors import ObjectError
from milepost.model.redaction import redact_value
from milepost.process.decisions.scenarios import Scenario, Scenarios
from milepost.store.protocol import Store
from milepost.views.runs import RunLine, list_runs
from milepost.views.view import View

RUNS_SHOWN = 5


class ScenarioLine(View, frozen=True, kw_only=True):
    """One version of a scenario. `decisions`: "stage.name" to a value that JSON can hold, a short text for others.

    `problem`: why those of its values that JSON cannot hold cannot be read here.
    """

    id: str
    process: str
    name: str
    version: int
    decisions: dict[str, object]
    left_out: tuple[str, ...]
    at: datetime
    who: str
    host: str
    note: str | None
    problem: str | None = None


class ScenarioDetail(View, frozen=True, kw_only=True):
    """One scenario in full: `versions` oldest first, `runs` newest first."""

    scenario: ScenarioLine
    versions: tuple[ScenarioLine, ...]
    runs: tuple[RunLine, ...]


def list_scenarios(each: Iterable[Scenarios]) -> list[ScenarioLine]:
    """The current version of every scenario."""
    return [scenario_line(scenario) for scenarios in each for scenario in scenarios.all()]


def scenario_detail(
    scenarios: Scenarios, scenario: Scenario, store: Store, lock_folder: Path, *, now: float
) -> ScenarioDetail:
    """One scenario with its versions and the runs that were asked for it."""
    versions = scenarios.versions(scenario.id)
    others = {other.name for other in scenarios.all() if other.id != scenario.id}
    names = sorted({version.name for version in versions} - others)
    runs = list_runs(store, lock_folder, now=now, limit=RUNS_SHOWN, process=scenario.process, scenario=names)
    return ScenarioDetail(
        scenario=scenario_line(scenario),
        versions=tuple(scenario_line(version) for version in versions),
        runs=tuple(runs),
    )


def scenario_line(scenario: Scenario) -> ScenarioLine:
    """The view of one version."""
    decisions, problem = _shown(scenario)
    return ScenarioLine(
        id=scenario.id,
        process=scenario.process,
        name=scenario.name,
        version=scenario.version,
        decisions=decisions,
        left_out=scenario.left_out,
        at=datetime.fromtimestamp(scenario.at, UTC),
        who=scenario.who,
        host=scenario.host,
        note=scenario.note,
        problem=problem,
    )


def _shown(scenario: Scenario) -> tuple[dict[str, object], str | None]:
    problem: str | None = None
    try:
        decisions = dict(scenario.decisions)
    except ObjectError as error:
        decisions, problem = msgspec.json.decode(scenario.plain, type=dict[str, Mapping[str, object]]), str(error)
    return {
        f"{stage}.{name}": redact_value(name, value)[0]
        for stage, values in decisions.items()
        for name, value in values.items()
    }, problem
