"""Plans and reasons in words: what `plan` and `why` print."""

from __future__ import annotations

from collections.abc import Sequence

from milepost.process.planner import Verdict
from milepost.terminal.style import STATE_STYLES, Screen, Style
from milepost.terminal.table import Cell, Column, lay_out
from milepost.terminal.text import duration, safe, wrapped
from milepost.views.plans import PlanView
from milepost.views.why import PartChange, StageWhy

_PLAN = (
    Column("stage", least=10),
    Column("what"),
    Column("last time", rank=1, right=True),
    Column("why", least=20),
)
_VERDICTS = {
    Verdict.REUSE: ("reuse", Style.CYAN),
    Verdict.RUN: ("run", Style.BLUE),
    Verdict.DEPENDS: ("run?", Style.YELLOW),
}
_DIFF_STYLES = {"+": Style.GREEN, "-": Style.RED, "@": Style.CYAN}


def plan_table(plan: PlanView, screen: Screen) -> list[str]:
    """`plan`: a line a stage, notes below, and what it comes to."""
    rows = [
        [
            Cell(safe(stage.stage)),
            Cell(*_VERDICTS[stage.verdict]),
            Cell(duration(stage.last_seconds), Style.DIM),
            Cell(safe(stage.reason)),
        ]
        for stage in plan.stages
    ]
    lines = lay_out(_PLAN, rows, columns_wide=screen.columns, colour=screen.colour)
    for stage in plan.stages:
        for note in stage.notes:
            told = wrapped(f"note: {safe(stage.stage)}: {safe(note)}", screen.columns)
            lines += [screen.paint(line, Style.YELLOW) for line in told]
    return [*lines, *(screen.paint(line, Style.DIM) for line in wrapped(_comes_to(plan), screen.columns))]


def _comes_to(plan: PlanView) -> str:
    counts = {verdict: sum(stage.verdict is verdict for stage in plan.stages) for verdict in Verdict}
    if counts[Verdict.REUSE] == len(plan.stages):
        return f"nothing to do: all {len(plan.stages)} stages are reused ({duration(plan.seconds_saved)} saved)"
    text = f"{counts[Verdict.REUSE]} reused, {counts[Verdict.RUN]} to run"
    if counts[Verdict.DEPENDS]:
        text += f", {counts[Verdict.DEPENDS]} to be decided by what runs before"
    if plan.seconds_expected is not None:
        text += f"; at most about {duration(plan.seconds_expected)} judging by last time"
    return text


def why_page(stages: Sequence[StageWhy], screen: Screen) -> list[str]:
    """`why`: each stage, its reason, and what changed."""
    lines: list[str] = []
    for stage in stages:
        state = screen.paint(stage.state.value, STATE_STYLES.get(stage.state, Style.PLAIN))
        lines.append(f"{screen.paint(safe(stage.stage), Style.BOLD)}  {state}: {safe(_reason(stage))}")
        lines += changes_lines(stage.changes, screen)
    return lines


def changes_lines(changes: Sequence[PartChange], screen: Screen) -> list[str]:
    """Each part that changed and its diff."""
    lines: list[str] = []
    for change in changes:
        lines.append(f"  {safe(change.name)} {change.what}")
        lines += [_diff_line(line, screen) for line in change.diff.expandtabs(4).splitlines()]
    return lines


def _reason(stage: StageWhy) -> str:
    text = stage.reason or "no reason was recorded"
    if stage.reused_from:
        text += f"; run {stage.reused_from} made it"
    if stage.compared_with:
        text += f" (compared with run {stage.compared_with})"
    return text


def _diff_line(line: str, screen: Screen) -> str:
    return "    " + screen.paint(safe(line), _DIFF_STYLES.get(line[:1], Style.PLAIN))
