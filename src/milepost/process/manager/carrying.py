"""Carrying one stage out: its computation watched, its result stored, what became of it recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING

import msgspec

from milepost.errors import Cancelled, CannotEncode, ObjectRefused, StageExecutionError, StoreError, WorkspaceError
from milepost.executors.carry_out import NOT_VALUES
from milepost.executors.faults import describe
from milepost.kernel.clock import SYSTEM
from milepost.kernel.context import Context, current
from milepost.kernel.warning import warn
from milepost.model.fingerprint.code import with_texts
from milepost.model.fingerprint.parts import Part, dump_parts, stage_key, texts_by_digest
from milepost.model.fingerprint.values import digest
from milepost.model.metrics import checked_metric, dump_metrics, metrics_of
from milepost.model.redaction import redact
from milepost.model.rows import PartsRow, ResultRow, Row, SourceRow, StageRow
from milepost.model.status import StageState
from milepost.process.manager import paths
from milepost.process.manager.computation import Computation, under_way
from milepost.process.manager.explaining import parts_in_detail
from milepost.process.manager.stage_data import Outcome
from milepost.process.manager.traces import Known, Reads, trace_row
from milepost.process.manager.verifying import is_looking

if TYPE_CHECKING:
    from milepost.process.underway import RunUnderway
    from milepost.store.objects import Stored

SERIOUS = (StoreError, WorkspaceError)  # what is never a stage's own fault


class Carrying(msgspec.Struct, frozen=True, kw_only=True):
    """One stage about to be computed. `is_theirs`: a stage handler has begun it and will say how it ended."""

    run: RunUnderway
    text: str
    computation: Computation
    cls: type  # of the manager
    function: Callable[..., object]  # its `_compute_stage`
    code: tuple[Part, ...]
    problems: tuple[str, ...]
    reason: str
    keeps: bool
    is_theirs: bool
    meanwhile: Callable[[], list[str]]  # the decisions that it read and that were changed while it ran

    def compute(self, call: Callable[[], object]) -> tuple[Outcome, Known | None]:
        """Call the computation. Its error becomes an outcome that is not kept; Cancelled and the like go on."""
        self._record(StageState.RUNNING, reason=self.reason, error=None, traceback=None, progress=None)
        began = SYSTEM.monotonic()
        try:
            value = self._called(call)
        except SERIOUS:
            self._record(StageState.INTERRUPTED)
            raise
        except Exception as error:
            return self._failed(error, SYSTEM.monotonic() - began), None
        except BaseException:
            self._record(StageState.CANCELLED)
            raise
        return self._done(value, SYSTEM.monotonic() - began)

    def _called(self, call: Callable[[], object]) -> object:
        where = Context(
            run_id=self.run.id,
            run_name=self.run.run.name,
            stage=self.text,
            tell=self._told,
            is_cancelled=self._is_cancelled,
            workspace=str(self.run.workspace.path),
        )
        inside, here, looking = under_way.set(self.computation), current.set(where), is_looking.set(False)
        self.computation.is_computing = True
        try:
            value = call()
        finally:
            self.computation.is_computing = False
            current.reset(here)
            under_way.reset(inside)
            is_looking.reset(looking)
        if isinstance(value, tuple(NOT_VALUES)):
            if isinstance(value, CoroutineType):
                value.close()
            raise StageExecutionError(
                f"stage {self.text!r} returned a {type(value).__name__}; a result is stored as a whole: return a list",
                stage=self.text,
            )
        return value

    def _done(self, value: object, seconds: float) -> tuple[Outcome, Known | None]:
        metrics = dump_metrics({**metrics_of(value), **self.computation.metrics})
        outcome = Outcome(stage=self.text, run=self.run.id, seconds=seconds, metrics=metrics)
        if not self.keeps:
            outcome = msgspec.structs.replace(
                outcome, value=value, digest=digest_of(value), problems=("caching is off",)
            )
            self._record(StageState.COMPLETED, metrics=metrics, reason=self.reason)
            return outcome, None
        reads, rows = self.computation.digests(), list[Row]()
        key = stage_key([*self.code, *(Part(path, paths.part_kind(path), found) for path, found in reads.items())])
        problems = [*self.problems, *self.computation.problems]
        stored, unstored = self._stored(value)
        if stored is None:
            outcome = msgspec.structs.replace(outcome, value=value, digest=digest_of(value))
            problems.append(f"its result cannot be stored: {unstored}")
        else:
            outcome = msgspec.structs.replace(
                outcome, address=stored.address, digest=stored.address, classes=stored.classes
            )
        if not problems and stored is not None:
            now = SYSTEM.now()
            rows += [
                trace_row(stage_key(self.code), key, self.text, reads, self.computation.left, now),
                ResultRow(
                    key=key,
                    address=stored.address,
                    stage=self.text,
                    run=self.run.id,
                    seconds=seconds,
                    size_bytes=stored.size_bytes,
                    at=now,
                    classes=stored.classes,
                    metrics=metrics,
                ),
                *self._parts_rows(key, reads, now),
            ]
        outcome = msgspec.structs.replace(outcome, key=key, problems=tuple(problems), left=self.computation.left)
        notes = [f"{name} is state: its value does not count" for name in self.computation.state]
        notes += [f"not reusable by other processes: {problem}" for problem in problems]
        for decision in self.meanwhile():
            notes.append(f"{decision} was changed while it ran: it kept what it began with")
            rows.append(self.run.event("decision_changed_meanwhile", self.text, decision=decision))
        self._record(
            StageState.COMPLETED,
            *rows,
            key=None if problems else key,
            address=outcome.address,
            metrics=metrics,
            reason=self._reason(*notes),
        )
        return outcome, Known(key, reads, outcome)

    def _failed(self, error: Exception, seconds: float) -> Outcome:
        said = describe(error)
        self._record(StageState.FAILED, error=redact(said.error), traceback=redact(said.traceback))
        self.run.log(f"stage {self.text} failed: {redact(said.error)}", stage=self.text, level="ERROR")
        return Outcome(stage=self.text, run=self.run.id, seconds=seconds, exception=error, error=redact(said.error))

    def _stored(self, value: object) -> tuple[Stored | None, str | None]:
        try:
            return self.run.objects.put(value), None
        except (CannotEncode, ObjectRefused) as error:
            return None, str(error)

    def _reason(self, *notes: str) -> str:
        return "; ".join([self.reason, *notes])

    def _parts_rows(self, key: str, reads: Reads, now: float) -> list[Row]:
        """What `why` shows: the code with its source, and everything that was read."""
        one = self.computation
        code = with_texts(self.code, self.function)
        read = parts_in_detail(reads.items(), one.snapshot, one.texts, self.cls, has_texts=True)
        known = {part.name for part in code}
        parts = [*code, *(part for part in read if part.name not in known)]
        return [
            PartsRow(key=key, stage=self.text, parts=dump_parts(parts), at=now),
            *(SourceRow(digest=name, text=redact(text)) for name, text in texts_by_digest(parts).items()),
        ]

    def _is_cancelled(self) -> bool:
        try:
            self.run.check()
        except Cancelled:
            return True
        return False

    def _record(self, state: StageState, *others: Row, **changes: object) -> StageRow:
        if self.is_theirs:
            kept = {name: value for name, value in changes.items() if name not in ("error", "traceback", "progress")}
            return self.run.stage(self.text, *others, **kept)
        return self.run.stage(self.text, *others, state=state, **changes)

    def _told(self, where: Context, kind: str, payload: Mapping[str, object]) -> None:
        if kind == "log":
            self.run.log(str(payload.get("text")), stage=self.text, level=str(payload.get("level", "INFO")))
        elif kind == "metric":
            name = str(payload.get("name"))
            self.computation.metrics[name] = checked_metric(name, payload.get("value"))
        elif kind == "progress" and not self.is_theirs:
            self.run.stage(self.text, progress=payload.get("fraction"), message=payload.get("message"))


def digest_of(value: object) -> str:
    """What a result that is not stored counts as for those who take it; "" when nobody can tell."""
    try:
        return digest(value).hex()
    except Exception:  # it has none: those who take it cannot be found again
        return ""


def say_once(said: set[str], text: str) -> None:
    """Warn of something that holds from now on."""
    if text not in said:
        said.add(text)
        warn(text)
