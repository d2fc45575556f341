"""What decisions come to where stages are watched: the newest stored results all of whose reads they fulfil."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from milepost.errors import MilepostError
from milepost.model.comparison.subjects import Subject
from milepost.model.fingerprint.parts import load_parts
from milepost.model.rows import DecisionRow, PartsRow, ResultRow, RunRow, StageRow, TraceRow
from milepost.model.status import StageState
from milepost.process.decisions.affecting import stages_by_number
from milepost.process.decisions.projects import runs_of_project
from milepost.process.inputs import FileDigests
from milepost.process.manager import paths
from milepost.process.manager.snapshot import Snapshot
from milepost.process.many_rows import grouped, rows_of
from milepost.store.protocol import Store

Decisions = Mapping[str, Mapping[str, object]]  # stage -> name -> value
_ByReads = dict[tuple[str, ...], dict[tuple[str | None, ...], TraceRow]]
_READ_BY_SCENARIO = (paths.DECISION, paths.NAMES, paths.STAGE)


class Traced:
    """The watched results of one process. Which code made them does not count: of each the newest is shown."""

    def __init__(self, store: Store, process: str, runs: Sequence[RunRow], now: float) -> None:
        results = rows_of(store, ResultRow, "run", [run.id for run in runs])
        self._results = {row.key: row for row in results}
        traces = sorted(rows_of(store, TraceRow, "key", list(self._results)), key=lambda row: -row.seq)
        self._traces = grouped(traces, lambda row: row.stage)
        self._read = {stage: _by_reads(rows) for stage, rows in self._traces.items()}
        self._process = process
        self._files = FileDigests(store, now)
        newest = [rows[0].key for rows in self._traces.values()]
        parts = {row.stage: load_parts(row.parts) for row in rows_of(store, PartsRow, "key", newest)}
        self._numbers = stages_by_number(parts)

    def stages(self, decisions: Decisions) -> tuple[StageRow, ...]:
        """The stages that have a result under these decisions, each behind those that it takes."""
        known: dict[int | str, Mapping[str, object]] = {}
        known.update(decisions.items())
        known.update((number, decisions[stage]) for number, stage in self._numbers.items() if stage in decisions)
        asked = _Asked(Snapshot(0, known, {}))
        for stage in self._traces:
            self._find(stage, asked)
        return tuple(self._row(row, at) for at, row in enumerate(filter(None, asked.found.values())))

    def _find(self, stage: str, asked: _Asked) -> ResultRow | None:
        if stage in asked.found or stage in asked.under_way:
            return asked.found.get(stage)
        asked.under_way.add(stage)
        holding = [
            known[now]
            for read, known in self._read.get(stage, {}).items()
            if (now := tuple(self._now(path, asked) for path in read)) in known
        ]
        trace = max(holding, key=lambda trace: trace.seq, default=None)
        asked.found[stage] = self._results[trace.key] if trace is not None else None
        return asked.found[stage]

    def _now(self, path: str, asked: _Asked) -> str | None:
        if paths.kind_of(path) == paths.UPSTREAM:
            stage = paths.stage_and_name(path)[0]
            taken = self._find(self._numbers.get(stage, stage), asked)
            return None if taken is None else taken.address
        if path not in asked.digests:
            asked.digests[path] = self._digest(path, asked.snapshot)
        return asked.digests[path]

    def _digest(self, path: str, snapshot: Snapshot) -> str | None:
        try:
            return snapshot.digest(path, self._content)
        except MilepostError:
            return None  # a file that is gone, a value without a digest

    def _content(self, path: str) -> str:
        return self._files.digest(path, stage=self._process, name=path)

    def _row(self, result: ResultRow, position: int) -> StageRow:
        return StageRow(
            run=result.run,
            stage=result.stage,
            epoch=0,
            process=self._process,
            state=StageState.COMPLETED,
            position=position,
            key=result.key,
            address=result.address,
            ended=result.at,
            seconds=result.seconds,
            metrics=result.metrics,
        )


class _Asked:
    """One look through the traces: for which decisions, and what was found so far."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.digests: dict[str, str | None] = {}  # of what was decided, by path
        self.found: dict[str, ResultRow | None] = {}
        self.under_way: set[str] = set()


def _decisive(trace: TraceRow) -> list[tuple[str, str]]:
    """What it read that a scenario decides, itself or through other stages: not code, nor what the manager has."""
    reads = msgspec.json.decode(trace.reads, type=list[tuple[str, str]])
    return [(path, digest) for path, digest in reads if paths.kind_of(path) in (paths.UPSTREAM, *_READ_BY_SCENARIO)]


def _by_reads(newest_first: Sequence[TraceRow]) -> _ByReads:
    """The newest trace of each set of reads: by what was read, and by what it was then."""
    found: _ByReads = {}
    for trace in newest_first:
        reads = _decisive(trace)
        known = found.setdefault(tuple(path for path, _ in reads), {})
        known.setdefault(tuple(digest for _, digest in reads), trace)
    return found


def by_hand(store: Store, processes: Collection[str], now: float) -> dict[str, Traced]:
    """Those of these processes that a program carries out by itself, with their watched results."""
    found: dict[str, Traced] = {}
    for process in processes:
        runs = runs_of_project(store, process)
        if runs and not runs[0].decisions_hash:
            found[process] = Traced(store, process, runs, now)
    return found


def with_results(store: Store, shown: Subject, results: Sequence[StageRow], *, is_its_own: bool) -> Subject:
    """A run as it shows these results; `is_its_own`: what else it did under its present decisions counts too."""
    mine = {row.key: row for row in shown.stages if row.key}
    stages = [mine.get(row.key or "", row) for row in results]
    if is_its_own:
        known = {row.stage for row in stages}
        stages += [row for row in _since_decided(store, shown) if row.stage not in known]
    seconds = sum(row.seconds or 0.0 for row in stages if row.parent is None)
    return msgspec.structs.replace(shown, stages=tuple(stages), seconds=seconds, saved_seconds=None)


def _since_decided(store: Store, shown: Subject) -> list[StageRow]:
    """What nobody watched, as far as nothing that was decided later could have changed it."""
    assert shown.run is not None
    order = {row.stage: row.position for row in shown.stages}
    decided = [(order.get(row.stage, 0), row.at) for row in store.rows(DecisionRow, run=shown.run.id)]
    return [
        row
        for row in shown.stages
        if row.key is None
        and row.state is not StageState.PENDING
        and not any(at > (row.ended or at) for position, at in decided if position <= row.position)
    ]
