"""Scenarios compared: a list with what each decides and what came of it, which prints as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from milepost.model.comparison import formats
from milepost.model.comparison.lines import Comparison, compare_subjects
from milepost.model.comparison.subjects import Subject
from milepost.model.rows import StageRow
from milepost.model.status import StageState
from milepost.process.comparing.scenario_subjects import read_scenarios
from milepost.process.decisions.scenarios import Scenario
from milepost.store.objects import Objects
from milepost.store.protocol import Store


class ScenarioComparison(list[dict[str, object]]):
    """One dict for each scenario, in the order they were asked for: `name`, `id`, `decisions`, `timestamp`.

    A scenario that was carried out also has `run`, `results` (by stage: state, seconds, failed items, metrics) and
    `metrics` (by "stage.name"). The whole prints as a table of what differs, and shows as one in a notebook.
    """

    def __init__(self, items: Iterable[dict[str, object]], comparison: Comparison) -> None:
        super().__init__(items)
        self._comparison = comparison

    @property
    def diff(self) -> dict[str, dict[str, object]]:
        """The decisions that differ: path -> {scenario: value}; without a scenario that has no such decision."""
        names = [column.label for column in self._comparison.columns]
        return {
            line.path: {
                name: msgspec.json.decode(text)
                for name, text in zip(names, line.values, strict=True)
                if text is not None
            }
            for line in self._comparison.decisions
            if line.differs
        }

    @property
    def metrics(self) -> dict[str, dict[str, object]]:
        """Every metric: "stage.name" -> {scenario: number}; without a scenario that has no such number."""
        names = [column.label for column in self._comparison.columns]
        return {
            line.path: {name: number for name, number in zip(names, line.values, strict=True) if number is not None}
            for line in self._comparison.metrics
        }

    def to_table(self, *, everything: bool = False) -> str:
        """What differs as plain text, or `everything`."""
        return formats.plain(self._comparison, everything=everything)

    def to_markdown(self, *, everything: bool = False) -> str:
        """The same as a table in Markdown."""
        return formats.markdown(self._comparison, everything=everything)

    def _repr_html_(self) -> str:
        return formats.html(self._comparison)

    def __str__(self) -> str:
        return self.to_table()


def compare_scenarios(
    store: Store,
    objects: Objects,
    lock_folder: Path,
    scenarios: Sequence[Scenario],
    *,
    now: float,
    stage_of: Callable[[str], object] = str,
) -> ScenarioComparison:
    """These scenarios with what is recorded of them. `stage_of`: how `decisions` and `results` address a stage."""
    subjects = read_scenarios(store, objects, lock_folder, scenarios, now=now)
    items = [_item(scenario, subject, stage_of) for scenario, subject in zip(scenarios, subjects, strict=True)]
    return ScenarioComparison(items, compare_subjects(subjects))


def _item(scenario: Scenario, subject: Subject, stage_of: Callable[[str], object]) -> dict[str, object]:
    item: dict[str, object] = {
        "name": scenario.name,
        "id": scenario.id,
        "decisions": {stage_of(stage): dict(values) for stage, values in scenario.decisions.items()},
        "timestamp": datetime.fromtimestamp(scenario.at, UTC).isoformat(),
    }
    if subject.run is not None:
        item["run"] = subject.run.name
        item["results"] = {
            stage_of(row.stage) if row.parent is None else row.stage: _result(row) for row in subject.stages
        }
        item["metrics"] = subject.metrics
    return item


def _result(row: StageRow) -> dict[str, object]:
    return {
        "status": row.state.value,
        "seconds": row.seconds,
        "reused": row.state is StageState.REUSED,
        "items_failed": row.items_failed,
        "metrics": msgspec.json.decode(row.metrics),
    }
