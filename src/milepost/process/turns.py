"""How long stages work that take turns in one thread: what each had of it, and not how long it waited for others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from milepost.kernel.clock import SYSTEM, Clock


class Turns:
    """Written by the thread that carries the stages out; `worked` may be asked from any."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._worked: dict[str, float] = {}
        self._now: tuple[str, float] | None = None  # whose turn it is, and since when

    def take_part(self, stage: str) -> None:
        """This stage begins, and is one of them."""
        self._worked[stage] = 0.0

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """A turn of this stage. Does nothing for one that works elsewhere, and within a turn."""
        if stage not in self._worked or self._now is not None:
            yield
            return
        began = self._clock.monotonic()
        self._now = stage, began
        try:
            yield
        finally:
            self._now = None
            self._worked[stage] += self._clock.monotonic() - began

    def worked(self, stage: str) -> float | None:
        """The seconds of its turns until now; None for a stage that takes none."""
        worked, now = self._worked.get(stage), self._now
        if worked is None or now is None or now[0] != stage:
            return worked
        return worked + self._clock.monotonic() - now[1]
