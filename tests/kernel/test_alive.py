"""The last sign of life of a session that was killed: a beat, a stage, an item, or the crash itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from milepost.kernel.alive import look_closely, working_seconds
from milepost.kernel.crash import crash_path
from milepost.kernel.sessions import new_session
from milepost.model.rows import RunRow, SessionRow, StageRow, StepRow
from milepost.model.status import ProcessingStatus, RunState, StageState
from milepost.store.memory import MemoryStore

BEGUN = 1_700_000_000.0
BEAT = BEGUN + 5
RUN = RunRow(id="r1", name="brisk-otter", process="sales", decisions_hash="d", created=BEGUN)


@pytest.fixture
def session() -> SessionRow:
    """It began, beat for the last time 5 s later, and holds no lock."""
    return msgspec.structs.replace(new_session(run="r1", epoch=1), started=BEGUN, beat=BEAT)


def step(at: float) -> StepRow:
    return StepRow(run="r1", step="score", item=str(at), status=ProcessingStatus.SUCCESS, at=at)


def stage(**more: Any) -> StageRow:
    return StageRow(run="r1", stage="score", process="sales", **({"epoch": 1, "state": StageState.RUNNING} | more))


def crashed(folder: Path, at: float) -> None:
    path = crash_path(folder / "r1", 1)
    path.parent.mkdir()
    path.write_text('{"memory_group":null,"oom_kills":null}\n')
    os.utime(path, (at, at))


@pytest.mark.parametrize(
    ("rows", "crash", "ended"),
    [
        ([], None, BEAT),
        ([step(BEAT - 0.5)], BEGUN, BEAT),
        ([step(BEAT - 0.5), step(BEAT + 0.75)], BEGUN, BEAT + 0.75),
        ([stage(started=BEGUN, ended=BEAT + 0.5, state=StageState.COMPLETED)], None, BEAT + 0.5),
        ([stage(started=BEAT + 0.25)], None, BEAT + 0.25),
        ([stage(started=BEAT + 0.25, epoch=2)], None, BEAT),
        ([], BEAT + 60, BEAT + 60),
        ([step(BEAT + 3600)], None, BEAT),
    ],
    ids=["none", "earlier", "an item", "a stage's end", "a stage's start", "of another", "a crash", "long after"],
)
def test_it_ends_with_the_last_that_is_known_of_it(
    session: SessionRow, tmp_path: Path, rows: list[StepRow | StageRow], crash: float | None, ended: float
) -> None:
    """What others record in its run long after is no sign; what it wrote as it crashed is, however long it was mute."""
    store = MemoryStore()
    store.write([RUN, session, *rows])
    if crash is not None:
        crashed(tmp_path, crash)
    seen = look_closely(RUN, session, tmp_path, BEGUN + 7200, store)
    assert (RunState.INTERRUPTED, ended) == (seen.state, seen.ended)
    assert ended - BEGUN == working_seconds(session, seen, BEGUN + 7200, is_last=True)
