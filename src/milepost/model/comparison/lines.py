"""Subjects become columns; each decision, metric and stage becomes a line with a value in every column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from milepost.model.comparison.subjects import UNKNOWN, Number, Subject, Value, identity, unique_labels
from milepost.model.rows import StageRow
from milepost.model.status import RunState, StageState

T = TypeVar("T")
Texts = tuple[str | None, ...]


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One subject: a run, or a scenario with the run that shows it; all from `run` on is None where there is none.

    `seconds` is working time; `saved_seconds` what the reused results took when they were made.
    """

    label: str
    process: str | None = None
    scenario: str | None = None
    run: str | None = None
    id: str | None = None
    state: RunState | None = None
    cause: str | None = None
    created_at: datetime | None = None
    seconds: float | None = None
    stages_done: int | None = None
    stages_total: int | None = None
    stages_reused: int | None = None
    items_failed: int | None = None
    saved_seconds: float | None = None


class DecisionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, or one entry of it; `values` are JSON, None where a column has no such one."""

    path: str
    values: Texts
    differs: bool


class MetricLine(msgspec.Struct, frozen=True, kw_only=True):
    """One metric, `stage.name`; None where a column has none."""

    path: str
    values: tuple[Number | None, ...]
    differs: bool


class StageLine(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: its state and working time, None where a column has no such stage."""

    path: str
    states: tuple[StageState | None, ...]
    seconds: tuple[float | None, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Every line has a value for each of `columns`, in their order. The labels of columns are unique."""

    columns: tuple[Column, ...]
    decisions: tuple[DecisionLine, ...]
    metrics: tuple[MetricLine, ...]
    stages: tuple[StageLine, ...]


def compare_subjects(subjects: Sequence[Subject]) -> Comparison:
    """These subjects side by side.

    Example:
        >>> rates = [Subject(label=text, decisions={("score", "vat"): Value(text)}) for text in ("0.1", "0.25")]
        >>> compare_subjects(rates).decisions[0].values
        ('0.1', '0.25')
    """
    labels = unique_labels([subject.label for subject in subjects])
    return Comparison(
        columns=tuple(_column(subject, label) for subject, label in zip(subjects, labels, strict=True)),
        decisions=tuple(_decision_lines(subjects)),
        metrics=tuple(_metric_lines(subjects)),
        stages=tuple(_stage_lines(subjects)),
    )


def _column(subject: Subject, label: str) -> Column:
    run = subject.run
    if run is None:
        return Column(label=label, process=subject.process, scenario=subject.scenario)
    stages = [row for row in subject.stages if row.parent is None]
    return Column(
        label=label,
        scenario=subject.scenario,
        run=run.name,
        id=run.id,
        process=subject.process,
        state=subject.state,
        cause=subject.cause,
        created_at=datetime.fromtimestamp(run.created, UTC),
        seconds=subject.seconds,
        stages_done=sum(row.state.has_result for row in stages),
        stages_total=sum(row.state is not StageState.SKIPPED for row in stages),
        stages_reused=sum(row.state is StageState.REUSED for row in stages),
        items_failed=sum(row.items_failed for row in stages),
        saved_seconds=subject.saved_seconds,
    )


def _decision_lines(subjects: Sequence[Subject]) -> list[DecisionLine]:
    """Stage by stage; a decision whose values are all objects is a line for each entry."""
    order = {stage: at for at, stage in enumerate(merged([row.stage for row in it.stages] for it in subjects))}
    keys = sorted(merged(subject.decisions for subject in subjects), key=lambda key: order.get(key[0], -1))
    return [
        line
        for stage, name in keys
        for line in _entries(f"{stage}.{name}", [it.decisions.get((stage, name)) for it in subjects])
    ]


def _metric_lines(subjects: Sequence[Subject]) -> list[MetricLine]:
    metrics = [subject.metrics for subject in subjects]
    lines = ((path, tuple(each.get(path) for each in metrics)) for path in merged(metrics))
    return [MetricLine(path=path, values=values, differs=len(set(values)) > 1) for path, values in lines]


def _stage_lines(subjects: Sequence[Subject]) -> list[StageLine]:
    rows = [{row.stage: row for row in subject.stages} for subject in subjects]
    return [_stage_line(name, [each.get(name) for each in rows]) for name in merged(rows)]


def _stage_line(name: str, rows: Sequence[StageRow | None]) -> StageLine:
    return StageLine(
        path=name,
        states=tuple(row.state if row else None for row in rows),
        seconds=tuple(row.seconds if row else None for row in rows),
    )


def merged(orders: Iterable[Iterable[T]]) -> list[T]:
    """Everything in any of these, once, in the order in which it first comes."""
    return list(dict.fromkeys(each for order in orders for each in order))


def _entries(path: str, values: Sequence[Value | None]) -> list[DecisionLine]:
    """The line of a decision, or the lines of its entries when every value of it is an object in plain JSON."""
    present = [value for value in values if value is not None]
    if all(value.identity is None and value.text.startswith("{") and value.text != "{}" for value in present):
        objects = [value and msgspec.json.decode(value.text, type=dict[str, msgspec.Raw]) for value in values]
        inside = merged(each for each in objects if each)
        return [
            line for name in inside for line in _entries(f"{path}.{name}", [_entry(each, name) for each in objects])
        ]
    return [_line(path, values)]


def entries_beside(value: str, default: str | None) -> list[DecisionLine]:
    """The entries of an object, at any depth, beside those of its default; nothing for what is no object, in JSON.

    Example:
        >>> [(line.path, line.values) for line in entries_beside('{"depth":4,"rate":1}', '{"depth":3,"rate":1}')]
        [('.depth', ('4', '3')), ('.rate', ('1', '1'))]
    """
    lines = _entries("", [Value(value), None if default is None else Value(default)])
    return [line for line in lines if line.path]


def _entry(values: Mapping[str, msgspec.Raw] | None, name: str) -> Value | None:
    return Value(bytes(values[name]).decode()) if values and name in values else None


def _line(path: str, values: Sequence[Value | None]) -> DecisionLine:
    texts = tuple(value and value.text for value in values)
    same = [value and identity(value) for value in values]
    known = set(same) - {UNKNOWN}
    if len(known) <= 1 and not (None in known and UNKNOWN in same):
        return DecisionLine(path=path, values=texts, differs=False)
    return DecisionLine(path=path, values=_told_apart(texts, same), differs=True)


def _told_apart(texts: Texts, same: Sequence[str | None]) -> Texts:
    """Masked values and previews that look alike but are not the same get a number."""
    looks: dict[str, list[str]] = {}
    for text, one in zip(texts, same, strict=True):
        if text is not None and one and one not in looks.setdefault(text, []):
            looks[text].append(one)
    return tuple(
        _numbered(text, looks[text].index(one) + 1) if text is not None and one and len(looks[text]) > 1 else text
        for text, one in zip(texts, same, strict=True)
    )


def _numbered(text: str, number: int) -> str:
    value = msgspec.json.decode(text)
    return msgspec.json.encode(f"{value if isinstance(value, str) else text} (value {number})").decode()
