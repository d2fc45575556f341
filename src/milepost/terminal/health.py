"""A health check on a terminal: one word for the whole, then a line a check, the worst first."""

from __future__ import annotations

from collections.abc import Mapping

from milepost.health import HealthStatus
from milepost.health.check import COULD_NOT_LOOK
from milepost.terminal.style import Screen, Style
from milepost.terminal.text import counted, duration, safe, width, wrapped
from milepost.views.health import CheckView, HealthView

STYLES: Mapping[HealthStatus, Style] = {
    HealthStatus.HEALTHY: Style.GREEN,
    HealthStatus.WARNING: Style.YELLOW,
    HealthStatus.UNKNOWN: Style.CYAN,
    HealthStatus.CRITICAL: Style.RED,
}
_SIGNS = {
    HealthStatus.HEALTHY: ("●", "+"),
    HealthStatus.WARNING: ("▲", "!"),
    HealthStatus.UNKNOWN: ("?", "?"),
    HealthStatus.CRITICAL: ("✗", "x"),
}
_GAP = 2
_LEAST_TEXT = 32  # columns; where there is less room a text stands below its check
_MOST_TEXT = 110
_MOST_NAME = 24


def health_page(view: HealthView, screen: Screen) -> list[str]:
    """The whole, its documents, and its checks."""
    names = [safe(check.name, limit=_MOST_NAME) for check in view.checks]
    wide = max(map(width, names), default=0)
    lines = [
        f"{_sign(view.status, screen)} {screen.paint(view.status.value, Style.BOLD)}{_documents(view, screen)}",
        "",
    ]
    told: dict[str, str] = {}
    for check, name in zip(view.checks, names, strict=True):
        lines += _check(check, name, _once(check, told), wide, screen)
    return lines


def _once(check: CheckView, told: dict[str, str]) -> str:
    """Its text, or who has told its cause already: a ledger that is away is the cause of many."""
    cause = check.text.removeprefix(COULD_NOT_LOOK)
    teller = told.setdefault(cause, check.name) if check.status is not HealthStatus.HEALTHY else check.name
    return check.text if teller == check.name or cause == check.text else f"could not look, see {teller}"


def _documents(view: HealthView, screen: Screen) -> str:
    if not view.total_docs:
        return ""
    told = f"{counted(view.total_docs, 'document')} in the last hour, {view.error_rate:.1%} of attempts failed"
    told += f", {duration(view.avg_processing_time)} each" if view.avg_processing_time >= 0.05 else ""
    room = screen.columns - len(view.status.value) - 4
    return "  " + screen.paint(told, Style.DIM) if width(told) <= room else ""


def _check(check: CheckView, name: str, said: str, wide: int, screen: Screen) -> list[str]:
    text = safe(said) + _remark(check)
    is_well = check.status is HealthStatus.HEALTHY and not check.is_waiting
    head = f"  {_sign(check.status, screen)} {name}"
    indent = 4 + wide + _GAP
    room = min(screen.columns - indent, _MOST_TEXT)
    if room < _LEAST_TEXT:
        below = wrapped(text, screen.columns, indent="    ") if text else []
        return [head, *(screen.paint(line, Style.DIM if is_well else Style.PLAIN) for line in below)]
    first, *rest = wrapped(text, room)
    style = Style.DIM if is_well else Style.PLAIN
    filled = head + " " * (wide - width(name) + _GAP)
    shown = [(filled + screen.paint(first, style)).rstrip()]
    return shown + [" " * indent + screen.paint(line, style) for line in rest]


def _remark(check: CheckView) -> str:
    """What the sign alone does not say."""
    if check.is_waiting:
        return f" ({check.found.value} at this look; not yet in a row)"
    return " (asked before)" if check.is_cached else ""


def _sign(status: HealthStatus, screen: Screen) -> str:
    sign = _SIGNS[status][0 if screen.unicode else 1]
    return screen.paint(sign, STYLES[status])
