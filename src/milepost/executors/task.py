"""What the runner hands to an executor and what comes back: frozen data, the same for every executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from milepost.store.objects import Packed, Stored

OutcomeKind: TypeAlias = Literal["done", "failed", "timeout", "lost", "cancelled", "refused"]


class Value(msgspec.Struct, frozen=True):
    """An argument given as it is: a decision. In-process stages receive a copy of their own."""

    value: object


class Loaded(msgspec.Struct, frozen=True):
    """An argument read from the objects, decoded once per stage and process."""

    address: str


class Given(msgspec.Struct, frozen=True):
    """An argument that no codec could hold: handed on in process; an error where it must cross processes."""

    value: object


class Handle(msgspec.Struct, frozen=True):
    """An argument that is the `Run` or the `Stage` that runs."""

    kind: Literal["run", "stage"]


Argument: TypeAlias = Value | Loaded | Given | Handle


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage computes: sent to each worker once. `timeout` in seconds, per item of a mapped stage."""

    stage: str
    function: Callable[..., object]
    arguments: Mapping[str, Argument] = {}
    item_parameter: str | None = None
    is_async: bool = False
    timeout: float | None = None
    keeps_items: bool = False  # the function works on a copy, so that another try gets the item as it was
    concurrency: int = 1  # items of an async mapped stage that run at once in one executor slot
    run_id: str = ""
    run_name: str = ""


class ItemTask(msgspec.Struct, frozen=True, gc=False):
    """One item to compute. `digest` is that of its value."""

    position: int
    item: str
    digest: bytes
    attempt: int
    value: object


class Parcel(msgspec.Struct, frozen=True):
    """An item's value pickled by itself, so that one that cannot be rebuilt does not take its batch along."""

    sent: bytes

    def open(self) -> object:
        """The value. Raises what rebuilding it raises."""
        import pickle

        return pickle.loads(self.sent)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A stage as a whole (`items` is None), or a batch of its items."""

    number: int
    stage: str
    attempt: int = 1
    items: tuple[ItemTask, ...] | None = None


class ItemOutcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one item that was begun. `error` is "ValueError: text"."""

    position: int
    item: str
    digest: bytes
    attempt: int
    ok: bool
    packed: Packed | None = None
    error: str | None = None
    traceback: str | None = None
    seconds: float = 0.0
    kind: OutcomeKind = "done"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one task.

    `rest` are the items that were not begun, or whose results a dead worker took with it: to be handed out
    again, at no attempt. Every kind can have a rest, "done" too: a batch comes back after 0.2 s, so
    that what is finished can be committed. Each item of the task is either in `items` or in `rest`.
    "refused": no worker can begin it, nor could it at another try; all items are its rest.
    """

    task: int
    stage: str
    kind: OutcomeKind
    stored: Stored | None = None
    value: object = None  # only in process, and only when it could not be encoded
    unencodable: str | None = None
    items: tuple[ItemOutcome, ...] = ()
    exception: BaseException | None = None  # of a mapped stage: that of its first item that failed
    error: str | None = None
    traceback: str | None = None
    seconds: float = 0.0
    cause: str | None = None  # how a worker was lost: "killed by signal 9 (SIGKILL)", "exit code 3", "out of memory"
    rest: tuple[ItemTask, ...] = ()
    metrics: dict[str, int | float] = {}  # of a whole stage that is done: reported and returned


class Notice(msgspec.Struct, frozen=True):
    """What code that works tells its session: "progress", "metric", "log", or "output" (a line a worker printed).

    An "output" has `text`, `stream` ("out" or "err") and `worker` (its number).
    """

    stage: str
    kind: str
    payload: Mapping[str, object]
    item: str | None = None
    attempt: int = 1


def _nobody_listens(notice: Notice) -> None:
    pass


def _never() -> bool:
    return False


class Equipment(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor works with, for the length of a run. `works` may grow while the run goes on."""

    objects_root: Path
    key: bytes
    works: Mapping[str, Work]
    cwd: str | None = None
    sys_path: tuple[str, ...] | None = None
    snapshot: bytes | None = None
    log_folder: Path | None = None
    wait_seconds: float = 0.0  # how long a result waits for room on a full disk
    has_items: bool = False  # some stage maps over items: all workers will be wanted, so they start together
    on_notice: Callable[[Notice], None] = _nobody_listens
    is_cancelled: Callable[[], bool] = _never


class Executor(Protocol):
    """Where tasks are carried out. Not more than one thread calls it."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def slots(self) -> int:
        """How many tasks run at once. Up to twice as many may be submitted to keep all of them busy."""
        ...

    def open(self, equipment: Equipment) -> None:
        """Take the equipment; starts nothing that costs time before the first task."""
        ...

    def submit(self, task: Task) -> None:
        """Accept a task; its outcome comes from `wait`, exactly one."""
        ...

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """The outcomes there are, at latest after `timeout` seconds. Empty when nothing is under way."""
        ...

    def cancel(self) -> None:
        """Begin nothing more: tasks not begun come back as cancelled, the others at their next safe point."""
        ...

    def close(self) -> None:
        """Let go of everything within two seconds, ending what still works."""
        ...
