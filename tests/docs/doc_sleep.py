"""The `sleep` of pages: `milepost run … & sleep 2; kill -9 $!` is to kill a run that got somewhere, however busy the
machine is. So it waits until the newest run has done 20 items.
"""

import sys
import time

from milepost import MilepostError, Workspace
from milepost.model.rows import RunRow, StepRow

ITEMS = 20
SECONDS = 30


def has_come_far() -> bool:
    """Whether the newest run, alive, has recorded so many items."""
    try:
        with Workspace.open(".milepost", create=False, read_only=True) as workspace:
            run = workspace.store.get(RunRow)
            return run is not None and len(workspace.store.rows(StepRow, run=run.id, limit=ITEMS)) >= ITEMS
    except MilepostError:  # not there yet
        return False


if __name__ == "__main__":
    deadline = time.monotonic() + max(float(sys.argv[1]), SECONDS)
    while not has_come_far() and time.monotonic() < deadline:
        time.sleep(0.05)
