"""One stage of one run, folded from what each of the run's sessions saw of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from milepost import typed
from milepost.model.metrics import load_metrics
from milepost.model.progress import fraction
from milepost.model.rows import EventRow, StageRow
from milepost.model.status import ProcessingStatus, RunState, StageState
from milepost.store.protocol import Store
from milepost.views.view import View, utc


class StageView(View, frozen=True, kw_only=True):
    """A stage as a face shows it. Items are None in a stage that has none; `items_done` counts reused ones too.

    `saved_seconds`: of a reused stage what its result took, of one that ran what its reused items took, summed.
    """

    stage: str
    state: StageState
    epoch: int
    reason: str = ""
    reused_from: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    saved_seconds: float | None = None
    attempts: int = 0
    items_total: int | None = None
    items_done: int | None = None
    items_reused: int = 0
    items_failed: int = 0
    progress: float | None = None
    message: str | None = None
    error: str | None = None
    traceback: str | None = None
    memory_bytes: int | None = None
    key: str | None = None
    metrics: dict[str, int | float] = {}
    parent: str | None = None  # of a substage: the stage it is part of

    @property
    def indented(self) -> str:
        """Its name where stages stand below each other: a substage under its stage."""
        return self.stage if self.parent is None else "  " + self.stage.removeprefix(f"{self.parent}/")

    @property
    def is_done(self) -> bool:
        """Whether those who depend on it may go on."""
        return self.state.has_result


class InLedger(NamedTuple):
    """Items that the ledger holds of a stage, exact where a dying session could not count any more."""

    done: int = 0
    failed: int = 0  # for good


def stage_view(
    row: StageRow,
    *,
    run_state: RunState,
    names: Mapping[str, str],
    recorded: Mapping[str, float],
    in_ledger: Mapping[str, InLedger],
    items_saved: Mapping[str, float],
) -> StageView:
    """The view of a folded row. `names`: run id to name; `recorded`: stage key to the seconds its result took;
    `items_saved`: stage to the seconds its reused items took;
    `in_ledger`: by stage, where its session could not write its last count."""
    counted = in_ledger.get(row.stage, InLedger())
    mapped = row.items_total is not None or row.items_done or row.items_reused or row.items_failed
    done = max(row.items_done + row.items_reused, counted.done) if mapped else None
    failed = max(row.items_failed, counted.failed)
    reused = row.state is StageState.REUSED
    return StageView(
        stage=row.stage,
        state=state_as_seen(row.state, run_state),
        epoch=row.epoch,
        reason=row.reason,
        reused_from=names.get(row.reused_from or "", row.reused_from),
        started_at=utc(row.started),
        ended_at=utc(row.ended),
        seconds=row.seconds,
        saved_seconds=recorded.get(row.key or "") if reused else items_saved.get(row.stage),
        attempts=row.attempts,
        items_total=row.items_total,
        items_done=done,
        items_reused=row.items_reused,
        items_failed=failed,
        progress=1.0 if row.state.has_result else _fraction(row, done, failed),
        message=row.message,
        error=row.error if failed == row.items_failed else None,  # it names fewer than there are
        traceback=row.traceback,
        memory_bytes=row.memory_bytes,
        key=row.key,
        parent=row.parent,
        metrics=load_metrics(row.metrics),
    )


def state_as_seen(state: StageState, run_state: RunState) -> StageState:
    """What a stage that reads as running is when its run is over."""
    if state is not StageState.RUNNING or run_state.is_active:
        return state
    return StageState.CANCELLED if run_state is RunState.CANCELLED else StageState.INTERRUPTED


def _fraction(row: StageRow, done: int | None, failed: int) -> float | None:
    finished = None if done is None else float(done + failed)
    if finished is None or row.items_total is None:
        return fraction(done=0.0, total=None, told=row.progress)
    return fraction(done=finished, total=row.items_total)


class _Saved(Struct):
    seconds: float = 0.0


def counted_in_ledger(store: Store, rows: Iterable[StageRow]) -> dict[str, InLedger]:
    """What the ledger holds of stages whose session could not write its last count.

    A stage without a key is carried out by hand: its count is committed with each item.
    """
    found: dict[str, InLedger] = {}
    for row in rows:
        has_items = row.items_total is not None or row.items_done or row.items_reused
        is_counted = row.key is not None and has_items
        if is_counted and row.state in (StageState.RUNNING, StageState.INTERRUPTED):
            counts = {
                ProcessingStatus(status): items for (_, status), items in store.count_steps(row.run, row.stage).items()
            }
            found[row.stage] = InLedger(
                done=sum(items for status, items in counts.items() if status.is_done),
                failed=counts.get(ProcessingStatus.FAILED, 0),
            )
    return found


def saved_by_items(store: Store, rows: Iterable[StageRow]) -> dict[str, float]:
    """What the reused items of stages that ran took when they were done, in seconds, as the runner recorded it."""
    saved: dict[str, float] = {}
    for row in rows:
        if row.items_reused and row.state is StageState.COMPLETED:
            event = store.get(EventRow, run=row.run, kind="items_reused", stage=row.stage, epoch=row.epoch)
            if event is not None:
                saved[row.stage] = typed.from_json(event.json, _Saved).seconds
    return saved


def by_run(rows: Sequence[StageRow]) -> dict[str, list[StageRow]]:
    """The same rows under their run's id."""
    groups: dict[str, list[StageRow]] = {}
    for row in rows:
        groups.setdefault(row.run, []).append(row)
    return groups
