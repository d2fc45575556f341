"""What a store is: about a dozen methods, each saying what is atomic. The memory store is the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from milepost.model.rows import Row, RunRow, SessionRow, StepRow
from milepost.model.status import ProcessingStatus

R = TypeVar("R", bound=Row)


class Durability(StrEnum):
    """What survives a power cut. Every level survives `kill -9` of any process at any instant."""

    PROCESS = "process"  # WAL, synchronous=NORMAL: what the operating system had written
    GROUP = "group"  # all but the last 100 ms; stage results, checkpoints, decisions and run ends at once
    POWER = "power"  # every commit


class Fence(NamedTuple):
    """Who writes. A write whose epoch is not the run's own is refused whole with LeaseLost."""

    run: str
    epoch: int


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What `claim` is asked for. `fresh` is inserted as it stands when no run can be continued.

    `run`: claim exactly this run id (resume); otherwise the newest of (process, decisions_hash).
    `never_continue`: always begin afresh (`--new`).
    """

    fresh: RunRow
    session: SessionRow  # its run and epoch are filled in by the store
    run: str | None = None
    never_continue: bool = False


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What `claim` gave: the run (state running, epoch raised), the session, and the state it was found in."""

    run: RunRow
    session: SessionRow
    found: RunRow | None  # as it was before; None for a new run


class Standing(NamedTuple):
    """How far an item has come at one step: the furthest row of its last attempt."""

    attempt: int
    status: ProcessingStatus
    at: float


class Damage(NamedTuple):
    """A row that is not what was written."""

    table: str
    identity: str
    problem: str


class Store(Protocol):
    """Rows in, rows out. Every method is safe from any thread; none may be used across a fork."""

    durability: Durability

    def write(
        self, rows: Sequence[Row], *, fence: Fence | None = None, durable: bool = False, fresh: bool = False
    ) -> int:
        """Write all rows or none, in one transaction; return how many changed something.

        Rows with an identity replace what is there, except steps (the first one stays), parts and sources
        (immutable). Appended rows get the next `seq`. With `durable`, the commit also survives a power cut (at
        GROUP and POWER). With `fresh`, a step whose item has another at its step in its run, of whatever attempt, is
        left out. Raises LeaseLost, StoreFull, StoreBusy, StoreDamaged.
        """
        ...

    def claim(self, wish: Wish, try_lock: Callable[[str], bool]) -> Claim:
        """Choose a run, raise its epoch and record its session, in one transaction.

        `try_lock(run_id)` takes the run's kernel lock and is called inside the transaction: False means its
        owner lives, and RunIsAlive (with `run`, `host`, `pid`, `started` of the last session) is raised and
        nothing changes. A name that is taken gets a number added. A session found without an end marker is
        given `ended` (its last beat) and `end` = interrupted in the same transaction. Raises UnknownRunError when
        `wish.run` does not exist. When `wish.run` names a completed run it is taken up again all the same.
        """
        ...

    def get(self, kind: type[R], /, **equal: object) -> R | None:
        """The newest row (highest `seq`, else latest written or `created`) whose columns equal these, or None."""
        ...

    def rows(
        self, kind: type[R], /, *, after: int = 0, limit: int | None = None, newest: bool = False, **equal: object
    ) -> list[R]:
        """Rows whose columns equal these, oldest first (`newest`: the other way round), a snapshot.

        `after` gives only rows with a greater `seq` (paging; kinds with a `seq` only). A sequence as a value
        means "one of these".
        """
        ...

    def find_items(self, key: str, digests: Sequence[bytes]) -> dict[bytes, StepRow]:
        """Of these item digests, those done (SUCCESS or WARNING) under this key by any run, the newest of each.

        A row whose own digest does not match is left out. For batches of up to 1,000; one probe of an index each.
        """
        ...

    def may_have_items(self, key: str) -> bool:
        """False only when no step was ever recorded under this key, so that `find_items` has nothing to find."""
        ...

    def last_attempts(self, run: str, step: str, items: Sequence[str]) -> dict[str, int]:
        """The highest attempt recorded for each of these items in this run; absent where none. Up to 1,000."""
        ...

    def standings(self, run: str, step: str, items: Sequence[str]) -> dict[str, Standing]:
        """How far each of these items has come at this step of this run; absent where nothing is recorded."""
        ...

    def count_steps(self, run: str, step: str | None = None) -> Mapping[tuple[str, ProcessingStatus], int]:
        """Items per (step, status of their last attempt) in a run."""
        ...

    def recent_steps(
        self,
        statuses: Sequence[ProcessingStatus],
        since: float,
        *,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[StepRow]:
        """Steps of any run with one of these statuses and `since` <= `at` <= `until`, the newest first.

        Fast for WARNING, ERROR and FAILED, which are found by their time.
        """
        ...

    def outcomes(self, since: float) -> Mapping[ProcessingStatus, int]:
        """How many attempts ended each way since then, in any run; SUCCESS includes SKIPPED where that is cheaper.

        For rates over a window. May count by the order of recording instead of by `at`.
        """
        ...

    def addresses(self) -> Iterator[str]:
        """Every object address that some row names, for garbage collection; may repeat."""
        ...

    def drop(self, kind: type[Row], /, **equal: object) -> int:
        """Delete the rows whose columns equal these; return how many. For `gc` only.

        In one transaction, but for many steps in several, so that others can write in between.
        """
        ...

    def sync(self) -> int:
        """One commit that changes a page and survives a power cut, covering all before it; its number."""
        ...

    def verify(self) -> Iterator[Damage]:
        """Every row that carries a digest and does not match it, and what the engine itself reports."""
        ...

    def describe(self) -> dict[str, str]:
        """Engine, version, path, schema, durability, journal mode: what `doctor` prints."""
        ...

    def close(self) -> None:
        """Let go of everything. Further use raises StoreError."""
        ...
