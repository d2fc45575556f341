"""The live table as lines of text: one row a stage, calm, fitting any window. Drawing it is `live`'s work."""

from __future__ import annotations

from milepost.model.status import StageState
from milepost.terminal.style import STATE_STYLES, Screen, Style
from milepost.terminal.table import Cell, Column, lay_out
from milepost.terminal.text import count, duration, rate, rough, safe, size
from milepost.views.watch import Sight, StageSight

_COLUMNS = (
    Column(""),
    Column("stage", least=8),
    Column("state"),
    Column("progress", rank=3),
    Column("items", rank=1, right=True),
    Column("left", rank=2, right=True),
    Column("rate", rank=5, right=True),
    Column("time", rank=4, right=True),
    Column("reused", rank=6, right=True),
    Column("memory", rank=7, right=True),
    Column("", rank=8, least=12),
)
_SIGNS = {
    StageState.COMPLETED: ("✓", "+"),
    StageState.REUSED: ("✓", "+"),
    StageState.FAILED: ("✗", "x"),
    StageState.CANCELLED: ("■", "x"),
    StageState.INTERRUPTED: ("■", "x"),
    StageState.SKIPPED: ("–", "-"),
    StageState.PENDING: ("·", "."),
}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_SPINNER = "|/-\\"


def draw(sight: Sight, screen: Screen, *, tick: int = 0, height: int | None = None) -> list[str]:
    """The table's lines. `tick` turns the spinner; with a `height`, what is done and what waits folds together."""
    shown, above, below = _fold(sight.stages, height)
    rows = [_row(stage, screen, tick) for stage in shown]
    lines = lay_out(_COLUMNS, rows, columns_wide=screen.columns - 1, colour=screen.colour)
    if above:
        lines.insert(1, screen.paint(f"{_sign(StageState.COMPLETED, screen)}  {above} more done", Style.DIM))
    if below:
        lines.append(screen.paint(f"{_sign(StageState.PENDING, screen)}  {below} more waiting", Style.DIM))
    return lines


def _fold(stages: tuple[StageSight, ...], height: int | None) -> tuple[list[StageSight], int, int]:
    shown = list(stages)
    if height is None or len(shown) <= height - 3:
        return shown, 0, 0
    room = max(height - 5, 1)
    above = below = 0
    while len(shown) > room and shown[-1].stage.state is StageState.PENDING:
        shown.pop()
        below += 1
    while len(shown) > room and shown[0].stage.is_done:
        shown.pop(0)
        above += 1
    return shown[:room], above, below + max(len(shown) - room, 0)


def _row(sight: StageSight, screen: Screen, tick: int) -> list[Cell]:
    stage = sight.stage
    style = STATE_STYLES.get(stage.state, Style.PLAIN)
    running = stage.state is StageState.RUNNING
    return [
        Cell(_spin(screen, tick) if running else _sign(stage.state, screen), style),
        Cell(safe(stage.indented, limit=40), Style.BOLD if running else Style.PLAIN),
        Cell(stage.state.value, style),
        Cell(_bar(stage.progress, screen) if _has_bar(stage.state) else "", style),
        Cell(_items(sight)),
        Cell(rough(sight.eta_seconds) if running else ""),
        Cell(rate(sight.rate), Style.DIM),
        Cell(duration(sight.elapsed_seconds), Style.DIM),
        Cell(_reused(sight), Style.CYAN),
        Cell(size(stage.memory_bytes), Style.DIM),
        Cell(_note(sight), Style.RED if stage.error else Style.DIM),
    ]


def _has_bar(state: StageState) -> bool:
    return state in (StageState.RUNNING, StageState.FAILED, StageState.CANCELLED, StageState.INTERRUPTED)


def _items(sight: StageSight) -> str:
    stage = sight.stage
    if stage.items_done is None:
        return ""
    total = "" if stage.items_total is None else f"/{stage.items_total:,}"
    return f"{stage.items_done:,}{total}"


def _reused(sight: StageSight) -> str:
    if sight.stage.state is StageState.REUSED:
        return "all" if sight.stage.items_done is not None else "yes"
    return count(sight.stage.items_reused or None)


def _note(sight: StageSight) -> str:
    stage = sight.stage
    failed = f"{stage.items_failed:,} failed" if stage.items_failed and not stage.error else ""
    running = stage.state is StageState.RUNNING
    text = stage.error or (stage.message if running else None) or stage.reason
    return "; ".join(part for part in (failed, safe(text, limit=200)) if part)


def _bar(fraction: float | None, screen: Screen) -> str:
    if fraction is None:
        return ""
    wide = 20 if screen.columns >= 90 else 12
    full, empty = ("━", "─") if screen.unicode else ("=", "-")
    filled = min(int(fraction * wide), wide)
    return f"{full * filled}{empty * (wide - filled)} {int(fraction * 100):>3} %"


def _sign(state: StageState, screen: Screen) -> str:
    fancy, ascii_only = _SIGNS.get(state, ("·", "."))
    return fancy if screen.unicode else ascii_only


def _spin(screen: Screen, tick: int) -> str:
    turns = _SPINNER if screen.unicode else _ASCII_SPINNER
    return turns[tick % len(turns)]
