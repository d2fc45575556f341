"""The decisions of a run: what holds, what would have held by default, who chose it and why, and what it affects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import UNSET, Raw, UnsetType

from milepost.model.comparison.subjects import Value, identity
from milepost.model.folding import REMOVED
from milepost.model.rows import DecisionRow, RunRow
from milepost.process.decisions.affecting import affected_stages
from milepost.store.protocol import Store
from milepost.views.view import View, utc


class RecordedView(View, frozen=True, kw_only=True):
    """One record of a decision. `value` is JSON, secrets masked; left out where the decision was taken back."""

    value: Raw | UnsetType = UNSET
    source: str
    who: str
    host: str
    at: datetime | None
    note: str | None


class DecisionDetail(View, frozen=True, kw_only=True):
    """One decision as it counts now. `default` is left out where there is none.

    `differs`: whether it was chosen to be other than its default. `affects`: the stages that read it and all that
    depend on them, as far as their keys are known. `is_kept`: whether its value can be read back. `history`: every
    record, oldest first.
    """

    stage: str
    name: str
    value: Raw
    default: Raw | UnsetType = UNSET
    differs: bool
    source: str
    who: str
    host: str
    at: datetime | None
    note: str | None
    is_kept: bool
    affects: tuple[str, ...]
    history: tuple[RecordedView, ...] | UnsetType = UNSET


class DecisionsView(View, frozen=True, kw_only=True):
    """The decisions of one run, in the order in which they were first recorded. `total`: how many it has."""

    run: str
    id: str
    process: str
    scenario: str | None
    stages: tuple[str, ...]
    total: int
    differing: int
    decisions: tuple[DecisionDetail, ...]


def decisions_of(store: Store, run: RunRow, *, only_changed: bool = False, with_history: bool = False) -> DecisionsView:
    """The decisions of a run, or only those that are not their defaults; with every record on request.

    With history, decisions that were taken back are there too, their value being the last that they had.
    """
    records: dict[tuple[str, str], list[DecisionRow]] = {}
    for row in store.rows(DecisionRow, run=run.id):
        records.setdefault((row.stage, row.name), []).append(row)
    affected = affected_stages(store, run)
    found = [
        _detail(rows, affected.stages_of(*path), with_history)
        for path, rows in records.items()
        if with_history or rows[-1].source != REMOVED
    ]
    return DecisionsView(
        run=run.name,
        id=run.id,
        process=run.process,
        scenario=run.scenario,
        stages=affected.order,
        total=len(found),
        differing=sum(each.differs for each in found),
        decisions=tuple(each for each in found if each.differs or not only_changed),
    )


def _detail(rows: Sequence[DecisionRow], affects: tuple[str, ...], with_history: bool) -> DecisionDetail:
    row = rows[-1]
    return DecisionDetail(
        stage=row.stage,
        name=row.name,
        value=_raw(row.value),
        default=UNSET if row.default is None else _raw(row.default),
        differs=_differs(row),
        source=row.source,
        who=row.who,
        host=row.host,
        at=utc(row.at),
        note=row.note,
        is_kept=not row.is_redacted,
        affects=affects,
        history=tuple(map(_record, rows)) if with_history else UNSET,
    )


def _record(row: DecisionRow) -> RecordedView:
    return RecordedView(
        value=UNSET if row.source == REMOVED else _raw(row.value),
        source=row.source,
        who=row.who,
        host=row.host,
        at=utc(row.at),
        note=row.note,
    )


def _differs(row: DecisionRow) -> bool:
    """A value that is masked, or that only an object holds, differs when it was chosen: texts cannot tell."""
    if row.source in ("default", REMOVED):
        return False
    if row.default is None or row.is_redacted or row.address is not None:
        return True
    return identity(Value(row.value)) != identity(Value(row.default))


def _raw(text: str) -> Raw:
    return Raw(text.encode())
