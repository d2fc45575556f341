"""What the sessions of a run say of its stages and decisions, folded into one row for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from milepost.model.rows import DecisionRow, StageRow
from milepost.model.status import RunState, StageState

REMOVED = "removed"  # the source of a decision that was taken back


def fold_stages(rows: Iterable[StageRow], state: RunState) -> tuple[StageRow, ...]:
    """The row of each stage that counts now, in the plan's order, each followed by its substages.

    The newest session's word counts, except that a session that ended before it came to a stage says nothing about it.
    A stage that was running when its session died reads as the run does.
    """
    newest: dict[str, StageRow] = {}
    for row in sorted(rows, key=lambda row: row.epoch):
        silent = row.state is StageState.PENDING and not state.is_active and row.stage in newest
        if not silent:
            newest[row.stage] = row
    return tuple(_in_order(newest))


def _in_order(rows: Mapping[str, StageRow]) -> list[StageRow]:
    seen = {name: number for number, name in enumerate(rows)}

    def place(row: StageRow) -> tuple[int, int, bool, int]:
        above = rows.get(row.parent or "", row)
        return above.position, seen[above.stage], above is not row, row.position

    return sorted(rows.values(), key=place)


def fold_decisions(rows: Iterable[DecisionRow]) -> dict[tuple[str, str], DecisionRow]:
    """The last row of each decision, by stage and name, without those that were taken back."""
    current = {(row.stage, row.name): row for row in rows}
    return {path: row for path, row in current.items() if row.source != REMOVED}
