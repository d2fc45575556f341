"""How long to wait before trying again: exponential, bounded, with jitter; pure, so the dice come in as
an argument.
"""

from __future__ import annotations

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """When and how often to try again. Times are in seconds.

    Before attempt n + 1 the wait is at most `ceiling(n)` = min(maximum, base * factor ** (n - 1)). With
    `jitter` j it lies between (1 - j) * ceiling and ceiling: 1.0, the default, is full jitter (0 to
    ceiling, so that workers which failed together do not come back together), 0.0 is none.

    Example:
        >>> patient = Backoff(attempts=5, base=1.0, factor=2.0, jitter=0.0)
        >>> [patient.delay(attempt) for attempt in (1, 2, 3, 4)]
        [1.0, 2.0, 4.0, 8.0]
        >>> patient.delay(5) is None
        True
    """

    attempts: int = 3  # in all, the first included
    base: float = 0.5
    factor: float = 2.0
    maximum: float = 60.0
    jitter: float = 1.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; it counts the first one, so give 1 or more")
        if not (0 <= self.base < float("inf") and 0 <= self.maximum < float("inf")):
            raise ValueError(f"base and maximum are seconds from 0 up, not {self.base} and {self.maximum}")
        if not 1 <= self.factor < float("inf"):
            raise ValueError(f"factor is {self.factor}; waits do not shrink, so give 1 or more")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is {self.jitter}; it is a share between 0 and 1")

    def ceiling(self, attempt: int) -> float:
        """The longest wait after `attempt` (from 1) failed, in seconds."""
        try:
            return min(self.maximum, self.base * self.factor ** (attempt - 1))
        except OverflowError:
            return self.maximum

    def delay(self, attempt: int, random01: float = 1.0) -> float | None:
        """The wait after `attempt` (from 1) failed, in seconds; None when there is to be no other.

        `random01` is a random number from 0 to 1.
        """
        if attempt >= self.attempts:
            return None
        return self.ceiling(attempt) * (1 - self.jitter * (1 - random01))
