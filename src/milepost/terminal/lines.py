"""What a pipe or a log file gets of a running run: one line a change, and now and then one of progress."""

from __future__ import annotations

from collections.abc import Callable

from milepost.model.status import StageState
from milepost.terminal.style import STATE_STYLES, Screen, Style, paint
from milepost.terminal.text import duration, rate, rough, safe
from milepost.views.watch import Sight, StageSight

PROGRESS_SECONDS = 10.0


class Lines:
    """Writes a line for each stage that changed its state, at most one line of progress in ten seconds."""

    def __init__(self, write: Callable[[str], object], screen: Screen, *, at: float) -> None:
        self._write = write
        self._screen = screen
        self._states: dict[str, StageState] = {}
        self._last_progress = at

    def update(self, sight: Sight, *, at: float) -> None:
        """Tell what changed since the last look; `at` is monotonic seconds."""
        wide = max([10, *(len(safe(stage.stage.stage, limit=40)) for stage in sight.stages)])
        for stage in sight.stages:
            state = stage.stage.state
            if state is not self._states.get(stage.stage.stage, StageState.PENDING):
                self._states[stage.stage.stage] = state
                if state is not StageState.RUNNING:
                    self._tell(stage, wide)
        if at - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = at
            for stage in sight.stages:
                if stage.stage.state is StageState.RUNNING:
                    self._tell(stage, wide)

    def _tell(self, sight: StageSight, wide: int) -> None:
        stage = sight.stage
        state = f"{stage.state.value:<9}"
        shown = paint(state, STATE_STYLES.get(stage.state, Style.PLAIN), colour=self._screen.colour)
        took = duration(sight.elapsed_seconds if sight.elapsed_seconds is not None else 0.0)
        why = f"   ({_words(sight)})" if _words(sight) else ""
        self._write(f"{safe(stage.stage, limit=40):<{wide}} {shown} {took:<8}{why}".rstrip() + "\n")


def _words(sight: StageSight) -> str:
    stage = sight.stage
    words = []
    if stage.items_done is not None:
        total = "" if stage.items_total in (None, stage.items_done) else f" of {stage.items_total:,}"
        words.append(f"{stage.items_done:,}{total} items")
        is_part = stage.items_reused and stage.state is not StageState.REUSED  # a reused stage's are all reused
        words += [f"{stage.items_reused:,} of them reused"] if is_part else []
        words += [f"{stage.items_failed:,} failed"] if stage.items_failed and not stage.error else []
    elif stage.state is StageState.RUNNING and stage.progress is not None:
        words.append(f"{stage.progress:.0%}")
    words += [rate(sight.rate)] if sight.rate else []
    words += [f"{rough(sight.eta_seconds)} left"] if sight.eta_seconds is not None else []
    said = stage.error or (stage.message if stage.state is StageState.RUNNING else None) or stage.reason
    words += [safe(said, limit=200)] if said else []
    return ", ".join(words)
