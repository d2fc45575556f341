"""What works inside a `ProcessManager`: its decisions and its run. No part of any key."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from milepost.kernel.clock import SYSTEM
from milepost.kernel.workspace import Workspace
from milepost.process.inputs import FileDigests
from milepost.process.manager.deciding import Decided, DecisionPoints
from milepost.process.manager.given import Given
from milepost.process.manager.holding import Named, RunHold
from milepost.process.manager.naming import StageId, StageNames
from milepost.process.manager.snapshot import Snapshot
from milepost.process.manager.stage_data import Outcome
from milepost.process.underway import RunUnderway

if TYPE_CHECKING:
    from milepost.process.manager.finding import StageResults


class Inside:
    """The decisions of one manager, as they are recorded."""

    def __init__(self, process: str, workspace: Workspace | str | Path | None) -> None:
        self.names = StageNames()
        self.points = DecisionPoints(self.names)
        self.decided = Decided()
        self.hold = RunHold(process, workspace)
        self.given: dict[StageId, Given] = {}  # results that complete_stage was given
        self.latest: dict[StageId, Outcome] = {}
        self.uncached: set[StageId] = set()
        self.lock = threading.RLock()
        self._version = 0
        self._synced = -1
        self._snapshot: Snapshot | None = None

        self.caching = True
        self.raise_errors = False
        self.results: StageResults

    def __milepost_key__(self) -> str:
        return ""

    def changed(self) -> None:
        """Decisions, defaults or points are other than before."""
        with self.lock:
            self._version += 1
            self._snapshot = None

    def snapshot(self) -> Snapshot:
        """What holds now."""
        with self.lock:
            if self._snapshot is None:
                defaults = {stage: self.points.defaults(stage) for stage in self.points.with_defaults()}
                self._snapshot = Snapshot(self._version, self.points.effective(self.decided), defaults)
            return self._snapshot

    def decide(self, owner: object, after: Decided, given: dict[Named, str], note: str | None = None) -> None:
        """Record these choices, then let them hold."""
        with self.lock:
            run = self.hold.now(owner)
            rows = self.hold.decision_rows(run, self.points, after, given=given, note=note)
            self.hold.record_decisions(run, rows, self.points, after)
            self.decided = after
            self.changed()
            self._synced = self._version

    def let_hold(self, decided: Decided) -> None:
        """These hold from now on; they are recorded with whatever is recorded next."""
        with self.lock:
            self.decided = decided
            self.changed()

    def synced(self, owner: object) -> RunUnderway:
        """The run, in which every decision that holds is recorded, defaults too."""
        with self.lock:
            before, run = self.hold.underway, self.hold.now(owner)
            if run is not before or self._synced != self._version:
                rows = self.hold.decision_rows(run, self.points, self.decided)
                self.hold.record_decisions(run, rows, self.points, self.decided)
                self._synced = self._version
            return run

    def content(self, path: str) -> str:
        """The digest of a file's content. Raises InvalidDataError when it is not there."""
        return FileDigests(self.hold.workspace.store, SYSTEM.now()).digest(path, stage="", name="file")
