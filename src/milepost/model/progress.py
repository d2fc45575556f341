"""How far, how fast, how long still: the arithmetic of progress, without a clock.

`Pace` folds (time, items done) observations into one number of weighted items. An item done at time t counts t / now
as much as one done now: a load that drifts is followed, a heavy tail is not taken for a trend, and two floats
are all the memory it takes. Items that earlier sessions did are never observed, so they cannot inflate a rate.
"""

from __future__ import annotations

import math

import msgspec

from milepost.errors import ProgressError
from milepost.model.fingerprint.preview import preview


class Pace(msgspec.Struct, frozen=True):
    """The speed of one stage in one session, folded from observations. Times are monotonic seconds.

    Example:
        >>> pace = Pace(started=0.0)
        >>> for second in range(1, 6):
        ...     pace = pace.observe(at=float(second), done=second * 10)
        >>> round(pace.rate(now=5.0) or 0.0, 6), round(pace.eta(left=50, now=5.0) or 0.0, 6)
        (10.0, 5.0)
    """

    started: float
    done: float = 0.0
    changed: float | None = None  # when `done` last grew
    weighted: float = 0.0  # the integral of elapsed seconds over items done

    def observe(self, *, at: float, done: float) -> Pace:
        """The pace after `done` items (of this session) were seen at `at`; a step back in either is ignored."""
        since = self.started if self.changed is None else self.changed
        if done <= self.done or at <= since:
            return self
        middle = (at + since) / 2 - self.started
        return Pace(self.started, done, at, self.weighted + (done - self.done) * middle)

    def rate(self, *, now: float) -> float | None:
        """Items a second, or None before the first. Falls when the next item is overdue, not while it is worked on."""
        if self.changed is None:
            return None
        recent = _rate(self.weighted, self.changed - self.started)
        if now - self.changed <= 1 / recent:
            return recent
        overdue = self.observe(at=now, done=self.done + 1)
        return _rate(overdue.weighted, now - self.started)

    def eta(self, *, left: float, now: float) -> float | None:
        """Seconds until `left` more items are done, counting down between two items; None when unknown."""
        rate = self.rate(now=now)
        if left <= 0:
            return 0.0
        if rate is None or self.changed is None:
            return None
        underway = min(max(now - self.changed, 0.0), 1 / rate)
        return max(left / rate - underway, 0.0)


def _rate(weighted: float, elapsed: float) -> float:
    """Items a second from weighted items: for a steady load, the integral of t over [0, T] is rate x T²/2."""
    return 2 * weighted / (elapsed * elapsed)


def fraction(*, done: float, total: float | None, told: float | None = None) -> float | None:
    """How far between 0 and 1; None when unknown. `told` is what the stage itself said; it counts without a total.

    Nothing to do is all done. More than the total is 1, never beyond.
    """
    if total is None:
        return None if told is None else min(max(told, 0.0), 1.0)
    if total <= 0:
        return 1.0
    return min(max(done / total, 0.0), 1.0)


def told_fraction(where: str, progress: object) -> float:
    """A number from 0 to 1, more counts as 1. Raises ProgressError for what is no number, or negative."""
    try:
        if isinstance(progress, str | bytes | bool):
            raise TypeError
        number = float(progress)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise ProgressError(
            f"stage {where!r}: progress is a number from 0 to 1, not {preview(progress, 80)}", stage=where
        ) from None
    if not math.isfinite(number) or number < 0:
        raise ProgressError(f"stage {where!r}: progress is a number from 0 to 1, not {number}", stage=where)
    return min(number, 1.0)
