"""What the live table, the lines and the sentences promise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from milepost.model.status import RunState, StageState
from milepost.terminal.board import draw
from milepost.terminal.lines import Lines
from milepost.terminal.sentences import beginning, resume_command, summary
from milepost.terminal.style import Screen
from milepost.terminal.text import width
from milepost.views.runs import RunDetail, RunLine
from milepost.views.stages import StageView
from milepost.views.watch import Continuation, Sight, StageSight

NOW = 1_700_000_000.0


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def stage(name: str, state: StageState, **more: Any) -> StageView:
    return StageView(stage=name, state=state, epoch=1, **more)


STAGES = (
    stage("orders", StageState.REUSED, reason="unchanged", seconds=0.0, saved_seconds=60.0),
    stage("clean", StageState.COMPLETED, reason="its code changed", seconds=1.25),
    stage(
        "score", StageState.RUNNING,
        items_total=2000, items_done=1240, items_reused=1000, items_failed=3, progress=0.62, memory_bytes=142_000_000,
    ),
    stage("report", StageState.PENDING),
)  # fmt: skip


def detail(stages: tuple[StageView, ...] = STAGES, state: RunState = RunState.RUNNING) -> RunDetail:
    run = RunLine(
        id="i", name="brisk-otter", process="sales", state=state, cause=None, created_at=at(0), ended_at=None,
        seconds=12.3, sessions=1, stages_done=2, stages_total=4, items_done=1240, items_total=2000, items_failed=3,
    )  # fmt: skip
    return RunDetail(run=run, target=None, cwd=None, stages=stages, decisions=(), sessions=())


def sight(stages: tuple[StageView, ...] = STAGES) -> Sight:
    running = StageState.RUNNING
    sights = [
        StageSight(stage=it, rate=24.0, eta_seconds=31.0, elapsed_seconds=10.0)
        if it.state is running
        else StageSight(stage=it, elapsed_seconds=it.seconds)
        for it in stages
    ]
    return Sight(detail=detail(stages), stages=tuple(sights))


@pytest.mark.parametrize("columns", [40, 45, 60, 80, 100, 200])
def test_the_live_table_fits_every_window(columns: int) -> None:
    """Stage, state and items stay at 40 columns; nothing wraps at any width."""
    lines = draw(sight(), Screen(columns=columns))
    assert all(width(line) < columns for line in lines)
    assert "score" in lines[3]
    assert "running" in lines[3]
    assert "1,240/2,000" in lines[3]


def test_the_live_table_says_it_all_when_there_is_room() -> None:
    """Progress, items, time left, rate, time, what is reused, memory, failures."""
    line = draw(sight(), Screen(columns=160))[3]
    for said in ("62 %", "1,240/2,000", "31 s", "24/s", "10.0 s", "1,000", "142 MB", "3 failed"):
        assert said in line


def test_without_unicode_the_table_is_ascii() -> None:
    """Signs, bar and spinner."""
    assert all(line.isascii() for line in draw(sight(), Screen(columns=100, unicode=False), tick=3))


def test_more_stages_than_lines_fold_together() -> None:
    """What is done above and what waits below become a count; what runs is shown."""
    many = (
        *(stage(f"a{n}", StageState.COMPLETED) for n in range(20)),
        stage("busy", StageState.RUNNING),
        *(stage(f"z{n}", StageState.PENDING) for n in range(20)),
    )
    lines = draw(sight(many), Screen(columns=80), height=10)
    assert len(lines) <= 9
    assert any("busy" in line for line in lines)
    assert any("more done" in line for line in lines)
    assert any("more waiting" in line for line in lines)


def test_a_pipe_gets_one_line_a_change_and_progress_every_ten_seconds() -> None:
    """No bar spam: a hundred looks without a change are silent for ten seconds, then one line."""
    written: list[str] = []
    lines = Lines(written.append, Screen(), at=0.0)
    for tick in range(100):
        lines.update(sight(), at=tick / 10)
    assert written[0].split() == ["orders", "reused", "0.0", "s", "(unchanged)"]
    assert len(written) == 2
    lines.update(sight(), at=10.0)
    assert len(written) == 3
    assert written[2].startswith("score      running   10.0 s")
    assert "1,240 of 2,000 items" in written[2]


def test_names_cannot_forge_a_line() -> None:
    """A newline in a stage's message or name is shown as one."""
    written: list[str] = []
    evil = stage("a\nb", StageState.FAILED, error="x\n\x1b[2Jclean      reused")
    Lines(written.append, Screen(), at=0.0).update(sight((evil,)), at=0.0)
    assert len(written) == 1
    assert written[0].count("\n") == 1
    assert "\x1b" not in written[0]


def test_the_first_line_says_what_is_continued() -> None:
    """After which session, how it ended and when, and how much is done."""
    before = Continuation(
        session=1, end=RunState.INTERRUPTED, cause="killed", ended_at=at(-12),
        stages_done=2, stages_total=5, items_done=1204, items_total=2000,
    )  # fmt: skip
    assert beginning("brisk-otter", "sales", before, NOW) == (
        "run brisk-otter continues after session 1 was killed 12 s ago: 2 of 5 stages and 1,204 of 2,000 items are done"
    )
    assert beginning("brisk-otter", "sales", None, NOW) == "run brisk-otter of sales"


def test_the_summary_says_what_ran_what_was_reused_and_what_that_saved() -> None:
    """And which items failed."""
    done = stage("score", StageState.COMPLETED, items_total=9, items_done=8, items_failed=1, seconds=2.0, reason="new")
    lines = summary(detail((*STAGES[:2], done), RunState.COMPLETED), Screen())
    assert lines[0] == "sales brisk-otter completed in 12.3 s"
    assert "  ran      score 2.0 s (8 items): new" in lines
    assert "  reused   orders: unchanged" in lines
    assert "  saved    1 min 00 s by reuse" in lines


def test_the_resuming_command_can_be_pasted() -> None:
    """A workspace that was given is given again, quoted."""
    assert resume_command("brisk-otter", None) == "milepost resume brisk-otter"
    assert resume_command("brisk-otter", "/a b/.m") == "milepost resume brisk-otter --workspace '/a b/.m'"
