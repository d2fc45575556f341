"""Scenarios read as subjects to compare: what each decides, and the newest run that was carried out with just that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from milepost.errors import MilepostError
from milepost.model.comparison.subjects import UNKNOWN, Subject, Value
from milepost.model.decision import DecisionPoint
from milepost.model.fingerprint.values import preview
from milepost.model.folding import fold_decisions
from milepost.model.redaction import redact
from milepost.model.rows import DecisionRow, RunRow, StageRow
from milepost.process.comparing.run_subjects import read_subjects
from milepost.process.comparing.showing import runs_that_show
from milepost.process.comparing.traced import by_hand, with_results
from milepost.process.decisions.projects import runs_of_project
from milepost.process.decisions.recording import in_json
from milepost.process.decisions.scenarios import Scenario
from milepost.process.many_rows import rows_of
from milepost.store import codecs, envelope
from milepost.store.objects import Objects
from milepost.store.protocol import Store

Path2 = tuple[str, str]  # (stage, name)
Values = dict[Path2, Value]
Results = tuple[StageRow, ...] | None  # None: its runs say it all


def read_scenarios(
    store: Store, objects: Objects, lock_folder: Path, scenarios: Sequence[Scenario], *, now: float
) -> list[Subject]:
    """These scenarios as subjects, in their order. One that was never run has no more than its decisions.

    Its run is the newest that was asked for it, else the newest at all, whose decisions are those of the scenario: a
    run of an earlier version, or with other decisions over it, does not show what this one comes to.
    """
    values = [_values(scenario) for scenario in scenarios]
    runs = runs_that_show(store, scenarios, values)
    traced = by_hand(store, {scenario.process for scenario in scenarios}, now)
    results = [traced[it.process].stages(it.decisions) if it.process in traced else None for it in scenarios]
    shown = _shown(store, lock_folder, runs, results, now)
    defaults = _defaults(store, scenarios, runs)
    return [
        _subject(scenario, mine, subject, defaults.get(scenario.process, {}))
        for scenario, mine, subject in zip(scenarios, values, shown, strict=True)
    ]


def _shown(
    store: Store, lock_folder: Path, runs: Sequence[RunRow | None], results: Sequence[Results], now: float
) -> list[Subject | None]:
    """Each run as a subject. Where `results` says what its stages come to, that counts, whichever run made it."""
    ids = list({row.run for rows, run in zip(results, runs, strict=True) if run is None for row in rows or ()})
    made = {row.id: row for row in rows_of(store, RunRow, "id", ids)}
    which = [run or _newest(rows, made) for run, rows in zip(runs, results, strict=True)]
    known = list({run.id: run for run in which if run is not None}.values())
    read = {it.run.id: it for it in read_subjects(store, lock_folder, known, now=now) if it.run}
    shown: list[Subject | None] = []
    for asked, run, rows in zip(runs, which, results, strict=True):
        subject = read[run.id] if run is not None else None
        if subject is not None and rows is not None:
            subject = with_results(store, subject, rows, is_its_own=asked is not None)
        shown.append(subject)
    return shown


def _newest(rows: Results, made: Mapping[str, RunRow]) -> RunRow | None:
    makers = (made[row.run] for row in rows or () if row.run in made)
    return max(makers, key=lambda run: run.created, default=None)


def _subject(scenario: Scenario, values: Values, shown: Subject | None, defaults: Values) -> Subject:
    if shown is None:
        return Subject(
            label=scenario.name,
            process=scenario.process,
            scenario=scenario.name,
            decisions={**defaults, **_secrets(scenario), **values},
        )
    decisions = {**shown.decisions, **values}
    return msgspec.structs.replace(shown, label=scenario.name, scenario=scenario.name, decisions=decisions)


def _values(scenario: Scenario) -> Values:
    found: Values = {}
    for stage, values in scenario.decisions.items():
        for name, value in values.items():
            found[stage, name] = _value(DecisionPoint(stage=stage, name=name), value)
    return found


def _secrets(scenario: Scenario) -> Values:
    """What a scenario does not keep; a run with it tells more."""
    paths = (path.partition(".") for path in scenario.left_out)
    return {(stage, name): Value('"*** (not kept)"', UNKNOWN) for stage, _, name in paths}


def _value(point: DecisionPoint, value: object) -> Value:
    written = in_json(point, value)
    if written is not None:
        return Value(written.text)
    text = msgspec.json.encode(redact(preview(value))).decode()
    try:
        encoded = codecs.encode(value)
    except MilepostError:
        return Value(text, text)
    return Value(text, envelope.address_text(envelope.address_of(encoded.codec, encoded.payload, encoded.size_bytes)))


def _defaults(store: Store, scenarios: Sequence[Scenario], runs: Sequence[RunRow | None]) -> dict[str, Values]:
    """What the newest run of a process says of its defaults: they count where a scenario says nothing."""
    found: dict[str, Values] = {}
    for process in {it.process for it, run in zip(scenarios, runs, strict=True) if run is None}:
        newest = next(iter(runs_of_project(store, process)), None)
        rows = fold_decisions(store.rows(DecisionRow, run=newest.id)) if newest else {}
        found[process] = {
            path: Value(row.default, UNKNOWN if row.is_redacted else None)
            for path, row in rows.items()
            if row.default is not None
        }
    return found
