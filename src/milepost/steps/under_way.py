"""A step while it is worked on: recorded as RUNNING when its block begins, and by how the block ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self

from milepost.errors import ProcessManagementError
from milepost.kernel.clock import SYSTEM
from milepost.model.status import ProcessingStatus
from milepost.steps.telling import error_text

if TYPE_CHECKING:
    from milepost.steps.manager import ProcessingStepManager

WORSE = (ProcessingStatus.SUCCESS, ProcessingStatus.SKIPPED, ProcessingStatus.WARNING, ProcessingStatus.FAILED)
_current: ContextVar[StepUnderWay | None] = ContextVar("milepost_step", default=None)


def current_step() -> StepUnderWay | None:
    """The step that the code which asks is working on, as the innermost block or tracked function says."""
    return _current.get()


class StepUnderWay:
    """What `with manager.step(…) as step:` gives. It belongs to one block.

    The block's end records SUCCESS, or what `warn`, `skip` and `fail` said; an exception records ERROR with its text
    (FAILED after `fail`, or when the attempts declared for the step are used up) and goes on its way. When the block
    is left by Cancelled, Ctrl-C or the like, it was neither done nor wrong: the document is PENDING again.
    """

    def __init__(self, manager: ProcessingStepManager, doc_id: str, step_name: str, details: Mapping[str, object]):
        self.doc_id = doc_id
        self.step_name = step_name
        self.attempt = 0
        self._manager = manager
        self._details = dict(details)
        self._metrics: dict[str, object] = {}
        self._end = ProcessingStatus.SUCCESS
        self._texts: list[str] = []
        self._has_begun = False
        self._is_over = False
        self._is_last: Callable[[int], bool] = manager.is_last_attempt_of(step_name)
        self._began = 0.0
        self._outer: StepUnderWay | None = None

    def note(self, **details: object) -> None:
        """Add to what is said of the step; recorded with its end."""
        self._still()
        self._details.update(details)

    def measure(self, **metrics: float) -> None:
        """Add numbers to the step's metrics; recorded with its end."""
        self._still()
        self._metrics.update(metrics)

    def warn(self, message: str) -> None:
        """The step will end in WARNING, unless something worse comes."""
        self._say(ProcessingStatus.WARNING, message)

    def skip(self, reason: str) -> None:
        """The step will end in SKIPPED, unless something worse comes: there was nothing to do."""
        self._say(ProcessingStatus.SKIPPED, reason)

    def fail(self, message: str) -> None:
        """The step will end in FAILED: no further attempt can help. The block goes on to its end."""
        self._say(ProcessingStatus.FAILED, message)

    def _say(self, end: ProcessingStatus, message: str) -> None:
        """The worst word counts, and every text is kept."""
        self._still()
        self._end = max(self._end, end, key=WORSE.index)
        self._texts.append(str(message))

    def _still(self) -> None:
        if self._is_over:
            raise ProcessManagementError(
                f"step {self.step_name!r} of document {self.doc_id!r:.80} is over: "
                "say this inside of its block, or in a step of its own"
            )

    def __enter__(self) -> Self:
        if self._has_begun:
            raise ProcessManagementError(
                f"step {self.step_name!r} of document {self.doc_id!r:.80} belongs to one block and has had it: "
                "write `with manager.step(…)` for each attempt"
            )
        self.attempt = self._manager.begin(self.doc_id, self.step_name, self._details, is_bound=True)
        self._has_begun = True
        self._began = SYSTEM.monotonic()
        self._outer = _current.get()
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = SYSTEM.monotonic() - self._began
        self._is_over = True
        if _current.get() is self:
            _current.set(self._still_around())
        if error is not None and not isinstance(error, Exception):
            # a generator may be closed by the garbage collector, anywhere, also inside of a commit
            leave = self._manager.leave_later if isinstance(error, GeneratorExit) else self._manager.leave
            leave(self.doc_id, self.step_name, self.attempt, type(error).__name__)
            return
        if error is not None:
            self._raised(error)
        self._manager.finish(
            self.doc_id,
            self.step_name,
            self._end,
            details=self._details,
            metrics={"duration_ms": round(seconds * 1000, 6), **self._metrics},
            error_message="; ".join(self._texts) or None,
            attempt=self.attempt,
        )

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _still_around(self) -> StepUnderWay | None:
        """The innermost block around this one that is not over; blocks may be left in any order."""
        outer = self._outer
        while outer is not None and outer._is_over:
            outer = outer._outer
        return outer

    def use_up(self, is_last: bool) -> None:
        """Whether this attempt is the last one, so that an exception is final; for who repeats it."""
        self._is_last = lambda attempt: is_last

    def _raised(self, error: Exception) -> None:
        text = error_text(error)
        if self._end is not ProcessingStatus.FAILED:
            is_last = self._is_last(self.attempt)
            self._end = ProcessingStatus.FAILED if is_last else ProcessingStatus.ERROR
            text = f"given up after {_times(self.attempt)}: {text}" if is_last else text
        self._texts = [f"{'; '.join(self._texts)} ({text})"] if self._texts else [text]


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"
