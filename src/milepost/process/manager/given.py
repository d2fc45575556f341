"""Results that the program made itself: each stands for as long as what was decided when it was made."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from milepost.errors import StageExecutionError
from milepost.process.manager.naming import StageId, StageNames, is_until
from milepost.process.manager.snapshot import Snapshot
from milepost.process.manager.stage_data import Outcome

Named = tuple[StageId, str]


class Given(msgspec.Struct, frozen=True):
    """A stage's result, and digests of the decisions of this and all earlier stages when it was made."""

    outcome: Outcome
    stage: StageId
    marks: Mapping[Named, str]

    @classmethod
    def now(cls, outcome: Outcome, stage: StageId, snapshot: Snapshot, since: Collection[Named]) -> Given:
        """One that was made under these decisions, apart from those that were changed `since`."""
        marks = {named: "" if named in since else mark for named, mark in _until(stage, snapshot).items()}
        return cls(outcome, stage, marks | {named: "" for named in since if is_until(named[0], stage)})

    def changed(self, snapshot: Snapshot) -> list[Named]:
        """The decisions that are other ones than when it was made; none: it stands."""
        now = _until(self.stage, snapshot)
        names = sorted({*self.marks, *now}, key=str) if now != self.marks else []
        return [named for named in names if now.get(named) != self.marks.get(named)]

    def outdated(self, changed: Collection[Named], names: StageNames) -> Outcome:
        """What there is of it now, where nothing else makes the stage's result: an error that says so."""
        stage = self.outcome.stage
        said = ", ".join(f"{names.text_of(one)}.{name}" for one, name in changed)
        text = (
            f"the result it was completed with was made before {said} changed: start stage {stage!r} again and "
            "complete it with a new one, or decide as before"
        )
        return Outcome(stage=stage, run=self.outcome.run, exception=StageExecutionError(text, stage=stage), error=text)


def _until(stage: StageId, snapshot: Snapshot) -> dict[Named, str]:
    return {named: mark for named, mark in snapshot.marks().items() if is_until(named[0], stage)}
