"""A stage as a block: `with handler.stage("load") as stage:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milepost.process.handler.handler import ProcessStageHandler


class StageBlock:
    """The stage that runs in a block. What is put into `result` is its result."""

    def __init__(self, handler: ProcessStageHandler, name: str) -> None:
        self.name = name
        self.result: object = None
        self._handler = handler

    def progress(self, progress: float, message: str = "", metadata: object = None) -> None:
        """See `track_progress`."""
        self._handler.track_progress(self.name, progress, message, metadata)

    def decide(self, decision_name: str, decision: object, *, note: str | None = None) -> None:
        """See `record_stage_decision`."""
        self._handler.record_stage_decision(self.name, decision_name, decision, note=note)
