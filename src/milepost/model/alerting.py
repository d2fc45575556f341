"""Alerts as a pure machine: what fires, what is resolved, what is told. No clock, no I/O.

::

    (quiet) → pending → firing → resolved → pending → …
                 └→ withdrawn       it went away before it had lasted long enough

One alert is one (rule, subject). It fires when its condition has held for `for_seconds` and it did not fire within
`cooldown_seconds`; again while it fires, when its condition ended and came back between two looks. Firing and resolving
are told in messages, of which a rule sends at most `most_per_hour`: what does not fit is summed up in the last of them,
or waits, in order, for the hour to pass. Times are UTC epoch seconds, which may jump: only how far apart two of them
are counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

HOUR_SECONDS = 3600.0
COOLED_SECONDS = 86_400.0


class AlertState(StrEnum):
    """Where an alert stands."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        """Whether its condition holds."""
        return self in (AlertState.PENDING, AlertState.FIRING)

    @property
    def is_told(self) -> bool:
        """Whether people are told when an alert gets there."""
        return self in (AlertState.FIRING, AlertState.RESOLVED)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a rule is."""

    for_seconds: float = 0.0
    cooldown_seconds: float = 300.0
    most_per_hour: int = 20


class Finding(msgspec.Struct, frozen=True):
    """A subject of which a rule's condition holds now, in words."""

    subject: str
    text: str
    times: int = 1  # how often it came to hold, of which nothing was seen in between


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that got to another state."""

    rule: str
    subject: str
    state: AlertState
    at: float
    text: str
    times: int = 1


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that are told together. `is_last`: the rule may send no more within the hour."""

    rule: str
    at: float
    changes: tuple[Change, ...]
    is_last: bool = False


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one alert stands, since when, and when it last fired."""

    state: AlertState
    since: float
    text: str
    fired: float | None = None
    times: int = 1


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """All that a book has to know to go on."""

    standings: dict[str, Standing]
    untold: tuple[Change, ...]
    told: tuple[float, ...]


class Book:
    """What is known of one rule's alerts, folded from changes and messages in their order.

    Example:
        >>> book = Book("dead")
        >>> change, = book.changes(Policy(), [Finding("brisk-otter", "was killed")], now=0.0)
        >>> book.fold(change)
        >>> change.state, [message.changes == (change,) for message in book.messages(Policy(), now=0.0)]
        (<AlertState.FIRING: 'firing'>, [True])
    """

    def __init__(self, rule: str, page: Page | None = None) -> None:
        self.rule = rule
        self.standings: dict[str, Standing] = {} if page is None else dict(page.standings)
        self._untold: deque[Change] = deque(() if page is None else page.untold)
        self._told: deque[float] = deque(() if page is None else page.told)

    def page(self, now: float) -> Page:
        """What counts from now on: of alerts that are over, those that fired within a day, for their cool-down."""
        kept = {
            subject: standing
            for subject, standing in self.standings.items()
            if standing.state.is_open or (standing.fired is not None and abs(now - standing.fired) < COOLED_SECONDS)
        }
        return Page(standings=kept, untold=tuple(self._untold), told=tuple(self._told))

    def open(self, *states: AlertState) -> dict[str, Standing]:
        """The alerts whose condition holds, by subject; of these states, if any are given."""
        wanted = states or (AlertState.PENDING, AlertState.FIRING)
        return {subject: standing for subject, standing in self.standings.items() if standing.state in wanted}

    def fold(self, change: Change) -> None:
        """Take over a change that was recorded."""
        before = self.standings.get(change.subject)
        earlier = None if before is None else before.fired
        fired = change.at if change.state is AlertState.FIRING else earlier
        self.standings[change.subject] = Standing(
            state=change.state, since=change.at, text=change.text, fired=fired, times=change.times
        )
        if change.state.is_told:
            self._untold.append(change)

    def fold_told(self, at: float, count: int) -> tuple[Change, ...]:
        """Take over that the oldest `count` untold changes were told in one message; which those are."""
        self._told.append(at)
        return tuple(self._untold.popleft() for _ in range(min(count, len(self._untold))))

    def changes(self, policy: Policy, findings: Iterable[Finding], now: float) -> list[Change]:
        """What changes when the condition holds of exactly these subjects; nothing is taken over."""
        found = {finding.subject: finding for finding in findings}
        changed = [self._next(policy, finding, now) for finding in found.values()]
        gone = [self._end(subject, now) for subject in self.open() if subject not in found]
        return [change for change in changed if change is not None] + gone

    def messages(self, policy: Policy, now: float) -> list[Message]:
        """What may be told now of all that was not told yet; nothing is taken over."""
        self._told = deque(at for at in self._told if abs(now - at) < HOUR_SECONDS)
        left = policy.most_per_hour - len(self._told)
        if left <= 0 or not self._untold:
            return []
        untold = list(self._untold)
        alone = len(untold) if len(untold) <= left else left - 1
        groups: list[Sequence[Change]] = [[change] for change in untold[:alone]]
        groups += [untold[alone:]] if alone < len(untold) else []
        return [
            Message(rule=self.rule, at=now, changes=tuple(group), is_last=number == left)
            for number, group in enumerate(groups, start=1)
        ]

    def _next(self, policy: Policy, finding: Finding, now: float) -> Change | None:
        standing = self.standings.get(finding.subject)
        if standing is not None and standing.state is AlertState.FIRING:
            return self._again(policy, standing, finding, now)
        is_pending = standing is not None and standing.state is AlertState.PENDING
        since = standing.since if standing is not None and is_pending else now
        if abs(now - since) >= policy.for_seconds and not _is_cooling(standing, policy, now):
            return self._change(finding, AlertState.FIRING, now)
        return None if is_pending else self._change(finding, AlertState.PENDING, now)

    def _again(self, policy: Policy, standing: Standing, finding: Finding, now: float) -> Change | None:
        """One that fires does so once more when it went away and came back unseen."""
        is_news = finding.times > standing.times and not _is_cooling(standing, policy, now)
        return self._change(finding, AlertState.FIRING, now) if is_news else None

    def _end(self, subject: str, now: float) -> Change:
        standing = self.standings[subject]
        was_firing = standing.state is AlertState.FIRING
        found = Finding(subject, standing.text, standing.times)
        return self._change(found, AlertState.RESOLVED if was_firing else AlertState.WITHDRAWN, now)

    def _change(self, found: Finding, state: AlertState, now: float) -> Change:
        return Change(rule=self.rule, subject=found.subject, state=state, at=now, text=found.text, times=found.times)


def _is_cooling(standing: Standing | None, policy: Policy, now: float) -> bool:
    fired = None if standing is None else standing.fired
    return fired is not None and abs(now - fired) < policy.cooldown_seconds
