"""Alerts as every face shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from milepost.alerts.rules import Rule
from milepost.alerts.watcher import Watcher
from milepost.model.alerting import AlertState, Change
from milepost.views.view import View, utc


class AlertView(View, frozen=True, kw_only=True):
    """One alert: what it is about, where it stands, since when."""

    rule: str
    subject: str
    severity: str
    state: AlertState
    at: datetime | None
    text: str


def firing_now(watcher: Watcher) -> list[AlertView]:
    """What fires under the watcher's rules, the oldest first."""
    found = [
        AlertView(
            rule=rule.name,
            subject=subject,
            severity=rule.severity,
            state=standing.state,
            at=utc(standing.since),
            text=standing.text,
        )
        for rule, subject, standing in watcher.firing()
    ]
    return sorted(found, key=lambda alert: (alert.at is not None, alert.at))


def changed(changes: Sequence[Change], rules: Sequence[Rule]) -> list[AlertView]:
    """Changes with the severity that their rules give them."""
    severities = {rule.name: rule.severity for rule in rules}
    return [
        AlertView(
            rule=change.rule,
            subject=change.subject,
            severity=severities.get(change.rule, "warning"),
            state=change.state,
            at=utc(change.at),
            text=change.text,
        )
        for change in changes
    ]
