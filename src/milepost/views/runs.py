"""Runs as every face shows them: the list, and one run with its stages, decisions and sessions.

A run whose session died reads `interrupted` with its cause from the first look, before anybody has written it down.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from milepost.kernel.alive import Seen, look_closely, working_seconds
from milepost.model.folding import fold_decisions, fold_stages
from milepost.model.rows import DecisionRow, ResultRow, RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.store.protocol import Store
from milepost.views.stages import InLedger, StageView, by_run, counted_in_ledger, saved_by_items, stage_view
from milepost.views.view import View, utc


class SessionView(View, frozen=True, kw_only=True):
    """One OS process that took part in a run. `at_hand`: what a loop was at when it died, as "step: item", as long as
    the run was not continued, which records it.
    """

    epoch: int
    host: str
    pid: int
    started_at: datetime
    ended_at: datetime | None
    seconds: float
    end: RunState | None
    cause: str | None
    at_hand: tuple[str, ...] = ()


class DecisionView(View, frozen=True, kw_only=True):
    """A decision as it counts now; `value` is JSON, secrets redacted."""

    stage: str
    name: str
    value: str
    source: str
    who: str
    at: datetime


class RunLine(View, frozen=True, kw_only=True):
    """One run in a list. `seconds` is working time, summed over sessions; `items_total` None when not known."""

    id: str
    name: str
    process: str
    state: RunState
    cause: str | None
    created_at: datetime
    ended_at: datetime | None
    seconds: float
    sessions: int
    stages_done: int
    stages_total: int
    items_done: int
    items_total: int | None
    items_failed: int
    scenario: str | None = None


class RunDetail(View, frozen=True, kw_only=True):
    """One run in full."""

    run: RunLine
    target: str | None
    cwd: str | None
    stages: tuple[StageView, ...]
    decisions: tuple[DecisionView, ...]
    sessions: tuple[SessionView, ...]

    @property
    def saved_seconds(self) -> float:
        """What reuse saved: the recorded seconds of the stages and items that did not run again."""
        return sum(stage.saved_seconds or 0.0 for stage in self.stages)


def list_runs(
    store: Store,
    lock_folder: Path,
    *,
    now: float,
    limit: int | None = 20,
    process: str | None = None,
    scenario: Sequence[str] | None = None,
    state: RunState | None = None,
) -> list[RunLine]:
    """The newest runs first; `scenario`: those asked for under one of these names.

    `state` is the state as seen now, so a dead run is found under `interrupted`.
    """
    asked = {"process": process, "scenario": scenario}
    equal: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    rows = store.rows(RunRow, newest=True, limit=limit if state is None else None, **equal)
    lines: list[RunLine] = []
    for start in range(0, len(rows), 200):
        lines += _lines(store, rows[start : start + 200], lock_folder, now)
    chosen = [line for line in lines if state is None or line.state is state]
    return chosen if limit is None else chosen[:limit]


def run_detail(store: Store, run: RunRow, lock_folder: Path, *, now: float, exact: bool = True) -> RunDetail:
    """One run with all that belongs to it. `exact`: items that a dead session left are counted in the ledger."""
    sessions = store.rows(SessionRow, run=run.id)
    seen = look_closely(run, _newest(sessions), lock_folder, now, store)
    rows = fold_stages(store.rows(StageRow, run=run.id), seen.state)
    counted = counted_in_ledger(store, rows) if exact and not seen.state.is_active else {}
    stages = _stages(store, rows, seen.state, counted)
    return RunDetail(
        run=_line(run, sessions, stages, seen, now),
        target=run.target,
        cwd=run.cwd,
        stages=stages,
        decisions=_decisions(store.rows(DecisionRow, run=run.id)),
        sessions=tuple(_session(row, seen, now, lock_folder, is_last=row.epoch == run.epoch) for row in sessions),
    )


def seen_run(store: Store, run: RunRow, lock_folder: Path, *, now: float) -> Seen:
    """What one run really is."""
    return look_closely(run, _newest(store.rows(SessionRow, run=run.id)), lock_folder, now, store)


def _lines(store: Store, runs: Sequence[RunRow], lock_folder: Path, now: float) -> list[RunLine]:
    ids = [run.id for run in runs]
    rows = by_run(store.rows(StageRow, run=ids)) if ids else {}
    sessions: dict[str, list[SessionRow]] = {}
    for session in store.rows(SessionRow, run=ids) if ids else ():
        sessions.setdefault(session.run, []).append(session)
    lines = []
    for run in runs:
        seen = look_closely(run, _newest(sessions.get(run.id, [])), lock_folder, now, store)
        folded = fold_stages(rows.get(run.id, ()), seen.state)
        counted = counted_in_ledger(store, folded) if seen.state is RunState.INTERRUPTED else {}
        stages = [
            stage_view(row, run_state=seen.state, names={}, recorded={}, in_ledger=counted, items_saved={})
            for row in folded
        ]
        lines.append(_line(run, sessions.get(run.id, []), stages, seen, now))
    return lines


def _line(run: RunRow, sessions: Sequence[SessionRow], stages: Sequence[StageView], seen: Seen, now: float) -> RunLine:
    mapped = [stage for stage in stages if stage.items_done is not None]
    totals = [stage.items_total for stage in mapped]
    ended = run.ended if run.ended is not None else seen.ended
    return RunLine(
        id=run.id,
        name=run.name,
        process=run.process,
        state=seen.state,
        cause=seen.cause,
        created_at=_known(run.created),
        ended_at=utc(ended),
        seconds=sum(working_seconds(row, seen, now, is_last=row.epoch == run.epoch) for row in sessions),
        sessions=len(sessions),
        stages_done=sum(stage.is_done for stage in stages if stage.parent is None),
        stages_total=sum(stage.state is not StageState.SKIPPED for stage in stages if stage.parent is None),
        items_done=sum(stage.items_done or 0 for stage in mapped),
        items_total=None if not totals or None in totals else sum(total or 0 for total in totals),
        items_failed=sum(stage.items_failed for stage in mapped),
        scenario=run.scenario,
    )


def _stages(
    store: Store, rows: Sequence[StageRow], state: RunState, counted: dict[str, InLedger]
) -> tuple[StageView, ...]:
    keys = [row.key for row in rows if row.key and row.state is StageState.REUSED]
    sources = list({row.reused_from for row in rows if row.reused_from})
    recorded = {row.key: row.seconds for row in store.rows(ResultRow, key=keys)} if keys else {}
    names = {row.id: row.name for row in store.rows(RunRow, id=sources)} if sources else {}
    items = saved_by_items(store, rows)
    return tuple(
        stage_view(row, run_state=state, names=names, recorded=recorded, in_ledger=counted, items_saved=items)
        for row in rows
    )


def _decisions(rows: Sequence[DecisionRow]) -> tuple[DecisionView, ...]:
    return tuple(
        DecisionView(stage=row.stage, name=row.name, value=row.value, source=row.source, who=row.who, at=_known(row.at))
        for row in fold_decisions(rows).values()
    )


def _session(row: SessionRow, seen: Seen, now: float, lock_folder: Path, *, is_last: bool) -> SessionView:
    died = is_last and row.end is None and not seen.state.is_active
    return SessionView(
        epoch=row.epoch,
        host=row.host,
        pid=row.pid,
        started_at=_known(row.started),
        ended_at=utc(seen.ended or row.beat if died and row.ended is None else row.ended),
        seconds=working_seconds(row, seen, now, is_last=is_last),
        end=RunState.INTERRUPTED if died else row.end,
        cause=seen.cause if died else row.cause,
        at_hand=_at_hand(row, lock_folder) if died else (),
    )


def _at_hand(session: SessionRow, lock_folder: Path) -> tuple[str, ...]:
    """Read from the notes that it left."""
    from milepost.process.loops.flight import left_behind

    return tuple(f"{entry.step}: {entry.item}" for entry in left_behind(lock_folder / session.run, session.epoch))


def _newest(sessions: Sequence[SessionRow]) -> SessionRow | None:
    return max(sessions, key=lambda row: row.epoch, default=None)


def _known(epoch: float) -> datetime:
    at = utc(epoch)
    assert at is not None
    return at
