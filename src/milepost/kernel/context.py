"""Which run, stage and item the code that runs now belongs to: one context variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar

import msgspec


class Context(msgspec.Struct, frozen=True):
    """Where the running code stands. `tell` carries progress and logs to the session's process."""

    run_id: str
    run_name: str
    tell: Callable[[Context, str, Mapping[str, object]], None]
    is_cancelled: Callable[[], bool]
    stage: str | None = None
    item: str | None = None
    attempt: int = 1
    workspace: str | None = None  # where the run is recorded, for who records something beside it
    metrics: dict[str, int | float] = {}  # what this attempt reported so far

    def notify(self, kind: str, payload: Mapping[str, object]) -> None:
        """Tell the session's process something about what runs here."""
        self.tell(self, kind, payload)


current: ContextVar[Context | None] = ContextVar("milepost", default=None)
