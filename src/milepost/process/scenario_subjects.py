"""Scenarios read as subjects to compare: what each decides, and the newest run that was carried out with just that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from milepost.errors import MilepostError
from milepost.model.comparison.subjects import UNKNOWN, Subject, Value, identity
from milepost.model.decision import DecisionPoint
from milepost.model.fingerprint.values import preview
from milepost.model.redaction import redact
from milepost.model.rows import DecisionRow, RunRow, StageRow
from milepost.process.recording import in_json
from milepost.process.scenarios import Scenario
from milepost.process.subjects import NEWEST, current_rows, grouped, read_subjects, rows_of
from milepost.process.traced import by_hand, with_results
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
    runs = _runs(store, scenarios, values)
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


def _runs(store: Store, scenarios: Sequence[Scenario], values: Sequence[Values]) -> list[RunRow | None]:
    """The run that shows each scenario. Those that were asked for it are looked at first: they are few."""
    asked = rows_of(store, RunRow, "scenario", list({scenario.name for scenario in scenarios}))
    by_name = grouped(sorted(asked, key=lambda run: -run.created), lambda run: (run.process, run.scenario))
    rows = _current(store, [run for runs in by_name.values() for run in runs])
    found = [
        next((run for run in by_name.get((it.process, it.name), ()) if _is_shown_by(it, mine, run, rows[run.id])), None)
        for it, mine in zip(scenarios, values, strict=True)
    ]
    missing = {it.process for it, run in zip(scenarios, found, strict=True) if run is None}
    others = {process: store.rows(RunRow, process=process, newest=True, limit=NEWEST) for process in missing}
    rows = _current(store, [run for runs in others.values() for run in runs])
    return [
        run or next((other for other in others[it.process] if _is_shown_by(it, mine, other, rows[other.id])), None)
        for it, mine, run in zip(scenarios, values, found, strict=True)
    ]


def _current(store: Store, runs: Iterable[RunRow]) -> dict[str, dict[Path2, DecisionRow]]:
    ids = [run.id for run in runs]
    rows = grouped(rows_of(store, DecisionRow, "run", ids), lambda row: row.run)
    return {run: current_rows(rows.get(run, ())) for run in ids}


def _is_shown_by(scenario: Scenario, values: Values, run: RunRow, rows: Mapping[Path2, DecisionRow]) -> bool:
    """Whether a run decided what the scenario decides, and everything else by default.

    Secrets that the scenario does not keep cannot be compared: only a run that was asked for it had them from its user.
    """
    if not rows or (scenario.left_out and run.scenario != scenario.name):
        return False
    for path, value in values.items():
        row = rows.get(path)
        if row is None or (not row.is_redacted and identity(Value(row.value, row.address)) != identity(value)):
            return False
    others = (row for path, row in rows.items() if path not in values)
    return all(_is_default(row) or f"{row.stage}.{row.name}" in scenario.left_out for row in others)


def _is_default(row: DecisionRow) -> bool:
    if row.source == "default":
        return True
    return not row.is_redacted and row.address is None and row.value == row.default


def _defaults(store: Store, scenarios: Sequence[Scenario], runs: Sequence[RunRow | None]) -> dict[str, Values]:
    """What the newest run of a process says of its defaults: they count where a scenario says nothing."""
    found: dict[str, Values] = {}
    for process in {it.process for it, run in zip(scenarios, runs, strict=True) if run is None}:
        newest = store.get(RunRow, process=process)
        rows = current_rows(store.rows(DecisionRow, run=newest.id)) if newest else {}
        found[process] = {
            path: Value(row.default, UNKNOWN if row.is_redacted else None)
            for path, row in rows.items()
            if row.default is not None
        }
    return found
