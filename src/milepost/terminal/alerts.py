"""Alerts as lines."""

from __future__ import annotations

from milepost.model.alerting import AlertState
from milepost.terminal.style import Screen, Style
from milepost.terminal.text import counted, safe
from milepost.views.alerts import AlertView

_STYLES = {AlertState.FIRING: Style.RED, AlertState.PENDING: Style.YELLOW, AlertState.RESOLVED: Style.GREEN}


def alert_line(alert: AlertView, screen: Screen) -> str:
    """`09:01:12  firing    interrupted  run brisk-otter of sales was interrupted (killed)`, in local time."""
    at = alert.at.astimezone().strftime("%H:%M:%S") if alert.at is not None else ""
    state = screen.paint(f"{alert.state.value:<9}", _STYLES.get(alert.state, Style.DIM))
    text = alert.text if alert.state.is_open else f"no longer: {alert.text}"
    return f"{at}  {state}  {safe(alert.rule, limit=40)}  {safe(text, limit=1000)}"


def watching_line(rules: list[str], seconds: float, *, is_owner: bool, screen: Screen) -> str:
    """What is watched and how often; of a second watcher, that it only looks on."""
    named = ", ".join(safe(rule, limit=40) for rule in rules)
    who = "" if is_owner else "; another watcher is at work: this one shows what it finds, and follows it"
    return screen.paint(f"watching for {counted(len(rules), 'rule')} ({named}) every {seconds:g} s{who}", Style.DIM)
