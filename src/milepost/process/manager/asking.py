"""Asking for a stage: whoever comes first computes, the others wait, and nobody waits for himself."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from milepost.errors import DependencyError, InvalidDataError
from milepost.model.nearest import did_you_mean
from milepost.process.manager import paths
from milepost.process.manager.carrying import say_once
from milepost.process.manager.computation import Computation
from milepost.process.manager.inside import Inside
from milepost.process.manager.naming import StageId
from milepost.process.manager.observing import active, innermost
from milepost.process.manager.stage_data import Outcome

WAIT_SECONDS = 60.0


class Way(StrEnum):
    """How a stage is asked for."""

    FIND = "find"  # or compute it, so that it is found the next time
    AGAIN = "again"  # computed for what it leaves on the manager
    ALONE = "alone"  # computed, and neither looked up nor kept


Carry = Callable[[object, Computation, Way], Outcome]


class Asking:
    """The stages of one manager that are asked for now. `carry` finds or computes one."""

    def __init__(self, inside: Inside, carry: Carry) -> None:
        self._inside = inside
        self._carry = carry
        self._under_way: dict[tuple[StageId, int, Way], Computation] = {}
        self._said: set[str] = set()

    def ask(self, owner: object, stage: StageId, *, way: Way) -> Outcome:
        """A stage's outcome for the code that runs here. Raises for misuse, not for the stage's own error."""
        outer = innermost(owner)
        outcome = self.result(owner, stage, outer, way=way)
        if outer is not None:
            outer.note(paths.path_of(paths.UPSTREAM, stage), outcome.digest, outcome.stage)
            outer.saw_classes(outcome.classes)
            if outcome.exception is not None:
                outer.problems[f"it took stage {outcome.stage}, which failed"] = None
            elif not outcome.digest:
                outer.problems[f"it took stage {outcome.stage}, whose result has no fingerprint"] = None
        return outcome

    def result(self, owner: object, stage: StageId, outer: Computation | None, *, way: Way) -> Outcome:
        """The same, for `outer`, unseen."""
        given = self._inside.given.get(stage) if way is not Way.AGAIN else None
        if given is None:
            return self._carried_out(owner, stage, outer, way)
        changed = given.changed(outer.snapshot if outer is not None else self._inside.snapshot())
        if not changed:
            return given.outcome
        outcome = self._carried_out(owner, stage, outer, way)
        return given.outdated(changed, self._inside.names) if self._is_nothing(outcome) else outcome

    def _carried_out(self, owner: object, stage: StageId, outer: Computation | None, way: Way) -> Outcome:
        self._refuse_unknown(stage)
        self._inside.points.require(self._inside.decided, stage)
        while True:
            one, is_leader = self._join(stage, outer, way)
            try:
                if is_leader:
                    self._lead(owner, one, way)
                else:
                    self._wait(one)
            finally:
                if outer is not None:
                    outer.waits_for.discard(one)
            if one.outcome is not None:
                return one.outcome

    def _is_nothing(self, outcome: Outcome) -> bool:
        """Whether a computation has nothing to say of its stage: it returned None."""
        if outcome.exception is not None or outcome.address is None:
            return outcome.exception is None and outcome.value is None
        return outcome.address == self._inside.hold.workspace.objects.put(None).address

    def _refuse_unknown(self, stage: StageId) -> None:
        names = self._inside.names.declared
        if names and isinstance(stage, str) and stage not in names and stage not in self._inside.points.of:
            raise InvalidDataError(f"there is no stage {stage!r}.{did_you_mean(stage, sorted(names))}", stage=stage)

    def _join(self, stage: StageId, outer: Computation | None, way: Way) -> tuple[Computation, bool]:
        """The computation that gives this stage, and whether it is for us to carry it out."""
        snapshot = outer.snapshot if outer is not None else self._inside.snapshot()
        key = stage, snapshot.version, way
        with self._inside.lock:
            there = self._under_way.get(key)
            if there is not None and outer is not None and there.waits_in_the_end_for(list(outer.chain())):
                raise self._circle(stage, outer)
            one = there or Computation(stage, snapshot, outer, self._inside.content)
            self._under_way[key] = one
            if outer is not None:
                outer.waits_for.add(one)
            return one, there is None

    def _lead(self, owner: object, one: Computation, way: Way) -> None:
        one.manager = id(owner)
        with self._inside.lock:
            active.setdefault(id(owner), set()).add(one)
        try:
            one.outcome = self._carry(owner, one, way)
        finally:
            with self._inside.lock:
                active[id(owner)].discard(one)
                if not active[id(owner)]:
                    del active[id(owner)]
                del self._under_way[one.stage, one.snapshot.version, way]
            one.done.set()

    def _wait(self, one: Computation) -> None:
        while not one.done.wait(WAIT_SECONDS):
            text = self._inside.names.text_of(one.stage)
            say_once(self._said, f"milepost: still waiting for stage {text}, which another thread computes")

    def _circle(self, stage: StageId, outer: Computation) -> DependencyError:
        text_of = self._inside.names.text_of
        way = [text_of(one.stage) for one in reversed(list(outer.chain()))] + [text_of(stage)]
        return DependencyError(
            f"stage {text_of(stage)!r} asks for its own result: {' → '.join(way)}; "
            "a stage can take the results of others alone",
            stage=text_of(stage),
        )
