"""The parts of a stage: declared substages, and the work items of a loop, of which there may be any number."""

from __future__ import annotations

from milepost.model.by_hand import facts, substage_rules
from milepost.model.by_hand.stage_standing import new_substage
from milepost.process.handler.keeping import Keeping, StageDict, StageName, harmless, plain
from milepost.process.handler.results import error_of, pack_result

SubstageName = str | int  # by its name or its sequence number; in a loop the name of an item


class SubstageCalls(Keeping):
    """What a handler can be told of substages. Each call costs the same, however many items there were before."""

    def start_substage(self, stage_name: StageName, substage_name: SubstageName) -> StageDict:
        """It begins. Raises DependencyError naming what has to be done before."""
        with self._call() as (journal, machine, at):
            journal.underway.check()
            self._happen(substage_rules.start(machine, stage_name, substage_name, at=at))
            return self._substage(stage_name, substage_name)

    def track_substage_progress(
        self,
        stage_name: StageName,
        substage_name: SubstageName,
        progress: float,
        message: str = "",
        metadata: object = None,
    ) -> None:
        """How far it is, 0 to 1; the stage's progress follows from the weights. A safe point."""
        with self._call(is_progress=True) as (journal, machine, at):
            said = harmless(message)
            self._happen(
                substage_rules.track(machine, stage_name, substage_name, progress, said, plain(metadata), at=at)
            )
            if said:
                journal.underway.log(said, stage=self._standing(stage_name).name)
            journal.underway.check()

    def complete_substage(
        self,
        stage_name: StageName,
        substage_name: SubstageName,
        success: bool = True,
        result_data: object = None,
    ) -> StageDict:
        """It is done, or with `success=False` it failed: one that was not running is then recorded too."""
        with self._call() as (_, machine, at):
            if success:
                stage, name = substage_rules.check_complete(machine, stage_name, substage_name)
                left = pack_result(self._objects, result_data)
                done = facts.SubstageCompleted(stage=stage, at=at, substage=name, **left)
                self._happen([done, *substage_rules.after_substage(machine.find(stage), name, at=at)])
            else:
                stage, name = substage_rules.find_failed(machine, stage_name, substage_name)
                error, _ = error_of(result_data)
                left = pack_result(self._objects, result_data)
                self._happen([facts.SubstageFailed(stage=stage, at=at, substage=name, error=error, **left)])
            return self._substage(stage, name)

    def skip_substage(self, stage_name: StageName, substage_name: SubstageName, reason: str = "") -> StageDict:
        """It is left out, and whoever waits for it may go on. A required one cannot be skipped."""
        with self._call() as (_, machine, at):
            said = harmless(reason)
            self._happen(substage_rules.skip(machine, stage_name, substage_name, said, at=at))
            return self._substage(stage_name, substage_name)

    def get_substage_status(self, stage_name: StageName, substage_name: SubstageName) -> StageDict:
        """A substage or item with its `status` (pending, running, completed, …); one never named is pending."""
        self._noticed()
        with self._lock:
            standing = self._standing(stage_name)
            name = substage_rules.substage_name(standing.spec, substage_name)
            sub = standing.substages.get(name) or new_substage(None, name)
            return sub.document

    def _substage(self, stage_name: StageName, substage_name: SubstageName) -> StageDict:
        standing = self._standing(stage_name)
        return standing.substages[substage_rules.substage_name(standing.spec, substage_name)].document
