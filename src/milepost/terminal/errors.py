"""`errors`: a few lines for each kind of failure, the commonest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from milepost.model.text import span
from milepost.terminal.style import Screen, Style
from milepost.terminal.text import age, count, counted, safe, wrapped
from milepost.views.errors import ErrorGroup


def errors_page(groups: Sequence[ErrorGroup], screen: Screen, now: float, *, since: float, limit: int) -> list[str]:
    """The page; `since` is where the time looked at begins, in UTC epoch seconds."""
    asked = span(now - since)
    if not groups:
        return [f"nothing failed in the last {asked}"]
    failed = counted(sum(group.count for group in groups), "attempt")
    lines = wrapped(f"{failed} failed in the last {asked}, of {counted(len(groups), 'kind')}", screen.columns)
    for group in groups[:limit]:
        lines += ["", *_group(group, screen, now)]
    if len(groups) > limit:
        lines += ["", screen.paint(f"{counted(len(groups) - limit, 'more kind')}: -n {len(groups)}", Style.DIM)]
    return lines


def _group(group: ErrorGroup, screen: Screen, now: float) -> list[str]:
    lines = wrapped(f"{count(group.count)} × {safe(group.message, limit=300)}", screen.columns)
    lines[0] = screen.paint(lines[0], Style.RED)
    first, when = age(group.first_at, now), age(group.last_at, now)
    if first != when:
        when = f"{first} to {when}"
    runs = [safe(run) or "no run" for run in group.runs]
    where = f"{_named(group, 'steps', map(safe, group.steps))} in {_named(group, 'runs', runs)}, {when}"
    such_as = _named(group, "items", (safe(item, limit=60) for item in group.items))
    return [
        *lines,
        *wrapped(where, screen.columns, indent="  "),
        *wrapped(such_as, screen.columns, indent="  "),
    ]


def _named(group: ErrorGroup, what: str, names: Iterable[str]) -> str:
    return ", ".join(names) + ", …" * (what in group.more)
