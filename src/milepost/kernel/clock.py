"""The time, as an argument: what the wall says and what has passed."""

from __future__ import annotations

import time


class Clock:
    """The machine's clock. Tests give `milepost.testing.clock.FakeClock` in its place.

    Example:
        >>> began = SYSTEM.monotonic()
        >>> SYSTEM.monotonic() >= began
        True
    """

    def now(self) -> float:
        """UTC epoch seconds. It may jump, so it dates things and measures nothing."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment, never going back: the one to measure with."""
        return time.monotonic()


SYSTEM = Clock()
