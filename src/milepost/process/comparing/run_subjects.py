"""Runs read as subjects to compare: a handful of questions to the store, however many runs there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from milepost import typed
from milepost.kernel.alive import Seen, look_closely, working_seconds
from milepost.model.comparison.subjects import UNKNOWN, Subject, Value
from milepost.model.fingerprint.parts import load_parts
from milepost.model.folding import fold_decisions, fold_stages
from milepost.model.rows import DecisionRow, EventRow, PartsRow, ResultRow, RunRow, SessionRow, StageRow
from milepost.model.status import StageState
from milepost.process.many_rows import grouped, rows_of
from milepost.store.protocol import Store


class _Saved(msgspec.Struct):
    seconds: float = 0.0


def read_subjects(store: Store, lock_folder: Path, runs: Sequence[RunRow], *, now: float) -> list[Subject]:
    """What there is to compare about these runs, in their order, each labelled with the run's name."""
    ids = list(dict.fromkeys(run.id for run in runs))
    sessions = grouped(rows_of(store, SessionRow, "run", ids), lambda row: row.run)
    decisions = grouped(rows_of(store, DecisionRow, "run", ids), lambda row: row.run)
    written = grouped(rows_of(store, StageRow, "run", ids), lambda row: row.run)
    subjects: list[Subject] = []
    for run in runs:
        mine = sessions.get(run.id, [])
        seen = look_closely(run, max(mine, key=lambda row: row.epoch, default=None), lock_folder, now, store)
        stages = fold_stages(written.get(run.id, ()), seen.state)
        subjects.append(
            Subject(
                label=run.name,
                process=run.process,
                decisions=current_values(decisions.get(run.id, ())),
                scenario=run.scenario,
                run=run,
                state=seen.state,
                cause=seen.cause,
                seconds=_seconds(mine, run, seen, now),
                stages=stages,
            )
        )
    return _with_saved(store, _with_secrets(store, subjects, decisions))


def current_values(rows: Iterable[DecisionRow]) -> dict[tuple[str, str], Value]:
    """The decisions that count, as values to compare."""
    return {
        path: Value(row.value, UNKNOWN if row.is_redacted else row.address)
        for path, row in fold_decisions(rows).items()
    }


def _seconds(sessions: Sequence[SessionRow], run: RunRow, seen: Seen, now: float) -> float:
    return sum(working_seconds(row, seen, now, is_last=row.epoch == run.epoch) for row in sessions)


def _with_secrets(
    store: Store, subjects: list[Subject], decisions: Mapping[str, Sequence[DecisionRow]]
) -> list[Subject]:
    """Masked values told apart by the digests that count in their stages' keys, where such a key is known."""
    masked = {run: [row for row in fold_decisions(rows).values() if row.is_redacted] for run, rows in decisions.items()}
    if not any(masked.values()):
        return subjects
    wanted = {(run, row.stage) for run, rows in masked.items() for row in rows}
    keys = {(row.run, row.stage): row.key for it in subjects for row in it.stages if (row.run, row.stage) in wanted}
    found = rows_of(store, PartsRow, "key", list({key for key in keys.values() if key}))
    digests = {row.key: {part.name: part.digest for part in load_parts(row.parts)} for row in found}
    return [
        _told_apart(it, masked[it.run.id], keys, digests) if it.run and masked.get(it.run.id) else it for it in subjects
    ]


def _told_apart(
    subject: Subject,
    masked: Sequence[DecisionRow],
    keys: Mapping[tuple[str, str], str | None],
    digests: Mapping[str, Mapping[str, str]],
) -> Subject:
    known = dict(subject.decisions)
    for row in masked:
        parts = digests.get(keys.get((row.run, row.stage)) or "", {})
        known[row.stage, row.name] = Value(row.value, parts.get(f"decision:{row.name}", UNKNOWN))
    return msgspec.structs.replace(subject, decisions=known)


def _with_saved(store: Store, subjects: list[Subject]) -> list[Subject]:
    """What reuse saved: the recorded seconds of the stages and items that were not computed again."""
    stages = [row for it in subjects for row in it.stages]
    keys = list({row.key for row in stages if row.state is StageState.REUSED and row.key})
    results = {row.key: row.seconds for row in rows_of(store, ResultRow, "key", keys)}
    runs = list({row.run for row in stages if row.items_reused and row.state is StageState.COMPLETED})
    events = rows_of(store, EventRow, "run", runs, kind="items_reused")
    items = {(row.run, row.stage, row.epoch): typed.from_json(row.json, _Saved).seconds for row in events}

    def saved(row: StageRow) -> float:
        if row.state is StageState.REUSED:
            return results.get(row.key or "", 0.0)
        return items.get((row.run, row.stage, row.epoch), 0.0)

    return [msgspec.structs.replace(it, saved_seconds=sum(map(saved, it.stages))) for it in subjects]
