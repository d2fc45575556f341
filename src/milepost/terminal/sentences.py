"""What is said about a run in words: how it begins, how it ended, and how to go on."""

from __future__ import annotations

import shlex

from milepost.model.status import RunState, StageState
from milepost.terminal.style import STATE_STYLES, Screen, Style
from milepost.terminal.text import age, counted, duration, listed, safe, wrapped
from milepost.views.runs import RunDetail, RunLine
from milepost.views.stages import StageView
from milepost.views.watch import Continuation


def beginning(name: str, process: str, before: Continuation | None, now: float) -> str:
    """`run brisk-otter of sales`, or what it continues and how much of it is done."""
    if before is None:
        return f"run {safe(name)} of {safe(process)}"
    if before.end is RunState.COMPLETED:
        return f"run {safe(name)} is taken up again: session {before.session} completed {age(before.ended_at, now)}"
    done = f"{before.stages_done} of {counted(before.stages_total, 'stage')}"
    if before.items_total:
        done += f" and {before.items_done:,} of {counted(before.items_total, 'item')}"
    are = "is" if before.stages_total == 1 and not before.items_total else "are"
    return f"run {safe(name)} continues after {_fate(before)} {age(before.ended_at, now)}: {done} {are} done"


def _fate(before: Continuation) -> str:
    who, cause = f"session {before.session}", safe(before.cause or "", limit=120)
    if before.end is RunState.CANCELLED:
        return f"{who} was cancelled"
    if before.end is RunState.FAILED:
        return f"{who} failed"
    verbs = {"killed": "was killed", "out of memory": "ran out of memory", "reboot": "was ended by a reboot"}
    return f"{who} {verbs.get(cause, f'was interrupted ({cause})' if cause else 'was interrupted')}"


def summary(detail: RunDetail, screen: Screen, *, session_seconds: float | None = None) -> list[str]:
    """The lines at the end: the state, what ran, what was reused and why, what failed, what was saved."""
    run = detail.run
    seconds = run.seconds if session_seconds is None else session_seconds
    state = screen.paint(run.state.value, STATE_STYLES.get(run.state, Style.PLAIN))
    lines = [f"{safe(run.process)} {screen.paint(safe(run.name), Style.BOLD)} {state} in {duration(seconds)}"]
    for kind, heading in ((StageState.COMPLETED, "ran"), (StageState.REUSED, "reused")):
        lines += _told(heading, _by_reason(detail.stages, kind), screen)
    lines += _told("stopped", [_stopped(stage) for stage in detail.stages if stage.state in _STOPPED], screen)
    lines += _told("failed", [_failed(stage) for stage in detail.stages if stage.error], screen)
    if detail.saved_seconds >= 0.05:
        lines += _told("saved", [f"{duration(detail.saved_seconds)} by reuse"], screen)
    return lines


def _told(what: str, told: list[str], screen: Screen) -> list[str]:
    lines: list[str] = []
    for text in told:
        first, *rest = wrapped(text, min(screen.columns, 100) - 12)
        lines += [f"  {screen.paint(f'{what:<8}', Style.DIM)} {first}", *(" " * 11 + line for line in rest)]
    return lines


_STOPPED = (StageState.CANCELLED, StageState.INTERRUPTED)


def _stopped(stage: StageView) -> str:
    if stage.items_done is None:
        return safe(stage.stage)
    total = "" if stage.items_total is None else f" of {stage.items_total:,}"
    return f"{safe(stage.stage)} after {stage.items_done:,}{total} items; those are kept"


def _failed(stage: StageView) -> str:
    where = f" after {counted(stage.items_done, 'item')}" if stage.items_done and not stage.is_done else ""
    if stage.state is StageState.FAILED:  # its error is a paragraph of its own
        return f"{safe(stage.stage)}{where}"
    return f"{safe(stage.stage)}{where}: {safe(stage.error or 'no message', limit=300)}"


def _by_reason(stages: tuple[StageView, ...], state: StageState) -> list[str]:
    """Stages that share a reason are told together: `clean 1.3 s and score 4.2 s (39 items): their code changed`."""
    groups: dict[str, list[str]] = {}
    for stage in stages:
        if stage.state is state:
            groups.setdefault(safe(stage.reason, limit=200), []).append(_worked(stage))
    return [listed(names) + (f": {reason}" if reason else "") for reason, names in groups.items()]


def _worked(stage: StageView) -> str:
    if stage.state is StageState.REUSED:
        return safe(stage.stage)
    items = []
    if stage.items_done is not None:
        items.append(counted(stage.items_done, "item"))
    if stage.items_reused:
        items.append(f"{stage.items_reused:,} of them reused")
    return f"{safe(stage.stage)} {duration(stage.seconds)}" + (f" ({', '.join(items)})" if items else "")


def resume_command(name: str, workspace: str | None) -> str:
    """The exact command that goes on with a run; `workspace` as the user gave it."""
    place = f" --workspace {shlex.quote(workspace)}" if workspace else ""
    return f"milepost resume {shlex.quote(name)}{place}"


def state_in_words(run: RunLine) -> str:
    """`interrupted (killed)`."""
    return f"{run.state.value} ({safe(run.cause, limit=60)})" if run.cause else run.state.value
