"""Runs and scenarios side by side: what was decided, what was measured, how long it took and what was reused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from milepost.model.comparison.lines import Comparison, compare_subjects
from milepost.model.rows import RunRow
from milepost.process.comparing.meant import find_subjects, newest_subjects
from milepost.process.comparing.run_subjects import read_subjects
from milepost.store.objects import Objects
from milepost.store.protocol import Store


def compare_runs(
    store: Store, lock_folder: Path, runs: Sequence[RunRow], *, now: float, labels: Sequence[str] | None = None
) -> Comparison:
    """These runs side by side, under their names or `labels`."""
    subjects = read_subjects(store, lock_folder, runs, now=now)
    if labels is not None:
        pairs = zip(subjects, labels, strict=True)
        subjects = [msgspec.structs.replace(subject, label=label) for subject, label in pairs]
    return compare_subjects(subjects)


def compare_named(
    store: Store, objects: Objects, lock_folder: Path, words: Sequence[str], *, process: str | None, now: float
) -> Comparison:
    """What these words mean side by side: runs by name, id or "last", and scenarios. Raises as `find_subjects`."""
    return compare_subjects(find_subjects(store, objects, lock_folder, words, process=process, now=now))


def compare_newest(store: Store, lock_folder: Path, count: int, *, process: str | None, now: float) -> Comparison:
    """The newest runs side by side, the oldest of them first."""
    return compare_subjects(newest_subjects(store, lock_folder, count, process=process, now=now))


def comparison_document(comparison: Comparison, *, everything: bool = False) -> dict[str, object]:
    """The comparison as JSON shows it: `columns`, and by path and column the decisions, metrics and stages.

    Without `everything` only decisions and metrics that differ. Where a column has no value, it is left out.
    """
    names = [column.label for column in comparison.columns]

    def by_column(values: Sequence[object]) -> dict[str, object]:
        return {name: value for name, value in zip(names, values, strict=True) if value is not None}

    return {
        "columns": comparison.columns,
        "decisions": {
            line.path: by_column([None if value is None else msgspec.Raw(value.encode()) for value in line.values])
            for line in comparison.decisions
            if line.differs or everything
        },
        "metrics": {line.path: by_column(line.values) for line in comparison.metrics if line.differs or everything},
        "stages": {
            line.path: by_column([state and {"state": state, "seconds": seconds} for state, seconds in pairs])
            for line in comparison.stages
            for pairs in (zip(line.states, line.seconds, strict=True),)
        },
    }
