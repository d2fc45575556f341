"""What computations read, kept so that the newest whose reads still hold gives its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from milepost.model.rows import ResultRow, TraceRow
from milepost.process.manager import paths
from milepost.process.manager.stage_data import Outcome
from milepost.store.objects import Objects
from milepost.store.protocol import Store

HELD = 8  # results of a stage that are kept in memory because they cannot be stored

Verify = Callable[[str, str], bool]
Reads = Mapping[str, str]


class Known(NamedTuple):
    """A computation of this process: what it read, and what came of it."""

    key: str
    reads: Reads
    outcome: Outcome


class Traces:
    """The traces of this process, which include those that others cannot know, and those of the ledger."""

    def __init__(self) -> None:
        self._known: dict[str, list[Known]] = {}  # by code, oldest first
        self._read: dict[str, list[tuple[str, Reads, Reads]]] = {}  # key, reads, effects by code, oldest first
        self._after: dict[str, int] = {}
        self._lock = threading.Lock()

    def find(self, code: str, verify: Verify, store: Store, objects: Objects) -> Outcome | None:
        """The result of the newest computation by this code all of whose reads still hold, or None."""
        mine: set[str] = set()
        for known in self._mine(code):
            mine.add(known.key)
            if _holds(known.reads, verify) and _is_there(known.outcome, objects):
                return msgspec.structs.replace(known.outcome, reused=True)
        for key, reads, left in self._rows(code, store):
            if key not in mine and _holds(reads, verify):
                found = _stored(key, store, objects)
                if found is not None:
                    return msgspec.structs.replace(found, left=dict(left))
        return None

    def add(self, code: str, known: Known) -> None:
        """A computation of this process is done."""
        with self._lock:
            others = [one for one in self._known.get(code, ()) if one.key != known.key]
            held = [one for one in others if one.outcome.address is None]
            if known.outcome.address is None and len(held) >= HELD:
                others.remove(held[0])
            self._known[code] = [*others, known]

    def last(self, code: str) -> Known | None:
        """The newest computation of this process by this code."""
        known = self._known.get(code)
        return known[-1] if known else None

    def forget(self) -> None:
        """Let go of what is in memory; what is stored stays."""
        with self._lock:
            self._known.clear()
            self._read.clear()
            self._after.clear()

    def _mine(self, code: str) -> Iterator[Known]:
        with self._lock:
            known = list(self._known.get(code, ()))
        return reversed(known)

    def _rows(self, code: str, store: Store) -> Iterator[tuple[str, Reads, Reads]]:
        with self._lock:
            rows = self._read.setdefault(code, [])
            for row in store.rows(TraceRow, code=code, after=self._after.get(code, 0)):
                rows.append((row.key, *_reads_and_effects(row)))
                self._after[code] = row.seq
            known = list(rows)
        return reversed(known)


def trace_row(code: str, key: str, stage: str, reads: Reads, left: Reads, at: float) -> TraceRow:
    """The row of one computation's reads, in the order in which they are looked at again, and of what it left."""
    effects = ((paths.of_manager(paths.EFFECT, name), digest) for name, digest in left.items())
    return TraceRow(code=code, key=key, stage=stage, reads=msgspec.json.encode([*reads.items(), *effects]), at=at)


def _reads_and_effects(row: TraceRow) -> tuple[Reads, Reads]:
    reads: dict[str, str] = {}
    left: dict[str, str] = {}
    for path, digest in msgspec.json.decode(row.reads, type=list[tuple[str, str]]):
        if paths.kind_of(path) == paths.EFFECT:
            left[path.partition(".")[2]] = digest
        else:
            reads[path] = digest
    return reads, left


def _holds(reads: Reads, verify: Verify) -> bool:
    return all(verify(path, digest) for path, digest in reads.items())


def _is_there(outcome: Outcome, objects: Objects) -> bool:
    return outcome.address is None or objects.has(outcome.address)


def _stored(key: str, store: Store, objects: Objects) -> Outcome | None:
    row = store.get(ResultRow, key=key)
    if row is None or not objects.has(row.address):
        return None
    return Outcome(
        stage=row.stage,
        digest=row.address,
        address=row.address,
        classes=row.classes,
        key=key,
        run=row.run,
        seconds=row.seconds,
        metrics=row.metrics,
        reused=True,
    )
