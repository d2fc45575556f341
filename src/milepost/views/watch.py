"""A run while it works: what one look sees, with rates and estimates folded from the looks before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from milepost.model.folding import fold_stages
from milepost.model.progress import Pace
from milepost.model.rows import RunRow, SessionRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.store.protocol import Store
from milepost.views.runs import RunDetail, run_detail
from milepost.views.stages import InLedger, StageView, counted_in_ledger
from milepost.views.view import View, utc


class StageSight(View, frozen=True, kw_only=True):
    """One stage at one moment. `rate` is items a second of this session; `eta_seconds` None when unknown."""

    stage: StageView
    rate: float | None = None
    eta_seconds: float | None = None
    elapsed_seconds: float | None = None


class Sight(View, frozen=True, kw_only=True):
    """A run at one moment."""

    detail: RunDetail
    stages: tuple[StageSight, ...]


class Watch:
    """Looks at one run again and again. Times come in: `now` is UTC epoch seconds, `at` monotonic seconds."""

    def __init__(self, store: Store, run: str, lock_folder: Path) -> None:
        self._store = store
        self._run = run
        self._lock_folder = lock_folder
        self._paces: dict[str, Pace] = {}

    def look(self, *, now: float, at: float) -> Sight | None:
        """What is seen now; None when the run is not in the ledger."""
        run = self._store.get(RunRow, id=self._run)
        if run is None:
            return None
        detail = run_detail(self._store, run, self._lock_folder, now=now, exact=False)
        return Sight(detail=detail, stages=tuple(self._sight(stage, now, at) for stage in detail.stages))

    def _sight(self, stage: StageView, now: float, at: float) -> StageSight:
        if stage.state is not StageState.RUNNING or stage.started_at is None:
            return StageSight(stage=stage, elapsed_seconds=stage.seconds)
        elapsed = max(now - stage.started_at.timestamp(), 0.0)
        done, left = _measure(stage)
        pace = self._paces.get(stage.stage) or Pace(started=at - elapsed)
        pace = self._paces[stage.stage] = pace.observe(at=at, done=done)
        return StageSight(
            stage=stage,
            rate=pace.rate(now=at) if stage.items_done is not None else None,
            eta_seconds=None if left is None else pace.eta(left=left, now=at),
            elapsed_seconds=elapsed,
        )


def _measure(stage: StageView) -> tuple[float, float | None]:
    """What this session did and what is left: in items, else in thousandths of what the stage told."""
    if stage.items_done is None:
        told = (stage.progress or 0.0) * 1000
        return told, None if stage.progress is None else 1000 - told
    done = stage.items_done - stage.items_reused + stage.items_failed
    if stage.items_total is None:
        return done, None
    return done, max(stage.items_total - stage.items_done - stage.items_failed, 0)


class Continuation(View, frozen=True, kw_only=True):
    """What a run that is taken up again had done before. `end` and `cause` are of the session before."""

    session: int
    end: RunState | None
    cause: str | None
    ended_at: datetime | None
    stages_done: int
    stages_total: int
    items_done: int
    items_total: int


def continuation(store: Store, run: RunRow) -> Continuation | None:
    """What the newest session of a run continues; None for the first."""
    before = [row for row in store.rows(SessionRow, run=run.id) if row.epoch < run.epoch]
    if not before:
        return None
    session = max(before, key=lambda row: row.epoch)
    rows = [row for row in store.rows(StageRow, run=run.id) if row.epoch < run.epoch]
    stages = fold_stages(rows, RunState.INTERRUPTED)
    mapped = [row for row in stages if row.items_total is not None]
    counted = counted_in_ledger(store, mapped)
    return Continuation(
        session=session.epoch,
        end=session.end,
        cause=session.cause,
        ended_at=utc(session.ended if session.ended is not None else session.beat),
        stages_done=sum(row.state.has_result for row in stages),
        stages_total=len(stages),
        items_done=sum(
            max(row.items_done + row.items_reused, counted.get(row.stage, InLedger()).done) for row in mapped
        ),
        items_total=sum(row.items_total or 0 for row in mapped),
    )
