"""A comparison in words and figures: labelled rows of texts, one for each column, all of them harmless."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from milepost.model.comparison.figures import change, figures
from milepost.model.comparison.lines import Column, Comparison, DecisionLine, MetricLine, StageLine
from milepost.model.comparison.subjects import Number
from milepost.model.status import StageState
from milepost.model.text import duration, safe

ABSENT = "-"
_BRIEF = ("process", "scenario", "run", "cause", "took", "stages reused", "items failed")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line as it is shown. `change`: of two columns, by how much the second is more or less than the first."""

    label: str
    texts: tuple[str, ...]
    differs: bool = True
    change: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one kind; `alike` were left out, for they are the same in every column."""

    title: str
    rows: tuple[Row, ...]
    alike: int = 0


def moment(at: datetime) -> str:
    """A time as a table shows it, in UTC: `2026-11-22 07:40`."""
    return at.strftime("%Y-%m-%d %H:%M")


def sections(
    comparison: Comparison, *, everything: bool = False, begun: Callable[[datetime], str] = moment
) -> list[Section]:
    """What there is to show: of the runs, decisions, metrics and stages, only what differs unless `everything`.

    The first section, of the runs as such, is without a title. Sections without any line are left out.
    """
    made = [
        Section(title="", rows=tuple(_run_rows(comparison.columns, everything, begun))),
        _section("decisions", [_decision(line) for line in comparison.decisions], everything),
        _section("metrics", [_metric(line) for line in comparison.metrics], everything),
        _section("stages", [_stage(line) for line in comparison.stages], everything),
    ]
    return [section for section in made if section.rows or section.alike]


def turned(found: Sequence[Section], *, everything: bool = False) -> list[tuple[str, Row]]:
    """The rows as columns with their titles, where each subject is a line: what was decided and came of it first.

    Without `everything` only what a line has room for: no time of each stage, no state that is the same for all.
    """
    by_title = {section.title: section.rows for section in found}
    facts = [
        row
        for row in by_title.get("", ())
        if everything or row.label in _BRIEF or (row.label == "state" and row.differs)
    ]
    stages = [(f"stage {row.label}", row) for row in by_title.get("stages", ())] if everything else []
    named = [*by_title.get("decisions", ()), *by_title.get("metrics", ()), *facts]
    return [*((row.label, row) for row in named), *stages]


def alike(found: Sequence[Section]) -> str:
    """What was left out, in words; "" for nothing."""
    counts = [f"{it.alike:,} {it.title.removesuffix('s') if it.alike == 1 else it.title}" for it in found if it.alike]
    return f"the same in all: {', '.join(counts)}" if counts else ""


def labels(comparison: Comparison) -> list[str]:
    """The columns' titles."""
    return [safe(column.label, limit=60) for column in comparison.columns]


def _section(title: str, rows: Sequence[Row], everything: bool) -> Section:
    shown = tuple(row for row in rows if row.differs or everything)
    return Section(title=title, rows=shown, alike=len(rows) - len(shown))


def _decision(line: DecisionLine) -> Row:
    return _row(safe(line.path), [safe(value or "") for value in line.values], differs=line.differs)


def _metric(line: MetricLine) -> Row:
    return _row(safe(line.path), figures(line.values), of=line.values, differs=line.differs)


def _stage(line: StageLine) -> Row:
    """The time it took, or what else became of it."""
    pairs = list(zip(line.states, line.seconds, strict=True))
    took = [seconds if state is StageState.COMPLETED else None for state, seconds in pairs]
    return _row(safe(line.path), [_became(state, seconds) for state, seconds in pairs], of=took)


def _became(state: StageState | None, seconds: float | None) -> str:
    if state is None:
        return ""
    if state is StageState.COMPLETED and seconds is not None:
        return duration(seconds)
    return state.value if not seconds or state is StageState.REUSED else f"{state.value}, {duration(seconds)}"


def _run_rows(columns: Sequence[Column], everything: bool, begun: Callable[[datetime], str]) -> list[Row]:
    """What there is to say of the runs themselves; a row that would be empty or repeat the titles is left out."""
    titles = [it.label for it in columns]
    processes = [it.process or "" for it in columns]
    told = [
        ("process", processes if everything or len(set(processes)) > 1 else []),
        ("scenario", [it.scenario or "" for it in columns]),
        ("run", [it.run or "" for it in columns]),
        ("state", [it.state.value if it.state else "never run" for it in columns]),
        ("cause", [it.cause or "" for it in columns]),
        ("begun", [begun(it.created_at) if it.created_at else "" for it in columns]),
        ("took", [duration(it.seconds) for it in columns]),
        ("stages reused", [_share(it) for it in columns] if any(it.stages_reused for it in columns) else []),
        ("saved by reuse", [duration(it.saved_seconds or None) for it in columns]),
        (
            "items failed",
            [f"{it.items_failed or 0:,}" for it in columns] if any(it.items_failed for it in columns) else [],
        ),
    ]
    seconds = [it.seconds for it in columns]
    return [
        _row(label, [safe(text) for text in texts], of=seconds if label == "took" else ())
        for label, texts in told
        if any(texts) and texts != titles
    ]


def _share(column: Column) -> str:
    return "" if column.run is None else f"{column.stages_reused} of {column.stages_total}"


def _row(label: str, texts: Sequence[str], *, of: Sequence[Number | None] = (), differs: bool | None = None) -> Row:
    shown = tuple(text or ABSENT for text in texts)
    return Row(
        label=label,
        texts=shown,
        differs=len(set(shown)) > 1 if differs is None else differs,
        change=change(of) if len(of) == 2 and shown[0] != shown[1] else "",
    )
