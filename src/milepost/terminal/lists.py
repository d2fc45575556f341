"""Runs, stages, items and decisions as tables."""

from __future__ import annotations

from collections.abc import Sequence

from milepost.model.comparison.figures import figures
from milepost.model.status import RunState
from milepost.terminal.sentences import state_in_words
from milepost.terminal.style import STATE_STYLES, Screen, Style
from milepost.terminal.table import Cell, Column, lay_out
from milepost.terminal.text import age, count, counted, duration, listed, safe, size, wrapped
from milepost.views.items import FailureGroup, ItemView
from milepost.views.runs import RunDetail, RunLine
from milepost.views.stages import StageView

_RUNS = (
    Column("name", least=10, wanted=24),
    Column("process", rank=4, least=8),
    Column("scenario", rank=6, least=8),
    Column("state", least=11),
    Column("stages", rank=3, right=True),
    Column("items", rank=2, right=True),
    Column("when", rank=1, right=True),
    Column("took", rank=5, right=True),
)
_STAGES = (
    Column("stage", least=10),
    Column("state"),
    Column("items", rank=1, right=True),
    Column("failed", rank=2, right=True),
    Column("reused", rank=4, right=True),
    Column("took", rank=3, right=True),
    Column("memory", rank=5, right=True),
    Column("why", rank=6, least=14),
)
_ITEMS = (
    Column("stage", rank=2, least=6),
    Column("item", least=8),
    Column("status"),
    Column("attempt", rank=3, right=True),
    Column("took", rank=1, right=True),
    Column("error", least=12, wanted=24),
)


def runs_table(runs: Sequence[RunLine], screen: Screen, now: float) -> list[str]:
    """`ls`: one line a run."""
    return lay_out(_RUNS, [_run(run, now) for run in runs], columns_wide=screen.columns, colour=screen.colour)


def _run(run: RunLine, now: float) -> list[Cell]:
    return [
        Cell(safe(run.name), Style.BOLD),
        Cell(safe(run.process, limit=30)),
        Cell(safe(run.scenario or "", limit=30)),
        Cell(state_in_words(run), STATE_STYLES.get(run.state, Style.PLAIN)),
        Cell(f"{run.stages_done}/{run.stages_total}"),
        Cell(_items(run.items_done, run.items_total, run.items_failed)),
        Cell(age(run.created_at, now), Style.DIM),
        Cell(duration(run.seconds), Style.DIM),
    ]


def _items(done: int, total: int | None, failed: int = 0) -> str:
    if not done and not total and not failed:
        return ""
    whole = f"{done:,}" if total is None or total == done else f"{done:,}/{total:,}"
    return f"{whole}, {failed:,} failed" if failed else whole


def stages_table(stages: Sequence[StageView], screen: Screen) -> list[str]:
    """The stages of one run."""
    rows = [
        [
            Cell(safe(stage.indented)),
            Cell(stage.state.value, STATE_STYLES.get(stage.state, Style.PLAIN)),
            Cell("" if stage.items_done is None else _items(stage.items_done, stage.items_total)),
            Cell(count(stage.items_failed or None), Style.RED),
            Cell(count(stage.items_reused or None)),
            Cell(duration(stage.seconds), Style.DIM),
            Cell(size(stage.memory_bytes), Style.DIM),
            Cell(safe(stage.error or stage.reason), Style.RED if stage.error else Style.DIM),
        ]
        for stage in stages
    ]
    return lay_out(_STAGES, rows, columns_wide=screen.columns, colour=screen.colour, indent=2)


def detail_page(detail: RunDetail, screen: Screen, now: float) -> list[str]:
    """`show`: one run in full."""
    run = detail.run
    lines = [
        f"{screen.paint(safe(run.name), Style.BOLD)}  {safe(run.process)}  "
        f"{screen.paint(state_in_words(run), STATE_STYLES.get(run.state, Style.PLAIN))}",
        *(screen.paint(line, Style.DIM) for line in _begun(run, screen, now)),
    ]
    if detail.target:
        lines.append(screen.paint(f"  {safe(detail.target)}", Style.DIM))
    if detail.stages:
        lines += ["", *stages_table(detail.stages, screen)]
    lines += _error_lines(detail, screen)
    lines += _metric_lines(detail, screen)
    lines += _decision_lines(detail, screen)
    lines += _session_lines(detail, screen, now)
    return lines


def _begun(run: RunLine, screen: Screen, now: float) -> list[str]:
    text = (
        f"id {run.id}, begun {age(run.created_at, now)}, {duration(run.seconds)} of work in "
        f"{counted(run.sessions, 'session')}"
        f"{f', scenario {safe(run.scenario, limit=80)}' if run.scenario else ''}"
    )
    return wrapped(text, screen.columns, indent="  ")


def _error_lines(detail: RunDetail, screen: Screen) -> list[str]:
    lines: list[str] = []
    for stage in detail.stages:
        if stage.error:
            first, *rest = wrapped(f"error in {safe(stage.stage)}: {safe(stage.error)}", screen.columns)
            lines += ["", screen.paint("error", Style.RED) + first.removeprefix("error"), *rest]
            lines += [f"  {safe(line)}" for line in (stage.traceback or "").expandtabs(4).splitlines()]
    return lines


def _metric_lines(detail: RunDetail, screen: Screen) -> list[str]:
    rows = [
        [Cell(f"{safe(stage.stage)}.{safe(name)}"), Cell(figures([value])[0])]
        for stage in detail.stages
        for name, value in stage.metrics.items()
    ]
    columns = (Column("metric", least=12), Column("value", right=True))
    return ["", *lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour, indent=2)] if rows else []


def _decision_lines(detail: RunDetail, screen: Screen) -> list[str]:
    if not detail.decisions:
        return []
    rows = [
        [
            Cell(f"{safe(decision.stage)}.{safe(decision.name)}"),
            Cell(safe(decision.value)),
            Cell(
                decision.source if decision.source == "default" else f"{decision.source} by {safe(decision.who)}",
                Style.DIM,
            ),
        ]
        for decision in detail.decisions
    ]
    columns = (Column("decision", least=12, wanted=24), Column("value", least=8, wanted=12), Column("", rank=1))
    return ["", *lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour, indent=2)]


def _session_lines(detail: RunDetail, screen: Screen, now: float) -> list[str]:
    if len(detail.sessions) < 2 and detail.run.state is RunState.COMPLETED:
        return []
    rows = [
        [
            Cell(str(session.epoch)),
            Cell(f"{safe(session.host, limit=30)} pid {session.pid}"),
            Cell(age(session.started_at, now), Style.DIM),
            Cell(duration(session.seconds), Style.DIM),
            Cell(safe(f"{session.end or 'working'}" + (f" ({session.cause})" if session.cause else ""))),
        ]
        for session in detail.sessions
    ]
    columns = (
        Column("session"), Column("where", rank=2, least=10), Column("begun", rank=1, right=True),
        Column("took", rank=3, right=True), Column("end", least=10, wanted=60),
    )  # fmt: skip
    table = lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour, indent=2)
    return ["", *table, *_at_hand_lines(detail, screen)]


def _at_hand_lines(detail: RunDetail, screen: Screen) -> list[str]:
    """What a dead loop was at; once the run is continued, that is on record as an attempt lost."""
    named = [item for session in detail.sessions for item in session.at_hand]
    if not named:
        return []
    text = f"at hand when it died: {listed([safe(item, limit=80) for item in named])}"
    return ["", *wrapped(text, screen.columns, indent="  ")]


def items_table(items: Sequence[ItemView], screen: Screen) -> list[str]:
    """`show --items`: one line an item."""
    rows = [
        [
            Cell(safe(item.stage)),
            Cell(safe(item.item, limit=60)),
            Cell(item.status.value, STATE_STYLES.get(item.status, Style.PLAIN)),
            Cell(str(item.attempt) if item.attempt > 1 else ""),
            Cell(duration(item.seconds), Style.DIM),
            Cell(safe(item.error or "", limit=300), Style.RED),
        ]
        for item in items
    ]
    return lay_out(_ITEMS, rows, columns_wide=screen.columns, colour=screen.colour)


def failures_table(groups: Sequence[FailureGroup], screen: Screen) -> list[str]:
    """Failures, grouped by what went wrong."""
    rows = [
        [
            Cell(count(group.count), Style.RED),
            Cell(safe(group.stage)),
            Cell(safe(group.error, limit=300)),
            Cell(
                safe(", ".join(group.items) + (", …" if group.count > len(group.items) else ""), limit=80),
                Style.DIM,
            ),
        ]
        for group in groups
    ]
    columns = (
        Column("failed", right=True), Column("stage", rank=1, least=6), Column("error", least=16),
        Column("such as", rank=2, least=12),
    )  # fmt: skip
    return lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour)
