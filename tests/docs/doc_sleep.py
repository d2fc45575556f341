"""The `sleep` of pages: `milepost run … & sleep 2; kill -9 $!` is to kill a run that got somewhere, however busy the
machine is. So it waits until the newest run has done 20 items since it was started.
"""

import sys
import time

ITEMS = 20
SECONDS = 30


def has_come_far(began: float) -> bool:
    """Whether the newest run has recorded so many items since then."""
    from milepost import MilepostError, Workspace  # takes seconds where nothing is compiled yet
    from milepost.model.rows import RunRow, StepRow

    try:
        with Workspace.open(".milepost", create=False, read_only=True) as workspace:
            run = workspace.store.get(RunRow)
            rows = [] if run is None else workspace.store.rows(StepRow, run=run.id, newest=True, limit=ITEMS)
            return len(rows) == ITEMS and all(row.at >= began for row in rows)
    except MilepostError:  # not there yet
        return False


if __name__ == "__main__":
    began, deadline = time.time(), time.monotonic() + max(float(sys.argv[1]), SECONDS)
    while not has_come_far(began) and time.monotonic() < deadline:
        time.sleep(0.05)
