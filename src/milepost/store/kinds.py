"""What tells rows apart: the identity of each kind, and which kinds are appended or never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from milepost.errors import StoreError
from milepost.model.rows import (
    ROWS,
    AcceptedRow,
    DecisionRow,
    EventRow,
    FileRow,
    PartsRow,
    ResultRow,
    Row,
    RunRow,
    ScenarioRow,
    SessionRow,
    SourceRow,
    StageRow,
    StepRow,
    TraceRow,
)
from milepost.model.status import ProcessingStatus

IDENTITY: Mapping[type[Row], tuple[str, ...]] = {
    RunRow: ("id",),
    SessionRow: ("run", "epoch"),
    StageRow: ("run", "stage", "epoch"),
    StepRow: ("run", "item", "step", "attempt"),
    ResultRow: ("key",),
    PartsRow: ("key",),
    SourceRow: ("digest",),
    FileRow: ("path",),
    ScenarioRow: ("process", "name", "version"),
    TraceRow: ("key",),
}
APPENDED = frozenset({DecisionRow, AcceptedRow, EventRow})
# The first one stays: writing it again changes nothing.
KEPT = frozenset({StepRow, PartsRow, SourceRow, ScenarioRow, TraceRow})
NUMBERED = frozenset(kind for kind in ROWS if "seq" in kind.__struct_fields__)
DONE = (ProcessingStatus.SUCCESS, ProcessingStatus.WARNING)


def by_kind(rows: Sequence[Row]) -> dict[type[Row], list[Row]]:
    """The rows of each kind in their order; StoreError for what is no row."""
    kinds = dict.fromkeys(map(type, rows))
    for kind in kinds:
        check_kind(kind)
    if len(kinds) == 1:
        return {kind: list(rows) for kind in kinds}
    return {kind: [row for row in rows if type(row) is kind] for kind in kinds}


def check_kind(kind: type[Row]) -> None:
    """StoreError unless the ledger has a table for this kind."""
    if kind not in ROWS:
        raise StoreError(f"{kind.__name__} is no kind of row: the ledger holds {_names(r.__name__ for r in ROWS)}")


def check_columns(kind: type[Row], columns: Iterable[str]) -> None:
    """StoreError unless every column belongs to this kind."""
    check_kind(kind)
    for column in columns:
        if column not in kind.__struct_fields__:
            raise StoreError(f"{kind.__name__} has no column {column!r}: it has {_names(kind.__struct_fields__)}")


def check_paging(kind: type[Row], after: int) -> None:
    """StoreError when pages are asked of a kind whose rows have no number."""
    if after and kind not in NUMBERED:
        raise StoreError(f"{kind.__name__} has no seq, so there is nothing 'after' {after}: leave it out")


def choices(value: object) -> Sequence[object] | None:
    """The values to choose from when a column may equal one of several; None for a single value."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | set | frozenset):
        return None
    return list(value)


def name_taken(name: str) -> StoreError:
    """The refusal of a second run with this name."""
    return StoreError(f"there is a run named {name!r} already: run names are unique in a workspace", name=name)


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
