"""What several looks at the same thing say together: whether it flaps, and where it is heading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from milepost.model.health import LONG_SECONDS, HealthStatus

LOOKS = 3  # so many bad looks in a row count; a single good one ends it
KEPT_LOOKS = 10
SAMPLE_SECONDS = 60.0
LEAST_SPAN_SECONDS = 300.0
LEAST_SAMPLES = 4


class Look(NamedTuple):
    """What one look found, at UTC epoch seconds."""

    at: float
    status: HealthStatus


class Sample(NamedTuple):
    """What was free at UTC epoch seconds."""

    at: float
    free_bytes: int


def damped(looks: Sequence[Look], *, needed: int = LOOKS) -> HealthStatus:
    """The best of the last `needed` looks: it takes so many bad ones in a row, and one good one ends it.

    The first look of all counts as it is: nothing is known that it could contradict.

    Example:
        >>> bad, good = Look(1.0, HealthStatus.CRITICAL), Look(2.0, HealthStatus.HEALTHY)
        >>> damped([bad]), damped([good, bad, bad]), damped([good, bad, bad, bad])
        (<HealthStatus.CRITICAL: 'critical'>, <HealthStatus.HEALTHY: 'healthy'>, <HealthStatus.CRITICAL: 'critical'>)
    """
    return min((look.status for look in looks[-max(needed, 1) :]), default=HealthStatus.HEALTHY)


def with_look(looks: Sequence[Look], look: Look) -> tuple[Look, ...]:
    """These looks and one more; those of more than an hour before it, or after it, are forgotten."""
    recent = [each for each in looks if 0 <= look.at - each.at <= LONG_SECONDS]
    return (*recent[1 - KEPT_LOOKS :], look)


def with_sample(samples: Sequence[Sample], sample: Sample) -> tuple[Sample, ...]:
    """These samples of the last hour and one more, unless the last is of this minute."""
    recent = [each for each in samples if 0 <= sample.at - each.at <= LONG_SECONDS]
    if recent and sample.at - recent[-1].at < SAMPLE_SECONDS:
        return tuple(recent)
    return (*recent, sample)


def seconds_until_full(samples: Sequence[Sample], free_bytes: int) -> float | None:
    """How long `free_bytes` last at the rate of the samples; None when they say nothing or nothing is used up.

    The rate is the median of those between any two samples (Theil and Sen), so one large file is no trend.

    Example:
        >>> filling = [Sample(60.0 * n, 10_000 - 100 * n) for n in range(10)]
        >>> seconds_until_full(filling, 9_000)
        5400.0
    """
    if len(samples) < LEAST_SAMPLES or samples[-1].at - samples[0].at < LEAST_SPAN_SECONDS:
        return None
    rate = _median_rate(samples)
    return free_bytes / -rate if rate < 0 else None


def _median_rate(samples: Sequence[Sample]) -> float:
    """Bytes a second that become free."""
    rates = [
        (late.free_bytes - early.free_bytes) / (late.at - early.at)
        for place, early in enumerate(samples)
        for late in samples[place + 1 :]
        if late.at > early.at
    ]
    return sorted(rates)[len(rates) // 2] if rates else 0.0
