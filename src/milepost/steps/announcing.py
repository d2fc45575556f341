"""Steps that went wrong log themselves, with their context, once they are committed."""

from __future__ import annotations

import logging

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.model.text import safe
from milepost.steps.reading import metrics_of
from milepost.steps.telling import heard

LOGGER = logging.getLogger("milepost.steps")
LEVELS = {
    ProcessingStatus.WARNING: logging.WARNING,
    ProcessingStatus.ERROR: logging.ERROR,
    ProcessingStatus.FAILED: logging.ERROR,
}
MOST_AT_ONCE = 1_000  # records of one call; the rest are counted


class Announcing:
    """What many steps at once say of themselves: a record each for the first that went wrong, then a count."""

    def __init__(self) -> None:
        self._count = 0

    def announce(self, rows: list[StepRow]) -> None:
        """Log those that went wrong, while they are few."""
        for row in rows:
            if row.status in LEVELS:
                self._count += 1
                if self._count <= MOST_AT_ONCE:
                    announce_one(row)

    def close(self) -> None:
        """Say how many there were beyond those."""
        if self._count > MOST_AT_ONCE:
            LOGGER.error("%d more steps went wrong; get_recent_errors lists them", self._count - MOST_AT_ONCE)


def announce_one(row: StepRow) -> None:
    """Log the step if it went wrong."""
    level = LEVELS.get(row.status)
    if level is None or not LOGGER.isEnabledFor(level):
        return
    LOGGER.log(
        level,
        "step %s of document %s: %s: %s",
        safe(row.step, limit=200),
        safe(row.item, limit=200),
        row.status.name,
        safe(row.error or "no message was given", limit=2_000),
        extra={
            "doc_id": row.item,
            "step_name": row.step,
            "status": str(row.status),
            "attempt": row.attempt,
            "run": row.run,
            "error_message": row.error,
            "details": heard(row.details),
            "metrics": metrics_of(row),
        },
    )
