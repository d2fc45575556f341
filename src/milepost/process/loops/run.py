"""`open_run`: a loop's run, begun or continued, stopped safely, ended as its block ends."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sized
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar

from milepost.errors import Cancelled, InvalidDataError, LeaseLost, StoreError
from milepost.kernel.context import Context
from milepost.kernel.signals import StopSignals
from milepost.kernel.ticker import TICKER, Tick
from milepost.kernel.workspace import Workspace
from milepost.model.items import Key
from milepost.model.names import LONGEST_NAME, is_name
from milepost.model.rows import EventRow
from milepost.model.status import RunState
from milepost.model.text import counted
from milepost.process.loops.before import Before
from milepost.process.loops.flight import Flight
from milepost.process.loops.items import LoopItems, Rules
from milepost.process.loops.sessions import claim_loop, take_over, verdict
from milepost.process.loops.tally import Tally
from milepost.process.underway import RunUnderway
from milepost.process.watching import CANCEL_REQUESTED, CANCEL_SECONDS

T = TypeVar("T")
SHOW_SECONDS = 0.4
BATCH_TICK_SECONDS = 0.05


def open_run(
    name: str, *, new: bool = False, workspace: Workspace | str | Path | None = None, verbose: bool = False
) -> LoopRun:
    """A run of the loop called `name`, for `with` or `async with`.

    Entering it continues the newest run of that name that failed, was cancelled or interrupted, else begins one;
    `new` always begins one. Raises RunIsAlive while another session has it. In the main thread SIGINT and SIGTERM
    stop it before the next item, as `milepost cancel` does: `Cancelled` is raised there. Leaving the block ends the
    run: completed, failed by an exception, cancelled, or interrupted when a loop was not carried to its end.

    Example:
        >>> from milepost.testing import memory_workspace
        >>> import pathlib, tempfile
        >>> place = memory_workspace(pathlib.Path(tempfile.mkdtemp()))
        >>> with open_run("extract", workspace=place) as run:
        ...     for step in run.items(["a", "b", "c"], key=str):
        ...         with step as letter:
        ...             step.details(upper=letter.upper())
        >>> run.state.value, run.done
        ('completed', 3)
    """
    if not is_name(name):
        raise InvalidDataError(f"a run's name is a printable text of 1 to {LONGEST_NAME} characters, not {name!r:.80}")
    return LoopRun(name, new=new, workspace=workspace, verbose=verbose)


class LoopRun:
    """A run that a loop carries out. See `open_run`; `items` is the loop."""

    def __init__(self, process: str, *, new: bool, workspace: Workspace | str | Path | None, verbose: bool) -> None:
        self.process = process
        self._new = new
        self._place = workspace
        self._verbose = verbose
        self._tallies: dict[str, Tally] = {}
        self._state = RunState.PENDING
        self.pid = os.getpid()

    def __repr__(self) -> str:
        return f"<LoopRun of {self.process}: {self.state}>"

    @property
    def id(self) -> str:
        """The run's id."""
        return self._underway.id

    @property
    def name(self) -> str:
        """The run's two-word name."""
        return self._underway.run.name

    @property
    def state(self) -> RunState:
        """How the run stands: what it ended as, once the block is left."""
        return self._state

    @property
    def done(self) -> int:
        """Items done in this session."""
        return sum(tally.counts[0] for tally in self._tallies.values())

    @property
    def found(self) -> int:
        """Items passed over, since they were done before."""
        return sum(tally.counts[1] for tally in self._tallies.values())

    @property
    def failed(self) -> int:
        """Items that failed for good."""
        return sum(tally.counts[2] for tally in self._tallies.values())

    def items(
        self,
        items: Iterable[T],
        *,
        key: Key = None,
        step: str | None = None,
        version: object = None,
        by: Literal["content", "key"] = "content",
        once: Literal["run", "ever"] = "run",
        retries: int = 0,
        retry_delay: float = 1.0,
        errors: Literal["collect", "stop"] = "collect",
        total: int | None = None,
        batch: float = 0.0,
    ) -> LoopItems[T]:
        """Loop over `items`: `for step in run.items(books, key="isbn"): with step as book: …`.

        An item is passed over when it is done in this run: recorded as success, warning or skipped under the same
        `step`, item key, `version` and content. The code of the loop does not count: raise `version` when what was
        done has to be done again. `by="key"`: content does not count either, for items that have no fingerprint.
        `once="ever"`: what earlier runs of this name did counts too. `key`: a field, an attribute or a function;
        without it an item is called by its content. Two items of one key are an error.

        `retries`: so many more attempts, each after a random wait of up to `retry_delay`, 2, 4… times that (seconds);
        other items go on meanwhile. What fails after the loop came to its end, as where all steps are taken at once and
        entered later, is not. `errors="collect"`: an item that failed for good is recorded and the loop goes on;
        `"stop"`: its exception leaves the block. Failed items come again when the run is continued.

        `items` may be a generator of any length; `total` says how many, where `len` cannot. Each step is committed when
        its block is left; with `batch` (seconds, such as 0.1) together with others, and a kill costs what was not.
        """
        if self._state is not RunState.RUNNING:
            raise InvalidDataError(f'items are given inside the block: with open_run("{self.process}") as run: …')
        rules: Rules[T] = Rules(
            key=key, version=version, by=by, retries=retries, retry_delay=retry_delay, errors=errors, once=once
        )
        source = iter(items)
        tally, store = self._tally(step or self.process, batch), self._underway.store
        before = Before(store, self.id, tally.step, tally.key, ever=rules.ever, retries_all=self._retries_all)
        count = len(items) if total is None and isinstance(items, Sized) else total
        return LoopItems(self, source, rules, tally, before, count, may_wait=not isinstance(items, Sized))

    def check(self) -> None:
        """A safe point: raises Cancelled when the run was asked to stop, InvalidDataError when it is over."""
        if self._state is not RunState.RUNNING:
            raise InvalidDataError(f"run {self.name} is over: what is left is done by the next one that is opened")
        if self.stop.is_requested:
            raise Cancelled(f"run {self.name} was cancelled: {self.stop.cause}", signal=self.stop.requested)

    def log(self, text: str, level: str = "INFO") -> None:
        """Write one line to the run's log."""
        self._underway.log(text, level=level)

    def context(self, step: str, item: str, attempt: int) -> Context:
        """Where the code inside a step stands."""
        return Context(
            run_id=self.id,
            run_name=self.name,
            stage=step,
            item=item,
            attempt=attempt,
            tell=self._told,
            is_cancelled=self._is_cancelled,
        )

    def __enter__(self) -> LoopRun:
        if self._state is not RunState.PENDING:
            raise InvalidDataError(f"this run of {self.process!r} was entered before: call open_run again")
        self._owned = self._place is None or isinstance(self._place, str | Path)
        self._workspace = Workspace.open(self._place) if not isinstance(self._place, Workspace) else self._place
        self.stop = StopSignals(self._workspace.config.grace_seconds)
        try:
            self._begin()
        except BaseException:
            self._close_workspace()
            raise
        self._ticks: list[Tick] = [
            TICKER.every(CANCEL_SECONDS, self._look_for_cancel),
            TICKER.every(SHOW_SECONDS, self._show),
            TICKER.every(BATCH_TICK_SECONDS, self._flush_due),
        ]
        self._state = RunState.RUNNING
        self._underway.output.__enter__()
        self.stop.__enter__()
        for row in self._lost:
            logging.getLogger("milepost.loops").error("%s: item %s: %s", row.step, row.item, row.error)
        if self._verbose:
            sys.stderr.write(f"run {self.name} of {self.process}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self.pid:
            return  # a forked child leaves: the run is its parent's
        try:
            with self.stop.shielded():
                self._end(error)
        except Cancelled:
            if error is None and self._state is not RunState.COMPLETED:
                raise
        finally:
            self.stop.__exit__()
            self._close_workspace()

    async def __aenter__(self) -> LoopRun:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _begin(self) -> None:
        opened, self._retries_all = claim_loop(self._workspace, self.process, new=self._new)
        self._underway = RunUnderway(self._workspace, opened)
        self._lost = take_over(self._underway)
        self.flight = Flight(self._workspace.run_folder(self.id), opened.epoch)
        self._underway.end_with(self)

    def _tally(self, step: str, batch: float) -> Tally:
        if not is_name(step):
            raise InvalidDataError(f"step=: a printable text of 1 to {LONGEST_NAME} characters, not {step!r:.80}")
        if step not in self._tallies:
            self._tallies[step] = Tally(self._underway, step, _key(self.process, step), batch=batch)
        return self._tallies[step]

    def _end(self, error: BaseException | None) -> None:
        for tick in self._ticks:
            tick.stop()
        refused = self._close_stages()
        try:
            self._state = self._underway.end(*verdict(error or refused, self.stop))
        except LeaseLost:
            if not isinstance(error or refused, LeaseLost):
                raise
        finally:
            self.flight.close()
            if self._verbose:
                sys.stderr.write(f"{self._summary()}\n")
            self._underway.output.__exit__()
        if refused is not None and error is None:
            raise refused

    def _close_stages(self) -> StoreError | None:
        """Commit what waits and how the stages stand; what kept it from being written."""
        if not self._tallies:  # what earlier sessions left is left still
            stages = self._underway.stages.values()
            self._underway.expected = {row.stage for row in stages if not row.state.has_result}
        try:
            self._underway.record_stages(
                {name: tally.ending for name, tally in self._tallies.items() if tally.is_begun}
            )
        except StoreError as refused:
            return refused
        return None

    def _summary(self) -> str:
        found = f", {self.found:,} were done before" if self.found else ""
        failed = f", {self.failed:,} failed: milepost show {self.name}" if self.failed else ""
        return f"{self.process} {self.name} {self._state}: {counted(self.done, 'item')} done{found}{failed}"

    def _close_workspace(self) -> None:
        if self._owned:
            self._workspace.close()

    def _look_for_cancel(self) -> None:
        underway = self._underway
        if underway.store.get(EventRow, run=underway.id, kind=CANCEL_REQUESTED, epoch=underway.epoch) is not None:
            self.stop.request("milepost cancel")

    def _show(self) -> None:
        for tally in [*self._tallies.values()]:
            tally.show()

    def _flush_due(self) -> None:
        for tally in [*self._tallies.values()]:
            tally.flush_due()

    def _is_cancelled(self) -> bool:
        return self.stop.is_requested

    def _told(self, context: Context, kind: str, payload: Mapping[str, object]) -> None:
        if kind == "log":
            self._underway.log(str(payload.get("text", "")), level=str(payload.get("level", "INFO")))


def _key(process: str, step: str) -> str:
    """Under what the steps of a loop are found by later runs: its names, since its code is not known."""
    from milepost.model.fingerprint import digest

    return f"l1:{digest((process, step)).hex()}"
