"""Messages that a channel did not take: when it is tried again, and which of them nobody needs any more. Pure.

A channel that is down is tried again with one message, the oldest, after a pause that doubles; once it takes that, all
the others follow. Meanwhile a message is let go when later ones tell of all it is about, as of an alert that was
resolved, or when a day has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from milepost.alerts.folding import Down, Outgoing

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 900.0  # seconds between two rounds of tries
KEPT_SECONDS = 86_400.0
TOO_OLD = "it waited for a day"
SUPERSEDED = "a later message tells of all it is about"


def is_due(down: Down, now: float) -> bool:
    """Whether a channel that is down is to be tried again. Times may jump: only how far apart they are counts.

    Example:
        >>> [is_due(Down(rounds=2, at=0.0), now) for now in (59.0, 60.0)]
        [False, True]
    """
    pause: float = min(FIRST_PAUSE * 2 ** min(down.rounds - 1, 10), LONGEST_PAUSE)
    return abs(now - down.at) >= pause


def by_channel(outgoing: Iterable[Outgoing]) -> dict[str, list[Outgoing]]:
    """What waits for each channel, the oldest first."""
    found: dict[str, list[Outgoing]] = {}
    for waiting in outgoing:
        for name in waiting.channels:
            found.setdefault(name, []).append(waiting)
    return found


def too_old(waiting: Sequence[Outgoing], now: float) -> list[Outgoing]:
    """Those that nobody is told any more."""
    return [each for each in waiting if abs(now - each.message.at) > KEPT_SECONDS]


def superseded(waiting: Sequence[Outgoing]) -> list[Outgoing]:
    """Those of which every subject comes again in a later one."""
    later: set[tuple[str, str]] = set()
    found = []
    for each in reversed(waiting):
        subjects = {(each.message.rule, change.subject) for change in each.message.changes}
        if subjects <= later:
            found.append(each)
        later |= subjects
    return found[::-1]
