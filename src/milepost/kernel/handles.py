"""`Run` and `Stage`: what user code holds while it works, and what `Process.run` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import wraps
from typing import ParamSpec, TypeVar

from milepost.errors import Cancelled, InvalidDataError, ProgressError
from milepost.kernel.context import Context, current
from milepost.model.metrics import checked_metric
from milepost.model.status import RunState, StageState

P = ParamSpec("P")
T = TypeVar("T")


class Stage:
    """The stage that runs now. A parameter annotated `Stage` receives it; outside a run it does nothing.

    Example:
        >>> handle = Stage("clean")
        >>> handle.progress(3, 10, "three files read")
    """

    def __init__(self, name: str = "", context: Context | None = None) -> None:
        self.name = name
        self._context = context

    @property
    def attempt(self) -> int:
        """1 for the first try."""
        return self._context.attempt if self._context else 1

    @property
    def item(self) -> str | None:
        """The key of the item at hand in a mapped stage."""
        return self._context.item if self._context else None

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the stage is: a fraction 0..1, or `done` of `total`. A safe point: raises Cancelled."""
        if done < 0 or (total is not None and total < 0):
            raise ProgressError(f"stage {self.name!r}: progress cannot be negative ({done} of {total})")
        fraction = float(done) if total is None else (done / total if total else 1.0)
        self._notify("progress", {"fraction": min(fraction, 1.0), "message": message})
        self.check()

    def metric(self, name: str, value: float) -> None:
        """Report a number of this stage: kept with its result, compared between runs. A name's last value counts.

        Raises InvalidDataError for what is no finite number, and where items are computed: a metric is of a stage.

        Example:
            >>> Stage("train").metric("accuracy", 0.93)
        """
        number = checked_metric(name, value)
        if self.item is not None:
            raise InvalidDataError(
                f"stage {self.name!r} works on items one by one, and metric {name!r} would be of a single one: "
                "report it from the stage that takes the result of all",
                stage=self.name,
                metric=name,
            )
        if self._context is not None:
            self._context.metrics[name] = number
            self._notify("metric", {"name": name, "value": number})

    def log(self, text: str, level: str = "INFO") -> None:
        """Write one line to the run's log."""
        self._notify("log", {"text": text, "level": level})

    def check(self) -> None:
        """A safe point: raises Cancelled when the run was asked to stop."""
        if self._context is not None and self._context.is_cancelled():
            raise Cancelled

    def _notify(self, kind: str, payload: Mapping[str, object]) -> None:
        if self._context is not None:
            self._context.notify(kind, payload)


class Run:
    """One carrying-out of a process: in a stage its handle, from `Process.run` its outcome.

    `results[stage]` loads a stage's result when asked, each time a copy of its own; `stages[stage]` is its state.
    """

    def __init__(
        self,
        run_id: str = "",
        name: str = "",
        *,
        process: str = "",
        state: RunState = RunState.RUNNING,
        results: Mapping[str, object] | None = None,
        stages: Mapping[str, StageState] | None = None,
    ) -> None:
        self.id = run_id
        self.name = name
        self.process = process
        self.state = state
        self.results: Mapping[str, object] = results if results is not None else {}
        self.stages: Mapping[str, StageState] = stages if stages is not None else {}

    def __repr__(self) -> str:
        return f"<Run {self.name} of {self.process}: {self.state}>"

    @property
    def stage(self) -> Stage:
        """The stage that runs now."""
        context = current.get()
        return Stage(context.stage or "" if context else "", context)

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the stage that runs now is; see `Stage.progress`."""
        self.stage.progress(done, total, message)

    def metric(self, name: str, value: float) -> None:
        """Report a number of the stage that runs now; see `Stage.metric`."""
        self.stage.metric(name, value)

    def log(self, text: str, level: str = "INFO") -> None:
        """Write one line to the run's log."""
        self.stage.log(text, level)

    def check(self) -> None:
        """A safe point: raises Cancelled when the run was asked to stop."""
        self.stage.check()

    def wrap(self, function: Callable[P, T]) -> Callable[P, T]:
        """`function` with this run's context, for threads that Milepost did not start."""
        context = copy_context()

        @wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> T:
            return context.copy().run(function, *args, **kwargs)

        return inside
