"""A stage found or computed: its code, the traces that may hold, its row, what it read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from milepost.errors import CannotEncode, MilepostError, ObjectRefused
from milepost.kernel.clock import SYSTEM
from milepost.model.fingerprint.code import CodeParts
from milepost.model.fingerprint.parts import Part, stage_key
from milepost.model.fingerprint.values import digest
from milepost.model.metrics import dump_metrics, metrics_of
from milepost.model.status import StageState
from milepost.process.manager import paths
from milepost.process.manager.asking import Asking, Way
from milepost.process.manager.belongings import computing_parts
from milepost.process.manager.carrying import Carrying, digest_of, say_once
from milepost.process.manager.computation import Computation
from milepost.process.manager.effects import Effects
from milepost.process.manager.explaining import reason_to_compute
from milepost.process.manager.inside import Inside
from milepost.process.manager.leaving import Leaving
from milepost.process.manager.naming import StageId
from milepost.process.manager.observing import active
from milepost.process.manager.stage_data import Outcome
from milepost.process.manager.traces import Traces
from milepost.process.manager.verifying import Belongings, Verifier, is_looking
from milepost.process.underway import RunUnderway

_REASONS = {Way.ALONE: "caching is off", Way.AGAIN: "for what it leaves on self, which another stage reads"}


class StageResults:
    """Finds and computes the stages of one manager."""

    def __init__(self, inside: Inside) -> None:
        self.belongings = Belongings()
        self.traces = Traces()
        self.effects = Effects()
        self.asking = Asking(inside, self.carry_out)
        self._inside = inside
        self._said: set[str] = set()
        self._running: set[str] = set()
        self._shown: dict[str, tuple[str, str | None]] = {}  # stage -> run and key of the row that says so

    def given(self, owner: object, text: str, value: object) -> Outcome:
        """What a stage's result is that the program made itself."""
        run = self._inside.synced(owner)
        outcome = Outcome(stage=text, run=run.id, metrics=dump_metrics(metrics_of(value)))
        try:
            stored = run.objects.put(value)
        except (CannotEncode, ObjectRefused):
            return msgspec.structs.replace(outcome, value=value, digest=digest_of(value))
        return msgspec.structs.replace(outcome, address=stored.address, digest=stored.address, classes=stored.classes)

    def carry_out(self, owner: Any, one: Computation, way: Way) -> Outcome:
        """Find a stage or compute it, as it was asked for."""
        token = is_looking.set(True)  # what is looked at here no computation reads
        try:
            outcome = self._found_or_computed(owner, one, way)
        finally:
            is_looking.reset(token)
        if outcome.key is not None:
            self._inside.latest[one.stage] = outcome
        return outcome

    def carry_out_owed(self, owner: Any, one: Computation, name: str) -> None:
        """Carry out the reused stages that leave an attribute which a computation is about to read."""
        path = paths.of_manager(paths.VALUE, name)
        if name in self.effects.out_of_order:
            one.problems[f"it reads self.{name}, which reused stages would have changed before others did"] = None
        for stage in self.effects.take(name, self.belongings.digest(owner, path).digest):
            outcome = self.asking.result(owner, stage, one, way=Way.AGAIN)
            if outcome.exception is not None:
                one.problems[f"stage {outcome.stage}, which leaves self.{name}, failed"] = None

    def _found_or_computed(self, owner: Any, one: Computation, way: Way) -> Outcome:
        run, text = self._inside.synced(owner), self._inside.names.text_of(one.stage)
        run.check()
        code = self._code(owner, one.stage)
        verifier = self._verifier(owner, one)
        if way is Way.FIND:
            found = self.traces.find(stage_key(code.parts), verifier.holds, run.store, run.objects)
            if found is not None:
                self._show_reused(run, text, found)
                self.effects.reused(one.stage, found.key, found.left, lambda name: self._digest(owner, name))
                for other in list(active.get(id(owner), ())):
                    other.settled.difference_update(found.left)
                return found
        return self._compute(owner, run, text, one, code, verifier, way)

    def _digest(self, owner: object, name: str) -> str:
        return self.belongings.digest(owner, paths.of_manager(paths.VALUE, name)).digest

    def _code(self, owner: Any, stage: StageId) -> CodeParts:
        code = computing_parts(_function(owner), type(owner))
        argument = Part(name="argument:stage", kind="default", digest=digest(stage).hex())
        unkeyable = [Part(name="unkeyable", kind="global", digest=str(id(self)))] if code.unkeyable else []
        return msgspec.structs.replace(code, parts=(*code.parts, argument, *unkeyable))

    def _verifier(self, owner: object, one: Computation) -> Verifier:
        def upstream(text: str) -> str | None:
            try:
                stage = self._inside.names.id_of(text)
                way = Way.ALONE if stage in self._inside.uncached else Way.FIND
                outcome = self.asking.result(owner, stage, one, way=way)
            except MilepostError:
                return None  # the computation itself will meet it
            return outcome.digest or None if outcome.exception is None else None

        return Verifier(owner, self.belongings, self.effects, one.snapshot, self._inside.content, upstream)

    def _compute(
        self, owner: Any, run: RunUnderway, text: str, one: Computation, code: CodeParts, verifier: Verifier, way: Way
    ) -> Outcome:
        row = run.stages.get(text)
        is_begun = row is not None and row.state is StageState.RUNNING and row.epoch == run.epoch
        carrying = Carrying(
            run=run,
            text=text,
            computation=one,
            cls=type(owner),
            function=_function(owner),
            code=code.parts,
            problems=code.unkeyable,
            reason=_REASONS.get(way)
            or reason_to_compute(run.store, run.run.process, text, code.parts, verifier, one.snapshot, type(owner)),
            keeps=way is not Way.ALONE,
            is_theirs=is_begun and text not in self._running,
            meanwhile=lambda: self._changed_meanwhile(one),
        )
        self._running.add(text)
        try:
            outcome, known = carrying.compute(lambda: self._called(owner, one))
        finally:
            self._running.discard(text)
        if known is not None:
            stands = one.left if way is Way.AGAIN else one.added_to
            self.effects.ended(one.stage, known.key, one.left, stands=stands)
            self.traces.add(stage_key(code.parts), known)
            self._shown[text] = run.id, known.key
            for problem in outcome.problems:
                say_once(self._said, f"milepost: stage {text} is not reused by other processes: {problem}")
        return outcome

    def _called(self, owner: Any, one: Computation) -> object:
        self.effects.begins(one.stage)
        leaving = Leaving(owner, one, self.belongings)
        value = object.__getattribute__(owner, "_compute_stage")(one.stage)
        leaving.note()
        return value

    def _changed_meanwhile(self, one: Computation) -> list[str]:
        """The decisions that were read and are other ones by now."""
        now = self._inside.snapshot()
        if now.version == one.snapshot.version:
            return []
        decisions = [path for path in one.reads if paths.kind_of(path) == paths.DECISION]
        content = self._inside.content
        return [
            path.partition(":")[2]
            for path in decisions
            if now.digest(path, content) != one.snapshot.digest(path, content)
        ]

    def _show_reused(self, run: RunUnderway, text: str, found: Outcome) -> None:
        if self._shown.get(text) == (run.id, found.key):
            return
        row = run.stages.get(text)
        fields: dict[str, object] = {
            "key": None if found.problems else found.key,
            "address": found.address,
            "reused_from": found.run,
            "reason": "unchanged",
            "metrics": found.metrics,
        }
        if row is None or row.state is not StageState.RUNNING:
            fields |= {"state": StageState.REUSED, "seconds": 0.0, "ended": SYSTEM.now(), "error": None}
        run.stage(text, **fields)
        self._shown[text] = run.id, found.key


def _function(owner: Any) -> Callable[..., object]:
    """The manager's own `_compute_stage`, unbound."""
    own: dict[str, Any] = object.__getattribute__(owner, "__dict__")
    function: Callable[..., object] = own.get("_compute_stage", type(owner)._compute_stage)
    return function
