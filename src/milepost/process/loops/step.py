"""One item's passage through a loop's body: entered, it gives the item; left, what came of it is on record."""

from __future__ import annotations

import os
import time
import traceback
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import msgspec

from milepost.errors import Cancelled, InvalidDataError, StoreError
from milepost.kernel.context import Context, current
from milepost.model.metrics import checked_metric
from milepost.model.redaction import redact, redact_value
from milepost.model.shortening import encodable, shortened
from milepost.model.status import ProcessingStatus

if TYPE_CHECKING:
    from milepost.process.loops.items import LoopItems

T = TypeVar("T")
ENDINGS = (KeyboardInterrupt, SystemExit, GeneratorExit, Cancelled)
STOPPING_MODULES = ("asyncio", "streamlit", "trio")  # their own such exceptions: a cancelled task, a page that reruns
LONGEST_TRACEBACK = 10_000  # characters


class LoopStep(Generic[T]):
    """The next item of a loop, not begun yet. `with step as item:` (or `async with`) is one attempt at it.

    Leaving the block commits the outcome: success, with `warn` a warning, with `skip` skipped. An exception makes it a
    failure, and passes on or not as the loop's `errors=` says. What ends the program (Ctrl-C, `Cancelled`, `sys.exit`)
    or the task is no failure of the item: nothing is recorded, and it is tried again. A step that is not entered is
    left undone, and the run not complete. In a forked child nothing is recorded: the item is its parent's.
    """

    __slots__ = ("_began", "_details", "_items", "_metrics", "_position", "_slot", "_status", "_texts", "_token",
                 "attempt", "digest", "item", "value")  # fmt: skip

    def __init__(self, items: LoopItems[T], value: T, *, item: str, digest: bytes, attempt: int, position: int) -> None:
        self.value = value
        self.item = item  # its key, as text
        self.attempt = attempt  # 1 for the first try
        self.digest = digest
        self._items = items
        self._position = position
        self._began: float | None = None
        self._slot = -1
        self._token: Token[Context | None] | None = None
        self._status = ProcessingStatus.SUCCESS
        self._texts: list[str] = []
        self._details: dict[str, object] | None = None
        self._metrics: dict[str, float] | None = None

    def __repr__(self) -> str:
        return f"<LoopStep {self.item} of {self._items.step}, attempt {self.attempt}>"

    @property
    def name(self) -> str:
        """The loop's name for what is done with each item."""
        return self._items.step

    @property
    def position(self) -> int:
        """Where the item stands among those that the loop was given, from 0."""
        return self._position

    def details(self, **facts: object) -> None:
        """Say what there is to say of this attempt; kept as JSON beside its outcome, secrets masked."""
        self._details = {**(self._details or {}), **facts}

    def metric(self, name: str, value: float) -> None:
        """Report a finite number of this attempt. Raises InvalidDataError for any other."""
        self._metrics = {**(self._metrics or {}), name: checked_metric(name, value)}

    def warn(self, text: str) -> None:
        """The item will be done, with this warning."""
        self._status = ProcessingStatus.WARNING
        self._texts.append(str(text))

    def skip(self, reason: str = "") -> None:
        """The item needs nothing done to it, now or later: it will be recorded as skipped."""
        self._status = ProcessingStatus.SKIPPED
        if reason:
            self._texts.append(str(reason))

    def log(self, text: str, level: str = "INFO") -> None:
        """Write one line to the run's log."""
        self._items.loop.log(text, level=level)

    def __enter__(self) -> T:
        if self._began is not None:
            raise InvalidDataError(f"item {self.item!r} was begun before: take the next step from the loop")
        self._items.loop.check()
        self._slot = self._items.begun(self)
        self._token = current.set(self._items.context(self))
        self._began = time.perf_counter()
        return self.value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        seconds = time.perf_counter() - cast(float, self._began)
        if os.getpid() != self._items.loop.pid:
            return False
        try:
            if error is None:
                text = "; ".join(self._texts)
                return self._items.ended(self, self._status, redact(text) if text else None, seconds)
            if ends_the_program(error) or isinstance(error, StoreError):
                return self._items.left(self)
            return self._items.failed(self, error, seconds)
        finally:
            if self._token is not None:
                current.reset(self._token)

    async def __aenter__(self) -> T:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return self.__exit__(kind, error, trace)

    @property
    def slot(self) -> int:
        """Where it is noted as being at hand."""
        return self._slot

    def told(self) -> tuple[str | None, str | None]:
        """Details and metrics as JSON."""
        details = None if self._details is None else _json(self._details)
        return details, None if self._metrics is None else msgspec.json.encode(self._metrics).decode()


def ends_the_program(error: BaseException) -> bool:
    """Whether it is a way to stop, and no failure: of the program, or of the task or script that runs the block.

    A `BaseException` of another kind is a failure that `except Exception` must not swallow, as a panic in Rust code is.
    """
    if isinstance(error, Exception):
        return False
    return isinstance(error, ENDINGS) or type(error).__module__.partition(".")[0] in STOPPING_MODULES


def traceback_text(error: BaseException) -> str:
    """Where it was raised, without the frames of ours."""
    return shortened(redact("".join(traceback.format_exception(error))), LONGEST_TRACEBACK)


def _json(details: dict[str, object]) -> str:
    shown, _ = redact_value("details", details)
    try:
        return msgspec.json.encode(shown, enc_hook=str).decode()
    except (TypeError, ValueError, UnicodeError, RecursionError):
        return msgspec.json.encode({name: encodable(repr(value)) for name, value in details.items()}).decode()
