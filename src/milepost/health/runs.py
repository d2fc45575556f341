"""Whether what should be worked on is: runs that fell silent, and runs and documents whose process died."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from milepost.health.check import Finding
from milepost.health.ground import Ground, unknown_without_ledger
from milepost.kernel.alive import Seen, look
from milepost.kernel.at_hand import Entry, folder_beside, left_behind
from milepost.kernel.workspace import LEDGER
from milepost.model.health import HealthStatus
from milepost.model.rows import RunRow, SessionRow
from milepost.model.status import ProcessingStatus, RunState
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
    left = [entry for entry in _left_behind(ground) if _is_open(ground, entry)]
    metrics = {"runs_interrupted": len(dead), "documents_left_behind": len(left)}
    if left:
        named = "; ".join(f"{entry.step} of {entry.item:.80}" for entry in left[:NAMED])
        dead.insert(0, f"{_were(len(left))} at hand of processes that died: {named}; start their program again")
    if dead:
        return Finding(HealthStatus.WARNING, _several(dead), metrics)
    return Finding(HealthStatus.HEALTHY, "none waits to be taken up", metrics)


def _left_behind(ground: Ground) -> Iterator[Entry]:
    """What processes that were killed had at hand of documents."""
    if ground.folder is None:
        return
    for left in islice(left_behind(folder_beside(ground.folder / LEDGER)), LOOKED_AT):
        yield from left.entries[:LOOKED_AT]


def _is_open(ground: Ground, entry: Entry) -> bool:
    """Whether nobody ended this attempt, as any process may."""
    standing = ground.reading().standings(entry.run, entry.step, [entry.item]).get(entry.item)
    return standing is not None and standing.status is ProcessingStatus.RUNNING and standing.at == entry.at


def _were(documents: int) -> str:
    return "1 document was" if documents == 1 else f"{documents:,} documents were"


def _is_newest(ground: Ground, run: RunRow) -> bool:
    newest = ground.reading().get(RunRow, process=run.process, decisions_hash=run.decisions_hash)
    return newest is None or newest.id == run.id


def _several(sentences: list[str]) -> str:
    more = len(sentences) - NAMED
    return "; ".join(sentences[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def checkpoints_are_fresh() -> Finding:
    """Of those there are: none yet."""
    return Finding(HealthStatus.HEALTHY, "no checkpoints")
