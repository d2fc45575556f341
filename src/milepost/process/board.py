"""The rows of a run's stages as this session writes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from milepost.executors.task import Notice
from milepost.kernel import host
from milepost.kernel.clock import SYSTEM
from milepost.model.fingerprint.code import find_class, with_texts
from milepost.model.fingerprint.parts import dump_parts, texts_by_digest
from milepost.model.metrics import dump_metrics, load_metrics
from milepost.model.redaction import redact
from milepost.model.rows import EventRow, PartsRow, ResultRow, Row, SourceRow, StageRow
from milepost.model.status import StageState
from milepost.process.inputs import FileDigests
from milepost.process.jobs import Ending, Job
from milepost.process.opening import Opened
from milepost.process.planner import StagePlan
from milepost.process.turns import Turns
from milepost.store.protocol import Store


class Board:
    """Writes what becomes of each stage: facts at once, progress as observation. Safe from the ticker's thread."""

    def __init__(self, opened: Opened, store: Store, process: str, selected: Sequence[str]) -> None:
        self._store = store
        self._opened = opened
        self._recorder = opened.recorder
        self._lock = threading.RLock()
        self.turns = Turns()
        self._began: dict[str, float] = {}
        self._measuring: dict[str, int] = {}  # the attempt whose metrics a row shows
        self._earlier: dict[str, list[StageRow]] = {}
        self._rows = {
            name: StageRow(
                run=opened.run.id,
                stage=name,
                epoch=opened.epoch,
                process=process,
                state=StageState.PENDING,
                position=position,
            )
            for position, name in enumerate(selected)
        }

    @property
    def states(self) -> Mapping[str, StageState]:
        """Where each stage stands now."""
        return _States(self._rows)

    def open(self) -> None:
        """Show all stages as pending, and remember what earlier sessions of the run did."""
        if self._opened.found is not None:
            for row in self._store.rows(StageRow, run=self._opened.run.id):
                if row.epoch < self._opened.epoch:
                    self._earlier.setdefault(row.stage, []).append(row)
        self._recorder.record(*self._rows.values())

    def reused(self, plan: StagePlan, result: ResultRow) -> None:
        """A stage's result was found."""
        made = self._store.get(StageRow, key=plan.key, state=StageState.COMPLETED) if plan.is_mapped else None
        items = made.items_total if made else None
        self._record(
            plan.stage,
            state=StageState.REUSED,
            key=plan.key,
            reason=plan.reason,
            address=result.address,
            reused_from=result.run,
            metrics=result.metrics,
            ended=SYSTEM.now(),
            seconds=0.0,
            items_total=items,
            items_reused=items or 0,
        )

    def begun(self, job: Job, function: Callable[..., object], files: FileDigests) -> None:
        """A stage has its first turn: its key's parts are kept for `why` before it can fail."""
        plan = job.plan
        classes = (find_class(reference) for reference in plan.classes)
        parts = with_texts(plan.parts, function, *(found for found in classes if found is not None))
        now = SYSTEM.now()
        self._began[plan.stage] = SYSTEM.monotonic()
        fresh, files.fresh = list(files.fresh.values()), {}
        self._replace(job.told(self._rows[plan.stage]))  # how many items it has: who is killed soon has said so
        self._record(
            plan.stage,
            PartsRow(key=plan.key or "", stage=plan.stage, parts=dump_parts(parts), at=now),
            *(SourceRow(digest=digest, text=redact(text)) for digest, text in texts_by_digest(parts).items()),
            *fresh,
            state=StageState.RUNNING,
            key=plan.key,
            reason="; ".join([plan.reason, *plan.notes]),
            started=now,
        )

    def progressed(self, job: Job) -> None:
        """Something of a job came back."""
        with self._lock:
            row = self._rows[job.plan.stage]
            if row.state is StageState.RUNNING:
                self._observe(job.told(row))

    def noticed(self, notice: Notice) -> None:
        """Code that works said how far it is, or reported a number."""
        if notice.kind == "metric":
            self._measured(notice)
        elif notice.kind == "progress" and notice.item is None:
            self._moved(notice.stage, notice.payload.get("fraction"), notice.payload.get("message"))

    def _moved(self, stage: str, fraction: object, message: object) -> None:
        with self._lock:
            row = self._rows[stage]
            if row.state is StageState.RUNNING and isinstance(fraction, float):
                seen = max(fraction, row.progress or 0.0)
                said = str(message) if message is not None else row.message
                self._observe(msgspec.structs.replace(row, progress=seen, message=said))

    def _measured(self, notice: Notice) -> None:
        """Show what the attempt at hand reported so far; what counts comes with its result."""
        with self._lock:
            row = self._rows[notice.stage]
            if row.state is StageState.RUNNING and notice.item is None:
                is_same = self._measuring.get(notice.stage) == notice.attempt
                self._measuring[notice.stage] = notice.attempt
                seen = load_metrics(row.metrics) if is_same else {}
                seen[str(notice.payload["name"])] = cast("float", notice.payload["value"])
                self._observe(msgspec.structs.replace(row, metrics=dump_metrics(seen)))

    def sampled(self) -> None:
        """Note the memory of this process and its workers at the stages that run."""
        running = [name for name, row in self._rows.items() if row.state is StageState.RUNNING]
        used = host.memory_bytes() if running else 0
        for name in running:
            with self._lock:
                row = self._rows[name]
                if row.state is StageState.RUNNING and used > (row.memory_bytes or 0):
                    self._observe(msgspec.structs.replace(row, memory_bytes=used))

    def completed(self, job: Job, ending: Ending, result: ResultRow | None, note: str | None) -> None:
        """A stage has its result: row and result commit together, beyond a power cut."""
        row = job.told(self._rows[job.plan.stage])
        reason = row.reason if note is None or ending.note == row.error else f"{row.reason}; {note}"
        self._replace(row)
        if ending.items_reused:
            self.event("items_reused", row.stage, items=ending.items_reused, seconds=ending.reused_seconds)
        self._record(
            job.plan.stage,
            *([result] if result is not None else []),
            state=StageState.COMPLETED,
            reason=reason,
            address=ending.upstream.address,
            progress=1.0,
            metrics=dump_metrics(ending.metrics),
            **self._ended(job.plan.stage),
        )

    def failed(self, job: Job) -> None:
        """A stage failed for good."""
        failure = job.failure
        traceback = failure.details.get("traceback") if failure is not None else None
        self._replace(job.told(self._rows[job.plan.stage]))
        self._record(
            job.plan.stage,
            state=StageState.FAILED,
            metrics="{}",  # no attempt of it came to an end
            error=str(failure),
            traceback=redact(str(traceback)) if traceback else None,
            **self._ended(job.plan.stage),
        )

    def closing(self, state: StageState) -> Iterator[Row]:
        """The rows of stages that were under way when the run ended, and of those it never came to."""
        with self._lock:
            for name, row in self._rows.items():
                if row.state is StageState.RUNNING:
                    changed = msgspec.structs.replace(row, state=state, **self._ended(name))
                    self._rows[name] = changed
                    yield changed

    def seconds(self, stage: str) -> float:
        """How long a stage has worked: now, and under the same key in earlier sessions of the run."""
        key = self._rows[stage].key
        earlier = sum(row.seconds or 0.0 for row in self._earlier.get(stage, []) if row.key == key)
        return earlier + self._lasted(stage)

    def event(self, kind: str, stage: str | None = None, **facts: object) -> None:
        """Record a fact in the past tense."""
        self._recorder.record(
            EventRow(
                at=SYSTEM.now(),
                run=self._opened.run.id,
                epoch=self._opened.epoch,
                kind=kind,
                stage=stage,
                json=msgspec.json.encode(facts).decode(),
            )
        )

    def _lasted(self, stage: str) -> float:
        worked = self.turns.worked(stage)
        return SYSTEM.monotonic() - self._began[stage] if worked is None else worked

    def _ended(self, stage: str) -> dict[str, object]:
        return {"ended": SYSTEM.now(), "seconds": self._lasted(stage)}

    def _observe(self, row: StageRow) -> None:
        row = msgspec.structs.replace(row, seconds=self._lasted(row.stage))  # so that a kill leaves a figure
        self._replace(row)
        self._recorder.observe(row)

    def _replace(self, row: StageRow) -> None:
        with self._lock:
            self._rows[row.stage] = row

    def _record(self, stage: str, *others: Row, **changes: object) -> None:
        """Commit the stage's changed row with `others`; one that names a result survives a power cut."""
        with self._lock:
            row = msgspec.structs.replace(self._rows[stage], **changes)
            self._recorder.record(row, *others, durable=row.state is StageState.COMPLETED)
            self._rows[stage] = row


class _States(Mapping[str, StageState]):
    def __init__(self, rows: Mapping[str, StageRow]) -> None:
        self._rows = rows

    def __getitem__(self, stage: str) -> StageState:
        return self._rows[stage].state

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr({name: str(row.state) for name, row in self._rows.items()})
