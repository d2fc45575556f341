"""Scenarios as tables."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from milepost.terminal.lists import runs_table
from milepost.terminal.style import Screen, Style
from milepost.terminal.table import Cell, Column, lay_out
from milepost.terminal.text import age, counted, safe, wrapped
from milepost.views.scenarios import ScenarioDetail, ScenarioLine

_SCENARIOS = (
    Column("scenario", least=10),
    Column("process", rank=3, least=8),
    Column("decisions", least=20),
    Column("version", rank=5, right=True),
    Column("saved", rank=1, right=True),
    Column("by", rank=4, least=6),
    Column("note", rank=2, least=10),
)


def scenarios_table(scenarios: Sequence[ScenarioLine], screen: Screen, now: float) -> list[str]:
    """`scenarios ls`: one line a scenario. The process stands where there are several."""
    several = len({scenario.process for scenario in scenarios}) > 1
    rows = [
        [
            Cell(safe(scenario.name, limit=60), Style.BOLD),
            Cell(safe(scenario.process, limit=30) if several else ""),
            Cell(_decisions(scenario), Style.RED if scenario.problem else Style.PLAIN),
            Cell(str(scenario.version) if scenario.version > 1 else "", Style.DIM),
            Cell(age(scenario.at, now), Style.DIM),
            Cell(safe(scenario.who, limit=30), Style.DIM),
            Cell(safe(scenario.note or "", limit=200), Style.DIM),
        ]
        for scenario in scenarios
    ]
    return lay_out(_SCENARIOS, rows, columns_wide=screen.columns, colour=screen.colour)


def scenario_page(detail: ScenarioDetail, screen: Screen, now: float) -> list[str]:
    """`scenarios show`: one scenario in full."""
    scenario = detail.scenario
    saved = (
        f"version {scenario.version}, saved {age(scenario.at, now)} by {safe(scenario.who)} on {safe(scenario.host)}"
    )
    lines = [
        f"{screen.paint(safe(scenario.name), Style.BOLD)}  {safe(scenario.process)}",
        *(screen.paint(line, Style.DIM) for line in wrapped(f"id {scenario.id}, {saved}", screen.columns, indent="  ")),
    ]
    if scenario.note:
        lines += wrapped(safe(scenario.note), screen.columns, indent="  ")
    lines += _values(scenario, screen)
    lines += _versions(detail.versions, screen, now)
    if detail.runs:
        lines += ["", *("  " + line for line in runs_table(detail.runs, _narrower(screen), now))]
    return lines


def _values(scenario: ScenarioLine, screen: Screen) -> list[str]:
    rows = [[Cell(safe(path)), Cell(_json(value), Style.PLAIN)] for path, value in scenario.decisions.items()]
    rows += [[Cell(safe(path)), Cell("not kept; give it with each run", Style.YELLOW)] for path in scenario.left_out]
    if scenario.problem:
        rows.append([Cell("others"), Cell(safe(scenario.problem), Style.RED)])
    if not rows:
        return ["", "  every decision at its default"]
    columns = (Column("decision", least=12), Column("value", least=8))
    return ["", *lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour, indent=2)]


def _versions(versions: Sequence[ScenarioLine], screen: Screen, now: float) -> list[str]:
    if len(versions) < 2:
        return []
    rows = [
        [
            Cell(str(version.version)),
            Cell(safe(version.name, limit=60)),
            Cell(age(version.at, now), Style.DIM),
            Cell(safe(version.who, limit=30), Style.DIM),
            Cell(_decisions(version)),
        ]
        for version in versions
    ]
    columns = (
        Column("version"), Column("name", rank=2, least=8), Column("saved", rank=1, right=True),
        Column("by", rank=3, least=6), Column("decisions", least=20),
    )  # fmt: skip
    return ["", *lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour, indent=2)]


def _decisions(scenario: ScenarioLine) -> str:
    told = [f"{safe(path)}={_json(value)}" for path, value in scenario.decisions.items()]
    told += [f"{safe(path)} is not kept" for path in scenario.left_out]
    told += ["others cannot be read here"] if scenario.problem else []
    return ", ".join(told) or "every decision at its default"


def _json(value: object) -> str:
    return safe(value if isinstance(value, str) else msgspec.json.encode(value).decode(), limit=300)


def _narrower(screen: Screen) -> Screen:
    return msgspec.structs.replace(screen, columns=max(screen.columns - 2, 20))


def saved_line(scenario: ScenarioLine) -> str:
    """What `scenarios save` says."""
    which = "" if scenario.version == 1 else f" as version {scenario.version}"
    kept = counted(len(scenario.decisions), "decision")
    lost = f"; not kept: {', '.join(safe(path) for path in scenario.left_out)}" if scenario.left_out else ""
    return f"saved scenario {safe(scenario.name)} of {safe(scenario.process)}{which}: {kept}{lost}"
