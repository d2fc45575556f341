"""The rules of health: how statuses are ordered, and when a rate of failures is evidence and when it is over.

::

    healthy  <  warning  <  unknown  <  critical
                               a check that hangs or could not look: worse than a known nuisance,
                               less than a known disaster

A rate is judged by the bounds of Wilson's score interval (E. B. Wilson, 1927), so that one failure in ten says
little and a hundred in a thousand say much. Two windows are looked at: the last five minutes see a disaster that
has just begun, the last hour sees what happens too seldom for five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from math import sqrt
from typing import NamedTuple

import msgspec

SHORT_SECONDS = 300.0
LONG_SECONDS = 3600.0
Z = 1.645  # a bound that is wrong in one case of twenty
SILENCES = 3.0  # at a steady rate a gap of three times the mean one is seen in one case of twenty


class HealthStatus(StrEnum):
    """How well it goes; ordered from HEALTHY to CRITICAL.

    Example:
        >>> HealthStatus.HEALTHY < HealthStatus.WARNING < HealthStatus.UNKNOWN < HealthStatus.CRITICAL
        True
    """

    HEALTHY = "healthy"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return _RANKS[self.value]

    def __lt__(self, other: str) -> bool:
        return self.rank < HealthStatus(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= HealthStatus(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > HealthStatus(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= HealthStatus(other).rank


_RANKS = {status.value: rank for rank, status in enumerate(HealthStatus)}


def worst(statuses: Iterable[HealthStatus]) -> HealthStatus:
    """The worst of these; HEALTHY of none."""
    return max(statuses, default=HealthStatus.HEALTHY)


class Levels(msgspec.Struct, frozen=True):
    """From where on a figure is a warning, and from where on critical (None: never)."""

    warning: float
    critical: float | None = None

    def judge(self, figure: float) -> HealthStatus:
        """What a figure means.

        Example:
            >>> Levels(0.8, 0.9).judge(0.85)
            <HealthStatus.WARNING: 'warning'>
        """
        if self.critical is not None and figure >= self.critical:
            return HealthStatus.CRITICAL
        return HealthStatus.WARNING if figure >= self.warning else HealthStatus.HEALTHY


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit that health is judged by. Shares are from 0 to 1, of attempts, of memory, of waiting for a CPU."""

    errors: Levels = Levels(0.05, 0.1)
    warnings: Levels = Levels(0.05)
    memory: Levels = Levels(0.8, 0.9)
    cpu: Levels = Levels(0.8, 0.9)
    disk_free_bytes: Levels = Levels(1e9, 1e8)  # less than this much; see `small_disk_share`
    small_disk_share: Levels = Levels(0.1, 0.02)  # of a disk so small that this is less still
    disk_full_in_seconds: Levels = Levels(6 * 3600.0, 1800.0)  # sooner than this
    beat_seconds: float = 60.0  # a run that has its lock and was silent for longer is stopped or cannot write
    dead_for_seconds: float = 86_400.0  # a run that died longer ago is history


class Count(NamedTuple):
    """How many of `total` attempts in a window were bad."""

    bad: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1; 0 of none."""
        return self.bad / self.total if self.total else 0.0


def bounds(count: Count, z: float = Z) -> tuple[float, float]:
    """Between which shares the true one lies; (0, 1) when nothing was counted.

    Example:
        >>> low, high = bounds(Count(1, 10))
        >>> round(low, 3), round(high, 3)
        (0.023, 0.348)
    """
    if count.total <= 0:
        return 0.0, 1.0
    n, p, square = count.total, count.share, z * z
    middle = (p + square / (2 * n)) / (1 + square / n)
    reach = z * sqrt(p * (1 - p) / n + square / (4 * n * n)) / (1 + square / n)
    low = 0.0 if count.bad == 0 else max(0.0, middle - reach)
    return low, 1.0 if count.bad == count.total else min(1.0, middle + reach)


def judge_rate(short: Count, long: Count, levels: Levels, *, silence_seconds: float) -> HealthStatus:
    """What the bad attempts of the last five minutes (`short`) and of the hour that contains them (`long`) mean.

    The hour counts unless it is over: the last five minutes exclude such a rate, or nothing bad was seen for
    `silence_seconds`, which at the hour's rate would be no accident.

    Example:
        >>> judge_rate(Count(0, 200), Count(50, 400), Levels(0.05, 0.1), silence_seconds=290)
        <HealthStatus.HEALTHY: 'healthy'>
    """
    low, high = bounds(short)
    now = levels.judge(low)
    if is_over(long, silence_seconds):
        return now
    return max(now, min(levels.judge(bounds(long)[0]), levels.judge(high)))


def is_over(long: Count, silence_seconds: float) -> bool:
    """Whether a silence is too long to be a gap between two of the hour's bad attempts.

    Example:
        >>> is_over(Count(6, 6), 600), is_over(Count(6, 6), 1800), is_over(Count(500, 900), 300)
        (False, True, True)
    """
    if long.bad <= 0:
        return True
    return silence_seconds >= max(SHORT_SECONDS, SILENCES * LONG_SECONDS / long.bad)


def counted(status: HealthStatus, *, is_critical: bool) -> HealthStatus:
    """What a check's status does to the whole: one that is not critical is a warning at worst."""
    return status if is_critical else min(status, HealthStatus.WARNING)
