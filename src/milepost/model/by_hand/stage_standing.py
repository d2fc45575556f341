"""Where one stage carried out by hand stands, beside the dict in which its program reads it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from milepost.model.by_hand.specs import StageSpec, SubstageSpec
from milepost.model.status import StageState

DONE = (StageState.COMPLETED, StageState.SKIPPED)
Document = dict[str, object]


class SubstageStanding(msgspec.Struct, kw_only=True):
    """A substage, or a work item of a loop (which has no `spec`)."""

    spec: SubstageSpec | None
    document: Document
    state: StageState = StageState.PENDING
    progress: float = 0.0
    attempt: int = 0
    session: int = 0  # that last touched it

    @property
    def is_done(self) -> bool:
        """Whether those who wait for it may go on."""
        return self.state in DONE


class StageStanding(msgspec.Struct, kw_only=True):
    """A stage. `document` has the documented shape; what counts for the rules stands in the fields."""

    spec: StageSpec
    document: Document
    state: StageState = StageState.PENDING
    progress: float = 0.0
    iteration: int = 0
    attempt: int = 0
    session: int = 0
    message: str | None = None  # the last that was said with progress
    items_total: int | None = None
    substages: dict[str, SubstageStanding] = {}
    items: dict[StageState, int] = {}  # how many work items are in each state

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.spec.name

    @property
    def is_done(self) -> bool:
        """Whether those who wait for it may go on."""
        return self.state in DONE

    @property
    def items_done(self) -> int:
        """Work items that are completed or skipped."""
        return sum(self.items.get(state, 0) for state in DONE)

    @property
    def items_failed(self) -> int:
        """Work items that failed and were not tried again since."""
        return self.items.get(StageState.FAILED, 0)

    def declared(self) -> list[SubstageStanding]:
        """The substages that the configuration declares, in order."""
        return [self.substages[name] for name in self.spec.substages]

    def under_way(self) -> list[str]:
        """The substages and items that are running."""
        return [name for name, sub in self.substages.items() if sub.state is StageState.RUNNING]

    def measured(self) -> float:
        """How far the substages and items say the stage is, 0 to 1."""
        if self.spec.substages:
            subs = [(sub.spec.weight, sub) for sub in self.declared() if sub.spec is not None]
            whole = sum(weight for weight, _ in subs)
            if not whole:
                return sum(_share(sub) for _, sub in subs) / len(subs)
            return sum(weight * _share(sub) for weight, sub in subs) / whole
        if self.items_total:
            return min(self.items_done / self.items_total, 1.0)
        return 0.0

    def move(self, sub: SubstageStanding, state: StageState) -> None:
        """A substage or item changes its state; items are counted."""
        if sub.spec is None:
            self.items[sub.state] = self.items.get(sub.state, 1) - 1
            self.items[state] = self.items.get(state, 0) + 1
        sub.state = state


def _share(sub: SubstageStanding) -> float:
    return 1.0 if sub.is_done else sub.progress


def moment(at: float) -> datetime:
    """An epoch time as programs read it."""
    return datetime.fromtimestamp(at, UTC)


def new_standing(spec: StageSpec, process_id: str) -> StageStanding:
    """A stage of which nothing has happened yet."""
    substages = {name: new_substage(sub, name) for name, sub in spec.substages.items()}
    standing = StageStanding(spec=spec, document={}, substages=substages)
    document: Document = {
        "id": f"{process_id}/{spec.name}",
        "name": spec.name,
        "sequence": spec.sequence,
        "description": spec.description,
        "requires_previous": spec.requires_previous,
        "validation_required": spec.validation_required,
        "auto_complete_on_substages": spec.auto_complete_on_substages,
        "optional": spec.optional,
        "status": str(StageState.PENDING),
        "decisions": {},
        "started_at": None,
        "completed_at": None,
        "error_message": None,
        "progress": 0.0,
        "tracking_data": [],
        "tracking_id": None,
        "current_algorithm": None,
        "algorithm_parameters": {},
        "result_data": None,
        "unstored": None,  # why the result is in this process alone
        "skip_reason": None,
        "iteration": 0,
        "iterations": [],
        "attempts": 0,
    }
    if spec.algorithms:
        document["algorithms"] = list(spec.algorithms)
    if spec.substages or spec.loop:
        document["substages"] = {name: sub.document for name, sub in substages.items()}
    if spec.loop:
        document.update(items_total=None, items_done=0, items_failed=0)
    standing.document = document
    return standing


def new_substage(spec: SubstageSpec | None, name: str) -> SubstageStanding:
    """A substage of which nothing has happened yet; a work item has no spec."""
    document: Document = {
        "name": name,
        "status": str(StageState.PENDING),
        "progress": 0.0,
        "attempts": 0,
        "started_at": None,
        "completed_at": None,
        "error_message": None,
        "skip_reason": None,
        "result_data": None,
    }
    if spec is not None:
        document |= {**msgspec.structs.asdict(spec), "dependencies": list(spec.dependencies)}
    return SubstageStanding(spec=spec, document=document)
