"""What a user means to compare: runs and scenarios by their words, or the newest runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from milepost.errors import InvalidDataError, UnknownRunError, UnknownScenarioError
from milepost.model.comparison.subjects import Subject
from milepost.model.nearest import did_you_mean
from milepost.model.rows import RunRow
from milepost.process.comparing.run_subjects import read_subjects
from milepost.process.comparing.scenario_subjects import read_scenarios
from milepost.process.decisions.scenarios import Scenario, scenarios_of_all
from milepost.process.finding import find_run, find_scenario
from milepost.store.objects import Objects
from milepost.store.protocol import Store

RUN, SCENARIO = "run:", "scenario:"  # what a user may put before a word that means both


def find_subjects(
    store: Store, objects: Objects, lock_folder: Path, words: Sequence[str], *, process: str | None, now: float
) -> list[Subject]:
    """What each word means, in their order: a run (name, id, "last") or a scenario, of `process` where that is said.

    Raises UnknownRunError for what is neither, InvalidDataError for what is both, ScenarioStateError where several
    processes have such a scenario.
    """
    meant = [_meant(store, objects, word, process) for word in words]
    runs = [each for each in meant if isinstance(each, RunRow)]
    scenarios = [each for each in meant if isinstance(each, Scenario)]
    of_runs = iter(read_subjects(store, lock_folder, runs, now=now))
    of_scenarios = iter(read_scenarios(store, objects, lock_folder, scenarios, now=now))
    return [next(of_runs) if isinstance(each, RunRow) else next(of_scenarios) for each in meant]


def newest_subjects(store: Store, lock_folder: Path, count: int, *, process: str | None, now: float) -> list[Subject]:
    """The newest runs, of `process` where that is said, the oldest of them first."""
    equal: dict[str, Any] = {} if process is None else {"process": process}
    rows = store.rows(RunRow, newest=True, limit=count, **equal)
    return read_subjects(store, lock_folder, rows[::-1], now=now)


def _meant(store: Store, objects: Objects, word: str, process: str | None) -> RunRow | Scenario:
    if word.startswith(RUN):
        return find_run(store, word.removeprefix(RUN))
    if word.startswith(SCENARIO):
        return find_scenario(store, objects, word.removeprefix(SCENARIO), process)[1]
    run = _exact_run(store, word)
    scenario = _scenario(store, objects, word, process)
    if run is not None and scenario is not None:
        raise InvalidDataError(
            f"{word!r} is a run and a scenario of {scenario.process!r} too: say {RUN}{word} or {SCENARIO}{word}"
        )
    found = run or scenario
    return found if found is not None else _by_id(store, objects, word)


def _exact_run(store: Store, word: str) -> RunRow | None:
    if word == "last":
        return store.get(RunRow)
    return store.get(RunRow, name=word) or store.get(RunRow, id=word)


def _scenario(store: Store, objects: Objects, word: str, process: str | None) -> Scenario | None:
    try:
        return find_scenario(store, objects, word, process)[1]
    except UnknownScenarioError:
        return None


def _by_id(store: Store, objects: Objects, word: str) -> RunRow:
    """By the beginning of an id, as `find_run` does; what there is not is refused with the nearest name."""
    try:
        return find_run(store, word)
    except UnknownRunError as error:
        known = [run.name for run in store.rows(RunRow, newest=True, limit=1000)]
        known += [scenario.name for of_one in scenarios_of_all(store, objects) for scenario in of_one.all()]
        if not known:
            raise
        raise UnknownRunError(
            f"no run and no scenario is called {word!r} in this workspace.{did_you_mean(word, known)} "
            "See `milepost ls` and `milepost scenarios`."
        ) from error
