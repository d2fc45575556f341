"""Which run shows what a scenario comes to: the newest that was carried out with just its decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from milepost.model.comparison.subjects import Value, identity
from milepost.model.folding import fold_decisions
from milepost.model.rows import DecisionRow, RunRow
from milepost.process.decisions.projects import project_of, runs_of_project
from milepost.process.decisions.scenarios import Scenario
from milepost.process.many_rows import grouped, rows_of
from milepost.store.protocol import Store

Path2 = tuple[str, str]  # (stage, name)
MASKED = None  # in place of the identity of a value that cannot be compared


class _Decided(msgspec.Struct, frozen=True):
    """What a run was carried out with, by identity; `chosen` are those that are not known to be at their default."""

    run: RunRow
    values: Mapping[Path2, str | None]
    chosen: tuple[Path2, ...]


def runs_that_show(
    store: Store, scenarios: Sequence[Scenario], values: Sequence[Mapping[Path2, Value]]
) -> list[RunRow | None]:
    """For each scenario, with its `values`, the run that shows it. Runs that were asked for it are looked at first."""
    wanted = [{path: identity(value) for path, value in each.items()} for each in values]
    asked = rows_of(store, RunRow, "scenario", list({scenario.name for scenario in scenarios}))
    decided = _decided(store, sorted(asked, key=lambda run: -run.created))
    by_name = grouped(decided, lambda one: (project_of(one.run), one.run.scenario))
    found = [
        _first(by_name.get((scenario.process, scenario.name), ()), scenario, mine)
        for scenario, mine in zip(scenarios, wanted, strict=True)
    ]
    missing = {scenario.process for scenario, run in zip(scenarios, found, strict=True) if run is None}
    others = {process: _Others(store, process) for process in missing}
    return [
        run or _first(others[scenario.process].like(mine), scenario, mine)
        for scenario, mine, run in zip(scenarios, wanted, found, strict=True)
    ]


class _Others:
    """The newest runs of a process, found by any one decision."""

    def __init__(self, store: Store, process: str) -> None:
        self._all = _decided(store, runs_of_project(store, process))
        self._by_value: dict[tuple[Path2, str | None], list[_Decided]] = {}
        for one in self._all:
            for decision in one.values.items():
                self._by_value.setdefault(decision, []).append(one)

    def like(self, wanted: Mapping[Path2, str]) -> Sequence[_Decided]:
        """Those that share the decision that the fewest share; newest first."""
        shared = [self._by_value.get(each, []) for each in wanted.items() if (each[0], MASKED) not in self._by_value]
        return min(shared, key=len, default=self._all)


def _first(runs: Iterable[_Decided], scenario: Scenario, wanted: Mapping[Path2, str]) -> RunRow | None:
    return next((one.run for one in runs if _shows(one, scenario, wanted)), None)


def _shows(one: _Decided, scenario: Scenario, wanted: Mapping[Path2, str]) -> bool:
    """Whether a run decided what the scenario decides, and everything else by default.

    Secrets that the scenario does not keep cannot be compared: only a run that was asked for it had them from its user.
    """
    if not one.values or (scenario.left_out and one.run.scenario != scenario.name):
        return False
    if any(one.values.get(path, "") not in (value, MASKED) for path, value in wanted.items()):
        return False
    return all(path in wanted or ".".join(path) in scenario.left_out for path in one.chosen)


def _decided(store: Store, runs: Sequence[RunRow]) -> list[_Decided]:
    rows = grouped(rows_of(store, DecisionRow, "run", [run.id for run in runs]), lambda row: row.run)
    return [_of_run(run, fold_decisions(rows.get(run.id, ()))) for run in runs]


def _of_run(run: RunRow, rows: Mapping[Path2, DecisionRow]) -> _Decided:
    return _Decided(
        run=run,
        values={
            path: MASKED if row.is_redacted else identity(Value(row.value, row.address)) for path, row in rows.items()
        },
        chosen=tuple(path for path, row in rows.items() if not _is_default(row)),
    )


def _is_default(row: DecisionRow) -> bool:
    if row.source == "default":
        return True
    return not row.is_redacted and row.address is None and row.value == row.default
