"""What people are told: a fixed, small set of fields without secrets, as words and as JSON."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Literal

import msgspec

from milepost.model.alerting import AlertState, Message
from milepost.model.redaction import redact
from milepost.model.text import safe

MOST_SUBJECTS = 10
LONGEST_SUBJECT = 200  # characters
LONGEST_TEXT = 1000
LAST_OF_HOUR = "this rule says no more within the hour"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message to people. `state` is "several" when changes are summed up; `subjects` are the first of `count`."""

    id: str
    rule: str
    severity: str
    state: Literal["firing", "resolved", "several"]
    text: str
    subjects: tuple[str, ...]
    count: int
    firing: int
    resolved: int
    at: str  # ISO 8601, UTC
    workspace: str
    version: int = 1

    @property
    def title(self) -> str:
        """One line that says what it is about."""
        what = self.subjects[0] if self.count == 1 else f"{self.count:,} changes"
        return f"[{self.state}] {self.rule}: {what}"

    def body(self) -> bytes:
        """The JSON that commands and webhooks receive."""
        return msgspec.json.encode(self)


def notice_of(message: Message, *, number: str, severity: str, workspace: str) -> Notice:
    """The notice for a message of the machine."""
    changes = message.changes
    counts = Counter(change.state for change in changes)
    firing, resolved = counts[AlertState.FIRING], counts[AlertState.RESOLVED]
    if len(changes) == 1:
        state: Literal["firing", "resolved", "several"] = "firing" if firing else "resolved"
        text = changes[0].text if firing else f"no longer: {changes[0].text}"
    else:
        state, text = "several", _summed_up(message, firing, resolved)
    if message.is_last:
        text += f" ({LAST_OF_HOUR})"
    return Notice(
        id=number,
        rule=clean(message.rule, LONGEST_SUBJECT),
        severity=severity,
        state=state,
        text=clean(text, LONGEST_TEXT),
        subjects=tuple(clean(change.subject, LONGEST_SUBJECT) for change in changes[:MOST_SUBJECTS]),
        count=len(changes),
        firing=firing,
        resolved=resolved,
        at=datetime.fromtimestamp(changes[0].at if changes else message.at, UTC).isoformat(timespec="seconds"),
        workspace=clean(workspace, LONGEST_SUBJECT),
    )


def clean(text: str, limit: int) -> str:
    """One harmless line without secrets."""
    return safe(redact(text[: 4 * limit]), limit=limit)


def _summed_up(message: Message, firing: int, resolved: int) -> str:
    named = ", ".join(change.subject for change in message.changes[:MOST_SUBJECTS])
    more = f" and {len(message.changes) - MOST_SUBJECTS:,} more" if len(message.changes) > MOST_SUBJECTS else ""
    return f"{firing:,} began to fire, {resolved:,} were resolved: {named}{more}"
