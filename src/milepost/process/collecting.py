"""Garbage collection: forget old runs, mark what rows reach, sweep the rest. What a living run may need stays.

Workers write an object before its row is written, and a living run reads rows and results of earlier ones. So while
any session may be alive no run is forgotten, and every object stays that was written or put again since the oldest of
those sessions began. What is put once the collection has begun stays in any case.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from milepost.errors import ObjectError
from milepost.kernel.sessions import liveness
from milepost.kernel.workspace import Workspace
from milepost.model.rows import (
    DecisionRow,
    EventRow,
    PartsRow,
    ResultRow,
    RunRow,
    ScenarioRow,
    SessionRow,
    StageRow,
    StepRow,
    TraceRow,
)
from milepost.model.status import RunState
from milepost.process.decisions.scenarios import Scenario, scenarios_of_all
from milepost.store.protocol import Store

OF_A_RUN = (StepRow, StageRow, DecisionRow, EventRow, SessionRow)
OVER = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)
DATA_STORED = "data_stored"  # the event of `ProcessManager.store_generated_data`
SILENT_SECONDS = 86_400.0  # a session on another host that fell silent less long ago may still be working


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, removed. `alive`: runs that may be working now, for whose sake more was kept; `alerts`:
    old events of alerts.
    """

    deleted: bool
    objects: int
    size_bytes: int
    runs: tuple[str, ...]
    alive: tuple[str, ...] = ()
    alerts: int = 0


def collect(
    workspace: Workspace, *, now: float, grace_seconds: float, older_than_seconds: float | None, delete: bool
) -> Collected:
    """Remove the objects that no row reaches, and with `older_than_seconds` forget runs that ended so long ago.

    Objects younger than `grace_seconds` stay; old events of alerts go. Without `delete` nothing is changed and what
    would go is counted.
    """
    from milepost.alerts.forgetting import forget_alerts

    store = workspace.store
    alerts = forget_alerts(workspace, now=now, delete=delete)
    living = living_sessions(workspace, now)
    runs = [] if older_than_seconds is None or living else finished_before(store, now - older_than_seconds)
    shown = runs_of_scenarios(workspace, now) if runs else set()
    runs = [run for run in runs if run.id not in shown]
    if delete:
        forget(store, runs)
    if runs and (begun := living_sessions(workspace, now)):  # they may have found results just before they went
        alive = _alive(store, begun)
        return Collected(deleted=delete, objects=0, size_bytes=0, runs=_names(runs), alive=alive, alerts=alerts)
    keep = set(store.addresses()) if delete or not runs else _kept_without(store, runs)
    keep |= _stored_data(store, without=runs)
    youngest = min([now - grace_seconds, *(session.started for session in living)])
    swept = workspace.objects.sweep(keep, older_than_seconds=now - youngest, as_of=now, dry_run=not delete)
    return Collected(
        deleted=delete,
        objects=swept.count,
        size_bytes=swept.size_bytes,
        runs=_names(runs),
        alive=_alive(store, living),
        alerts=alerts,
    )


def living_sessions(workspace: Workspace, now: float) -> list[SessionRow]:
    """The sessions that work, or of which it cannot be said that they do not."""
    open_ones = [row for row in workspace.store.rows(SessionRow) if row.ended is None and row.end is None]
    return [row for row in open_ones if _may_live(row, workspace, now)]


def _may_live(session: SessionRow, workspace: Workspace, now: float) -> bool:
    found = liveness(session, workspace.lock_path(session.run), now=now)
    is_unsure = found.kind == "dead" and (found.cause or "").startswith("lost contact")
    return found.kind != "dead" or (is_unsure and now - session.beat < SILENT_SECONDS)


def finished_before(store: Store, before: float) -> list[RunRow]:
    """The runs that were over before this time and that nobody can be carrying out."""
    rows = store.rows(RunRow, state=OVER)
    return [row for row in rows if (row.ended if row.ended is not None else row.created) < before]


def runs_of_scenarios(workspace: Workspace, now: float) -> set[str]:
    """The ids of the runs that show what today's scenarios come to: nobody saves one to have its results forgotten."""
    from milepost.process.comparing.scenario_subjects import read_scenarios

    store = workspace.store
    all_of_them = [each for of_process in scenarios_of_all(store, workspace.objects) for each in of_process.all()]
    scenarios = [scenario for scenario in all_of_them if _can_be_read(scenario)]
    subjects = read_scenarios(store, workspace.objects, workspace.path / "runs", scenarios, now=now)
    made = {row.run for subject in subjects for row in subject.stages}
    return made | {subject.run.id for subject in subjects if subject.run is not None} | _completed(store, all_of_them)


def _can_be_read(scenario: Scenario) -> bool:
    try:
        dict(scenario.decisions)
    except ObjectError:
        return False
    return True


def _completed(store: Store, scenarios: Sequence[Scenario]) -> set[str]:
    """The newest completed run of each that was asked for under its name."""
    asked = {(scenario.process, scenario.name) for scenario in scenarios}
    rows = store.rows(RunRow, scenario=sorted(name for _, name in asked), state=RunState.COMPLETED) if asked else []
    newest = {(run.process, run.scenario): run.id for run in rows}
    return {run for which, run in newest.items() if which in asked}


def forget(store: Store, runs: Sequence[RunRow]) -> None:
    """Drop the rows of these runs, and the results that no other run reaches; the run itself goes last."""
    alone = sorted(_keys_of_none_else(store, runs))
    for start in range(0, len(alone), 500):
        for kind in (ResultRow, PartsRow, TraceRow):
            store.drop(kind, key=alone[start : start + 500])
    for run in runs:
        for of_run in OF_A_RUN:
            store.drop(of_run, run=run.id)
        store.drop(RunRow, id=run.id)


def _kept_without(store: Store, runs: Sequence[RunRow]) -> set[str]:
    """The addresses that would still be named if these runs were forgotten."""
    gone = {run.id for run in runs}
    alone = _keys_of_none_else(store, runs)
    kept = {row.address for row in store.rows(ResultRow) if row.key not in alone}
    kept |= {row.address for row in store.rows(StageRow) if row.run not in gone and row.address}
    kept |= {row.address for row in store.rows(DecisionRow) if row.run not in gone and row.address}
    kept |= {row.address for row in store.rows(ScenarioRow) if row.address}
    after = 0
    while page := store.rows(StepRow, after=after, limit=10_000):
        kept |= {row.address for row in page if row.run not in gone and row.address}
        after = page[-1].seq
    return kept


def _stored_data(store: Store, *, without: Sequence[RunRow]) -> set[str]:
    """The addresses of what runs kept with `store_generated_data`, which no row but its event names."""
    gone = {run.id for run in without}
    events = [row for row in store.rows(EventRow, kind=DATA_STORED) if row.run not in gone]
    return {str(msgspec.json.decode(row.json, type=dict[str, object])["address"]) for row in events}


def _keys_of_none_else(store: Store, forgotten: Sequence[RunRow]) -> set[str]:
    """The stage keys that only the forgotten runs reach."""
    gone = {row.id for row in forgotten}
    mine: set[str] = set()
    others: set[str] = set()
    for row in store.rows(StageRow):
        if row.key is not None:
            (mine if row.run in gone else others).add(row.key)
    mine |= {row.key for row in store.rows(ResultRow, run=sorted(gone))} if gone else set()
    return mine - others


def _names(runs: Sequence[RunRow]) -> tuple[str, ...]:
    return tuple(run.name for run in runs)


def _alive(store: Store, sessions: Sequence[SessionRow]) -> tuple[str, ...]:
    found = [(session.run, store.get(RunRow, id=session.run)) for session in sessions]
    return tuple(run.name if run else identity for identity, run in found)
