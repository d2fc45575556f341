"""Whether runs that should be worked on are: those that fell silent, and those that died and wait to be taken up."""

from __future__ import annotations

from typing import NamedTuple

from milepost.health.check import Finding
from milepost.health.ground import Ground, unknown_without_ledger
from milepost.kernel.alive import Seen, look
from milepost.model.health import HealthStatus
from milepost.model.rows import RunRow, SessionRow
from milepost.model.status import RunState
from milepost.model.text import counted, duration

LOOKED_AT = 200  # of the runs that are written down as worked on, the newest
NAMED = 3
OPEN = (RunState.PENDING, RunState.RUNNING, RunState.STALLED, RunState.PAUSED, RunState.INTERRUPTED)


class Sight(NamedTuple):
    """A run that is written down as worked on, and how it really is."""

    run: RunRow
    session: SessionRow | None
    seen: Seen


def open_runs(ground: Ground) -> list[Sight]:
    """Those that somebody should be carrying out, the newest first."""
    if ground.folder is None:
        return []
    store, now = ground.reading(), ground.clock.now()
    runs = store.rows(RunRow, newest=True, limit=LOOKED_AT, state=OPEN)
    rows = store.rows(SessionRow, run=[run.id for run in runs]) if runs else []
    sessions = {row.run: row for row in sorted(rows, key=lambda row: row.epoch)}
    return [
        Sight(run, sessions.get(run.id), look(run, sessions.get(run.id), ground.folder / "runs", now)) for run in runs
    ]


@unknown_without_ledger
def runs_go_on(ground: Ground) -> Finding:
    """Runs of other machines that were not heard of, and those here that hold their lock and do not beat."""
    now = ground.clock.now()
    silent = []
    working = 0
    for run, session, seen in open_runs(ground):
        silence = now - session.beat if session is not None else 0.0
        is_silent = seen.state is RunState.STALLED or silence > ground.thresholds.beat_seconds
        if seen.state.is_active and is_silent:
            cause = seen.cause or "it is stopped, or cannot write"
            silent.append(f"{run.name} was silent for {duration(silence)}: {cause}")
        working += seen.state.is_active
    metrics = {"runs_working": working, "runs_stalled": len(silent)}
    if silent:
        return Finding(HealthStatus.WARNING, _several(silent), metrics)
    return Finding(HealthStatus.HEALTHY, f"{counted(working, 'run')} at work" if working else "none at work", metrics)


@unknown_without_ledger
def dead_runs_are_taken_up(ground: Ground) -> Finding:
    """Runs whose session died within a day, and that neither it nor a newer one with the same decisions replaced."""
    now = ground.clock.now()
    dead = []
    for run, _, seen in open_runs(ground):
        ago = now - (run.created if seen.ended is None else seen.ended)
        if seen.state is RunState.INTERRUPTED and ago < ground.thresholds.dead_for_seconds and _is_newest(ground, run):
            dead.append(f"{run.name} died {duration(ago)} ago ({seen.cause or 'killed'}): milepost resume {run.name}")
    metrics = {"runs_interrupted": len(dead)}
    if dead:
        return Finding(HealthStatus.WARNING, _several(dead), metrics)
    return Finding(HealthStatus.HEALTHY, "none waits to be taken up", metrics)


def _is_newest(ground: Ground, run: RunRow) -> bool:
    newest = ground.reading().get(RunRow, process=run.process, decisions_hash=run.decisions_hash)
    return newest is None or newest.id == run.id


def _several(sentences: list[str]) -> str:
    more = len(sentences) - NAMED
    return "; ".join(sentences[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def checkpoints_are_fresh() -> Finding:
    """Of those there are: none yet."""
    return Finding(HealthStatus.HEALTHY, "no checkpoints")
