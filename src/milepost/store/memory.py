"""The reference store: rows in dictionaries, the simplest code that keeps every promise but surviving."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from milepost.errors import StoreError
from milepost.model.rows import ROWS, Row, RunRow, SessionRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.claiming import Ledger, check_fence, decide
from milepost.store.kinds import (
    DONE,
    IDENTITY,
    KEPT,
    NUMBERED,
    by_kind,
    check_columns,
    check_paging,
    choices,
    name_taken,
)
from milepost.store.protocol import Claim, Damage, Durability, Fence, R, Standing, Wish

Table = dict[tuple[object, ...], Row]


class MemoryStore:
    """A store that lives as long as the object. For tests, and to read what a store is.

    >>> store = MemoryStore()
    >>> store.write([])
    0
    """

    def __init__(self, *, durability: Durability = Durability.GROUP) -> None:
        self.durability = durability
        self._lock = threading.RLock()
        self._tables: dict[type[Row], Table] = {kind: {} for kind in ROWS}
        self._numbers: Counter[type[Row]] = Counter()
        self._durable_seq = 0
        self._store_id = os.urandom(16).hex()
        self._is_closed = False

    def write(
        self, rows: Sequence[Row], *, fence: Fence | None = None, durable: bool = False, fresh: bool = False
    ) -> int:
        sorted_out = by_kind(rows)
        with self._open():
            if fence is not None:
                run = self._run_by_id(fence.run)
                check_fence(fence, None if run is None else run.epoch)
            self._refuse_taken_names(cast("list[RunRow]", sorted_out.get(RunRow, [])))
            return sum(
                self._put(kind, row)
                for kind, group in sorted_out.items()
                for row in group
                if not (fresh and isinstance(row, StepRow) and self._has_step(row))
            )

    def claim(self, wish: Wish, try_lock: Callable[[str], bool]) -> Claim:
        ledger = Ledger(self._run_by_id, self._newest_run, self._is_name_taken, self._sessions)
        with self._open():
            claim, rows = decide(wish, ledger, try_lock)
            if claim.found is None and self._run_by_id(claim.run.id) is not None:
                raise StoreError(f"there is a run with the id {claim.run.id} already")
            self.write(rows, durable=True)
            return claim

    def get(self, kind: type[R], /, **equal: object) -> R | None:
        newest = self._select(kind, equal, newest=True)[:1]
        return newest[0] if newest else None

    def rows(
        self,
        kind: type[R],
        /,
        *,
        after: int = 0,
        limit: int | None = None,
        newest: bool = False,
        **equal: object,
    ) -> list[R]:
        check_paging(kind, after)
        return [row for row in self._select(kind, equal, newest=newest) if getattr(row, "seq", 1) > after][:limit]

    def find_items(self, key: str, digests: Sequence[bytes]) -> dict[bytes, StepRow]:
        wanted = set(digests) - {b""}
        return {row.digest: row for row in self.rows(StepRow, key=key) if row.digest in wanted and row.status in DONE}

    def may_have_items(self, key: str) -> bool:
        return self.get(StepRow, key=key) is not None

    def last_attempts(self, run: str, step: str, items: Sequence[str]) -> dict[str, int]:
        last: dict[str, int] = {}
        for row in self.rows(StepRow, run=run, step=step, item=items):
            last[row.item] = max(row.attempt, last.get(row.item, row.attempt))
        return last

    def standings(self, run: str, step: str, items: Sequence[str]) -> dict[str, Standing]:
        furthest: dict[str, StepRow] = {}
        for row in self.rows(StepRow, run=run, step=step, item=items):
            known = furthest.get(row.item)
            if known is None or (row.attempt, row.status.phase) > (known.attempt, known.status.phase):
                furthest[row.item] = row
        return {item: Standing(row.attempt, row.status, row.at) for item, row in furthest.items()}

    def count_steps(self, run: str, step: str | None = None) -> Mapping[tuple[str, ProcessingStatus], int]:
        last: dict[tuple[str, str], StepRow] = {}
        for row in self._select(StepRow, {"run": run} if step is None else {"run": run, "step": step}):
            known = last.get((row.step, row.item))
            if known is None or (row.attempt, row.status.phase) > (known.attempt, known.status.phase):
                last[row.step, row.item] = row
        return dict(Counter((row.step, row.status) for row in last.values()))

    def recent_steps(
        self,
        statuses: Sequence[ProcessingStatus],
        since: float,
        *,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[StepRow]:
        end = float("inf") if until is None else until
        found = [row for row in self.rows(StepRow, status=tuple(statuses)) if since <= row.at <= end]
        return sorted(found, key=lambda row: (row.at, row.seq), reverse=True)[:limit]

    def outcomes(self, since: float) -> Mapping[ProcessingStatus, int]:
        over = [row.status for row in self.rows(StepRow) if row.at >= since and row.status.is_terminal]
        return dict(Counter(over))

    def addresses(self) -> Iterator[str]:
        for kind in ROWS:
            if "address" in kind.__struct_fields__:
                yield from (str(row.address) for row in self.rows(kind) if row.address is not None)  # type: ignore[attr-defined]

    def drop(self, kind: type[Row], /, **equal: object) -> int:
        check_columns(kind, equal)
        with self._open():
            table = self._tables[kind]
            gone = [identity for identity, row in table.items() if _equals(row, equal)]
            for identity in gone:
                del table[identity]
            return len(gone)

    def sync(self) -> int:
        with self._open():
            self._durable_seq += 1
            return self._durable_seq

    def verify(self) -> Iterator[Damage]:
        with self._open():
            return iter(())

    def describe(self) -> dict[str, str]:
        with self._open():
            return {"engine": "memory", "store_id": self._store_id, "durability": str(self.durability)}

    def close(self) -> None:
        self._is_closed = True

    def _open(self) -> threading.RLock:
        if self._is_closed:
            raise StoreError("this store was closed: open it again")
        return self._lock

    def _select(self, kind: type[R], equal: Mapping[str, object], *, newest: bool = False) -> list[R]:
        check_columns(kind, equal)
        with self._open():
            found = [row for row in self._table(kind) if _equals(row, equal)]
        if kind is RunRow:
            found.sort(key=lambda run: cast(RunRow, run).created)
        if newest:
            found.reverse()
        return found

    def _table(self, kind: type[R]) -> list[R]:
        return cast("list[R]", list(self._tables[kind].values()))

    def _put(self, kind: type[Row], row: Row) -> bool:
        table = self._tables[kind]
        identity = tuple(getattr(row, name) for name in IDENTITY.get(kind, ()))
        if isinstance(row, StepRow):
            identity = (*identity, row.status.phase)
        known = table.get(identity) if identity else None
        if known is not None and kind in KEPT:
            return False
        if kind in NUMBERED:
            row = self._numbered(kind, row, known)
        table[identity or (row.seq,)] = row  # type: ignore[attr-defined]
        return True

    def _has_step(self, row: StepRow) -> bool:
        return bool(self._select(StepRow, {"run": row.run, "step": row.step, "item": row.item}))

    def _numbered(self, kind: type[Row], row: Row, known: Row | None) -> Row:
        if known is not None:
            return msgspec.structs.replace(row, seq=known.seq)  # type: ignore[attr-defined]
        self._numbers[kind] += 1
        return msgspec.structs.replace(row, seq=self._numbers[kind])

    def _refuse_taken_names(self, runs: Sequence[RunRow]) -> None:
        named = {run.name: run.id for run in self._table(RunRow)}
        for run in runs:
            if named.setdefault(run.name, run.id) != run.id:
                raise name_taken(run.name)

    def _run_by_id(self, run: str) -> RunRow | None:
        return cast("RunRow | None", self._tables[RunRow].get((run,)))

    def _newest_run(self, process: str, decisions_hash: str) -> RunRow | None:
        return self.get(RunRow, process=process, decisions_hash=decisions_hash)

    def _is_name_taken(self, name: str) -> bool:
        return self.get(RunRow, name=name) is not None

    def _sessions(self, run: str) -> list[SessionRow]:
        return self.rows(SessionRow, run=run)


def _equals(row: Row, equal: Mapping[str, object]) -> bool:
    for column, value in equal.items():
        found, several = getattr(row, column), choices(value)
        if found not in several if several is not None else found != value:
            return False
    return True
