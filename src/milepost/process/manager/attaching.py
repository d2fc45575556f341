"""Taking over the decisions that a run has recorded."""

from __future__ import annotations

from milepost.kernel.warning import warn
from milepost.model.rows import DecisionRow
from milepost.process.decisions.recording import read_value
from milepost.process.manager.deciding import Decided, DecisionPoints
from milepost.process.manager.naming import StageId, StageNames
from milepost.process.underway import RunUnderway


def changed_since(run: RunUnderway, at: float, names: StageNames) -> set[tuple[StageId, str]]:
    """The decisions of which the run's rows say something else now than they did at that time."""
    before: dict[tuple[str, str], object] = {}
    now: dict[tuple[str, str], object] = {}
    for row in run.store.rows(DecisionRow, run=run.id):
        said = now[row.stage, row.name] = None if row.source == "removed" else (row.value, row.address)
        if row.at <= at:
            before[row.stage, row.name] = said
    return {(names.id_of(stage), name) for (stage, name), said in now.items() if before.get((stage, name)) != said}


def recorded_choices(run: RunUnderway, points: DecisionPoints) -> Decided:
    """What the run's rows say was chosen; a default that is another one today stays what it was.

    What was not kept, as it is secret or cannot be stored, is left out with a warning.
    """
    current = {(row.stage, row.name): row for row in run.store.rows(DecisionRow, run=run.id)}
    chosen: dict[StageId, dict[str, object]] = {}
    lost: list[str] = []
    for (text, name), row in current.items():
        stage = points.names.id_of(text)
        if row.source == "removed":
            continue
        if row.is_redacted:
            if row.source != "default":
                lost.append(f"{text}.{name}")
            continue
        value = read_value(points.point(stage, name), row, run.objects)
        if row.source == "default" and points.is_default(stage, name, value):
            continue
        chosen.setdefault(stage, {})[name] = value
    if lost:
        warn(f"milepost: run {run.run.name} does not keep {', '.join(sorted(lost))}; make these decisions again")
    return Decided(chosen=chosen)
