"""What can happen to a stage that a program carries out by hand: facts in the past tense, to and from JSON."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from milepost import typed

_EMPTY: tuple[object, ...] = (None, "", (), {})  # what is left out of JSON: the fields' own defaults


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to `stage` at `at` (UTC epoch seconds)."""

    kind: ClassVar[str] = ""
    memory: ClassVar[tuple[str, ...]] = ()  # fields that are kept elsewhere than in the event
    stage: str
    at: float

    @property
    def json(self) -> str:
        """What it says beyond kind, stage and time."""
        left_out = {"stage", "at", *self.memory}
        said = {name: getattr(self, name) for name in self.__struct_fields__ if name not in left_out}
        return msgspec.json.encode({name: value for name, value in said.items() if value not in _EMPTY}).decode()


class StageStarted(Fact, frozen=True, kw_only=True):
    """It began: for the first time, again after a failure (`attempt`), or once more (`iteration`)."""

    kind: ClassVar[str] = "stage_started"
    algorithm: str | None = None
    parameters: dict[str, object] = {}
    iteration: int = 1
    attempt: int = 1
    items_total: int | None = None


class StageContinued(Fact, frozen=True, kw_only=True):
    """A later session goes on with it where an earlier one left it."""

    kind: ClassVar[str] = "stage_continued"
    algorithm: str | None = None
    parameters: dict[str, object] = {}
    items_total: int | None = None


class DecisionRecorded(Fact, frozen=True, kw_only=True):
    """A decision was taken; its value stands in the ledger's decisions."""

    kind: ClassVar[str] = "decision_recorded"
    memory: ClassVar[tuple[str, ...]] = ("value",)
    decision: str
    during: str = ""  # what the stage's state was
    value: object = None


class ProgressTracked(Fact, frozen=True, kw_only=True):
    """It said how far it is, 0 to 1."""

    kind: ClassVar[str] = "progress_tracked"
    progress: float
    message: str = ""
    metadata: object = None


class Ended(Fact, frozen=True, kw_only=True):
    """What completed and failed stages and substages have in common: what they left behind.

    `address`: the object that holds `result`; `packed`: a small one, encoded; `unstored` says why neither does.
    """

    memory: ClassVar[tuple[str, ...]] = ("result",)
    address: str | None = None
    packed: bytes | None = None
    unstored: str | None = None
    result: object = None


class StageCompleted(Ended, frozen=True, kw_only=True):
    """It has its result. `unfinished`: substages that were under way."""

    kind: ClassVar[str] = "stage_completed"
    unfinished: tuple[str, ...] = ()
    metrics: dict[str, float] = {}
    by_substages: bool = False  # its last substage completed it


class StageFailed(Ended, frozen=True, kw_only=True):
    """It failed, or somebody said so of one that was not running."""

    kind: ClassVar[str] = "stage_failed"
    error: str = ""
    traceback: str | None = None


class StageSkipped(Fact, frozen=True, kw_only=True):
    """It was left out on purpose."""

    kind: ClassVar[str] = "stage_skipped"
    reason: str = ""


class SubstageStarted(Fact, frozen=True, kw_only=True):
    """A substage, or a work item of a loop, began."""

    kind: ClassVar[str] = "substage_started"
    substage: str
    attempt: int = 1


class SubstageTracked(Fact, frozen=True, kw_only=True):
    """A substage said how far it is, 0 to 1."""

    kind: ClassVar[str] = "substage_tracked"
    substage: str
    progress: float
    message: str = ""
    metadata: object = None


class SubstageCompleted(Ended, frozen=True, kw_only=True):
    """A substage is done."""

    kind: ClassVar[str] = "substage_completed"
    substage: str


class SubstageFailed(Ended, frozen=True, kw_only=True):
    """A substage failed."""

    kind: ClassVar[str] = "substage_failed"
    substage: str
    error: str = ""


class SubstageSkipped(Fact, frozen=True, kw_only=True):
    """A substage was left out on purpose."""

    kind: ClassVar[str] = "substage_skipped"
    substage: str
    reason: str = ""


FACTS: dict[str, type[Fact]] = {
    fact.kind: fact
    for fact in (
        StageStarted, StageContinued, DecisionRecorded, ProgressTracked, StageCompleted, StageFailed, StageSkipped,
        SubstageStarted, SubstageTracked, SubstageCompleted, SubstageFailed, SubstageSkipped,
    )
}  # fmt: skip


def fact_of(kind: str, stage: str | None, at: float, json: str) -> Fact | None:
    """The fact that an event's columns say; None for an event that is about something else.

    Example:
        >>> fact_of("stage_skipped", "report", 0.0, '{"reason": "not needed"}').reason
        'not needed'
    """
    known = FACTS.get(kind)
    if known is None or stage is None:
        return None
    return typed.convert({**msgspec.json.decode(json), "stage": stage, "at": at}, known)
