"""The states of a process carried out by hand, folded from what happened.

Nothing is refused here: that is done before, in `stage_rules`. The same facts in the same order give the same state.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatchmethod

from milepost.model.by_hand import facts
from milepost.model.by_hand.specs import ProcessSpec
from milepost.model.by_hand.stage_standing import StageStanding, SubstageStanding, moment, new_standing, new_substage
from milepost.model.status import StageState

_ENDED = (StageState.COMPLETED, StageState.SKIPPED)


class StageMachine:
    """All stages of one process. `session` counts who has taken part; what an earlier one left can be gone on with.

    Example:
        >>> from milepost.model.by_hand.specs import read_config
        >>> machine = StageMachine("p1", read_config({"stages": {"load": {}}}))
        >>> machine.apply([facts.StageStarted(stage="load", at=0.0)])
        >>> machine.stages["load"].state.value
        'running'
    """

    def __init__(self, process_id: str, spec: ProcessSpec, *, session: int = 1) -> None:
        self.process_id = process_id
        self.spec = spec
        self.session = session
        self.stages: dict[str, StageStanding] = {
            name: new_standing(stage, process_id) for name, stage in spec.stages.items()
        }
        self.active: str | None = None  # the stage that was started last and still runs

    def find(self, stage: str | int) -> StageStanding:
        """Where a stage stands, by name or sequence number. Raises InvalidDataError with the nearest name."""
        return self.stages[self.spec.find(stage).name]

    def apply(self, happened: Iterable[facts.Fact]) -> None:
        """These things happened, in this order."""
        for fact in happened:
            standing = self.stages[fact.stage]
            self._apply(fact, standing)
            standing.session = self.session
            _show(standing)
            self._follow(standing)

    def _follow(self, standing: StageStanding) -> None:
        if standing.state is StageState.RUNNING:
            self.active = standing.name
        elif self.active == standing.name:
            running = [stage.name for stage in self.stages.values() if stage.state is StageState.RUNNING]
            self.active = running[-1] if running else None

    @singledispatchmethod
    def _apply(self, fact: facts.Fact, standing: StageStanding) -> None:
        raise NotImplementedError(type(fact).__name__)

    @_apply.register
    def _(self, fact: facts.StageStarted, standing: StageStanding) -> None:
        document = standing.document
        if fact.iteration > standing.iteration >= 1:
            _begin_anew(standing)
        standing.state = StageState.RUNNING
        standing.iteration, standing.attempt, standing.message = fact.iteration, fact.attempt, None
        standing.items_total = fact.items_total if fact.items_total is not None else standing.items_total
        standing.progress = standing.measured()
        document.update(
            started_at=moment(fact.at), completed_at=None, error_message=None, result_data=None, unstored=None,
            current_algorithm=fact.algorithm, algorithm_parameters=dict(fact.parameters),
            tracking_id=f"{self.process_id}/{standing.name}/{fact.iteration}",
        )  # fmt: skip

    @_apply.register
    def _(self, fact: facts.StageContinued, standing: StageStanding) -> None:
        if fact.algorithm is not None:
            standing.document.update(current_algorithm=fact.algorithm, algorithm_parameters=dict(fact.parameters))
        if fact.items_total is not None:
            standing.items_total = fact.items_total
            _measure(standing)

    @_apply.register
    def _(self, fact: facts.DecisionRecorded, standing: StageStanding) -> None:
        decisions = standing.document["decisions"]
        assert isinstance(decisions, dict)
        decisions[fact.decision] = fact.value

    @_apply.register
    def _(self, fact: facts.ProgressTracked, standing: StageStanding) -> None:
        standing.progress = max(standing.progress, fact.progress)
        _track(standing, fact, fact.progress)

    @_apply.register
    def _(self, fact: facts.StageCompleted, standing: StageStanding) -> None:
        _stop_substages(standing)
        standing.state, standing.progress = StageState.COMPLETED, 1.0
        standing.document.update(
            completed_at=moment(fact.at), error_message=None, result_data=fact.result, unstored=fact.unstored
        )

    @_apply.register
    def _(self, fact: facts.StageFailed, standing: StageStanding) -> None:
        standing.document["error_message"] = fact.error
        if standing.state in _ENDED:
            return  # what is done stays done; that somebody called it failed is on record
        _stop_substages(standing)
        standing.state = StageState.FAILED
        standing.document.update(completed_at=moment(fact.at), result_data=fact.result, unstored=fact.unstored)

    @_apply.register
    def _(self, fact: facts.StageSkipped, standing: StageStanding) -> None:
        standing.state = StageState.SKIPPED
        standing.document.update(completed_at=moment(fact.at), skip_reason=fact.reason)

    @_apply.register
    def _(self, fact: facts.SubstageStarted, standing: StageStanding) -> None:
        sub = self._sub(standing, fact.substage)
        standing.move(sub, StageState.RUNNING)
        sub.attempt, sub.progress = fact.attempt, 0.0
        sub.document.update(
            started_at=moment(fact.at), completed_at=None, error_message=None, skip_reason=None, result_data=None
        )
        self._touched(standing, sub)

    @_apply.register
    def _(self, fact: facts.SubstageTracked, standing: StageStanding) -> None:
        sub = self._sub(standing, fact.substage)
        sub.progress = max(sub.progress, fact.progress)
        self._touched(standing, sub)
        if fact.message:
            _track(standing, fact, standing.progress)

    @_apply.register
    def _(self, fact: facts.SubstageCompleted, standing: StageStanding) -> None:
        sub = self._sub(standing, fact.substage)
        standing.move(sub, StageState.COMPLETED)
        sub.progress = 1.0
        sub.document.update(completed_at=moment(fact.at), error_message=None, result_data=fact.result)
        self._touched(standing, sub)

    @_apply.register
    def _(self, fact: facts.SubstageFailed, standing: StageStanding) -> None:
        sub = self._sub(standing, fact.substage)
        sub.document["error_message"] = fact.error
        if sub.state not in _ENDED:
            sub.attempt += sub.state is not StageState.RUNNING  # a failure that is told is a try
            standing.move(sub, StageState.FAILED)
            sub.document.update(completed_at=moment(fact.at), result_data=fact.result)
        self._touched(standing, sub)

    @_apply.register
    def _(self, fact: facts.SubstageSkipped, standing: StageStanding) -> None:
        sub = self._sub(standing, fact.substage)
        sub.attempt += sub.spec is None
        standing.move(sub, StageState.SKIPPED)
        sub.document.update(completed_at=moment(fact.at), skip_reason=fact.reason)
        self._touched(standing, sub)

    def _sub(self, standing: StageStanding, name: str) -> SubstageStanding:
        sub = standing.substages.get(name)
        if sub is None:
            sub = standing.substages[name] = new_substage(None, name)
            standing.items[sub.state] = standing.items.get(sub.state, 0) + 1
            shown = standing.document.setdefault("substages", {})
            assert isinstance(shown, dict)
            shown[name] = sub.document
        return sub

    def _touched(self, standing: StageStanding, sub: SubstageStanding) -> None:
        sub.session = self.session
        sub.document.update(status=str(sub.state), progress=sub.progress, attempts=sub.attempt)
        _measure(standing)


def _measure(standing: StageStanding) -> None:
    if standing.state is StageState.RUNNING:
        standing.progress = max(standing.progress, standing.measured())


def _track(standing: StageStanding, fact: facts.ProgressTracked | facts.SubstageTracked, progress: float) -> None:
    standing.message = fact.message or standing.message
    tracked = standing.document["tracking_data"]
    assert isinstance(tracked, list)
    tracked.append(
        {"timestamp": moment(fact.at), "progress": progress, "message": fact.message, "metadata": fact.metadata}
    )


def _stop_substages(standing: StageStanding) -> None:
    for name in standing.under_way():
        sub = standing.substages[name]
        standing.move(sub, StageState.INTERRUPTED)
        sub.document["status"] = str(sub.state)


def _begin_anew(standing: StageStanding) -> None:
    """Once more from the start: what was is listed, the decisions stay."""
    document = standing.document
    listed = ("iteration", "status", "started_at", "completed_at", "current_algorithm", "error_message", "attempts")
    done = {name: document[name] for name in listed}
    if standing.spec.loop:
        done |= {name: document[name] for name in ("items_total", "items_done", "items_failed")}
    iterations = document["iterations"]
    assert isinstance(iterations, list)
    iterations.append(done)
    standing.substages = {name: new_substage(sub, name) for name, sub in standing.spec.substages.items()}
    standing.items, standing.items_total = {}, None
    document["tracking_data"] = []
    if "substages" in document:
        document["substages"] = {name: sub.document for name, sub in standing.substages.items()}


def _show(standing: StageStanding) -> None:
    standing.document.update(
        status=str(standing.state),
        progress=standing.progress,
        iteration=standing.iteration,
        attempts=standing.attempt,
    )
    if standing.spec.loop:
        standing.document.update(
            items_total=standing.items_total, items_done=standing.items_done, items_failed=standing.items_failed
        )
