"""The rule of three deaths: whose process dies with it three times in a row is set aside.

A death is not the item's fault, unless it keeps happening. A machine that was restarted says nothing of the item: that
neither counts nor begins the count anew. Any other end does, and so does being set aside: who tries such an item again
does so on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus

MOST_DEATHS = 3
DIED = "its process died while it was at hand: "
REBOOT = "the machine was restarted"


def death(attempt: StepRow, cause: str, seen: float, rows: Iterable[StepRow]) -> StepRow:
    """The end of an attempt whose process died, last `seen` alive then (UTC epoch seconds).

    `rows`: all that is recorded of its item at its step.

    Example:
        >>> rows = []
        >>> for number, cause in enumerate(["killed", REBOOT, "killed", "crashed", "killed"], 1):
        ...     row = StepRow(run="", step="ocr", item="a", attempt=number, status=ProcessingStatus.RUNNING, at=2.0)
        ...     rows.append(death(row, cause, 2.5, rows))
        ...     print(rows[-1].status, "-", rows[-1].error.removeprefix(DIED))
        error - killed
        error - the machine was restarted
        error - killed
        failed - crashed; given up after 3 times
        error - killed
    """
    is_blamed = cause != REBOOT
    deaths = is_blamed + _deaths_before(attempt, rows)
    is_given_up = is_blamed and deaths >= MOST_DEATHS
    return msgspec.structs.replace(
        attempt,
        seq=0,
        status=ProcessingStatus.FAILED if is_given_up else ProcessingStatus.ERROR,
        error=f"{DIED}{cause}" + (f"; given up after {deaths} times" if is_given_up else ""),
        seconds=max(seen - attempt.at, 0.0),
        at=max(seen, attempt.at),
        metrics=None,
    )


def is_set_aside(row: StepRow) -> bool:
    """Whether this end is the last of three deaths."""
    return row.status is ProcessingStatus.FAILED and _is_death(row)


def _deaths_before(attempt: StepRow, rows: Iterable[StepRow]) -> int:
    """How many deaths in a row the item may be blamed for already."""
    ends = [row for row in rows if row.status.is_terminal and row.attempt < attempt.attempt]
    count = 0
    for row in sorted(ends, key=lambda row: row.attempt, reverse=True):
        if not _is_death(row) or is_set_aside(row):
            break
        count += row.error != f"{DIED}{REBOOT}"
    return count


def _is_death(row: StepRow) -> bool:
    return row.error is not None and row.error.startswith(DIED)
