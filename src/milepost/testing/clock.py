"""A clock that moves only when told to."""

from __future__ import annotations

from milepost.kernel.clock import Clock


class FakeClock(Clock):
    """A clock for tests: `advance` lets time pass, `jump` sets the wall alone, as an administrator or DST
    would.

    Example:
        >>> clock = FakeClock(now=1000.0)
        >>> clock.advance(2.5)
        >>> clock.now()
        1002.5
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        """The wall's time, UTC epoch seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds passed by `advance`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError for a negative span: monotonic clocks do not go back."""
        if seconds < 0:
            raise ValueError(f"time cannot pass by {seconds} s; use jump() to set the wall clock back")
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Move the wall clock by `seconds`, forth or back; the monotonic clock stays."""
        self._now += seconds
