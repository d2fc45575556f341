"""Several runs of one process, one after the other: scenarios and sweeps, compared at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from milepost.cli.carrying_out import Carried, How, carried_out, conclude, output_alone
from milepost.cli.opening import now, screen, show, show_json
from milepost.cli.options import options
from milepost.cli.trouble import complain, exit_code
from milepost.errors import Cancelled
from milepost.kernel.signals import received
from milepost.kernel.workspace import Workspace
from milepost.process.decisions.sweeps import Ask
from milepost.process.definition import Process
from milepost.process.finding import find_run
from milepost.terminal.style import Style
from milepost.terminal.text import counted, duration, safe

if TYPE_CHECKING:
    from milepost.model.comparison.lines import Comparison


class Told(msgspec.Struct):
    """What became of the runs so far."""

    carried: list[tuple[Ask, Carried]] = []
    codes: list[int] = []
    begun: int = 0
    is_stopped: bool = False

    @property
    def place(self) -> Workspace | None:
        """The workspace that the first of them opened."""
        return self.carried[0][1].place if self.carried else None


def carry_out_all(load: Callable[[], tuple[Process, list[Ask]]], workspace: str | None, how: How) -> int:
    """Carry out each that is asked for, show the comparison; the worst exit code.

    All decisions are checked before the first begins. One that fails does not keep the others from running; being
    asked to stop does.
    """
    told = Told()
    with output_alone():
        process, asks = load()
        for ask in asks:
            process.settle(ask.decisions, scenario=ask.scenario, workspace=workspace)
        if not options().json:
            which = f"{counted(len(asks), 'run')} of {safe(process.name)}"
            show([f"{which}, one after the other; what they have in common is computed once"])
        _carry_out_each(process, asks, workspace, how, told)
    with contextlib.suppress(BrokenPipeError):
        _conclude(told, asks)
    if told.place is not None:
        told.place.close()
    return max(told.codes, default=0)


def _carry_out_each(process: Process, asks: Sequence[Ask], workspace: str | None, how: How, told: Told) -> None:
    """One after the other, until it is asked to stop, be it within one or between two."""
    try:
        with _terminated_politely():
            for number, ask in enumerate(asks, 1):
                _carry_out_one(process, ask, f"{number} of {len(asks)}", workspace, how, told)
                if told.is_stopped:
                    return
    except (Cancelled, KeyboardInterrupt) as error:
        told.is_stopped = True
        told.codes.append(exit_code(error))


@contextlib.contextmanager
def _terminated_politely() -> Iterator[None]:
    """Between two runs SIGTERM raises Cancelled, as it does within one; in a forked child it ends that."""
    parent = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() == parent:
            raise Cancelled("stopped by SIGTERM", signal=number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _carry_out_one(process: Process, ask: Ask, which: str, workspace: str | None, how: How, told: Told) -> None:
    if not options().json:
        with contextlib.suppress(BrokenPipeError):  # whoever read along has seen enough, and the runs are wanted
            show(["", screen().paint(safe(f"{ask.label}  ({which})"), Style.BOLD)])
            sys.stdout.flush()
    this: How = {**how, "scenario": ask.scenario}
    asked = len(received)
    try:
        carried = carried_out(lambda: (process, ask.decisions), told.place or workspace, this)
    except Exception as error:  # before a run was claimed: the others may fare better
        complain(error, debug=options().debug)
        told.codes.append(exit_code(error))
        told.begun += 1
        return
    _note(told, ask, carried, is_asked_to_stop=len(received) > asked)
    if not options().json:
        with contextlib.suppress(BrokenPipeError):
            conclude(carried, carried.detail(), only_head=not carried.face.screen.live)  # a live table was taken away


def _note(told: Told, ask: Ask, carried: Carried, *, is_asked_to_stop: bool) -> None:
    told.begun += 1
    told.carried.append((ask, carried))
    told.codes.append(carried.code)
    told.is_stopped = isinstance(carried.error, (Cancelled, KeyboardInterrupt))
    if is_asked_to_stop and not told.is_stopped:  # it ended by itself before it could heed the signal
        told.is_stopped = True
        told.codes.append(128 + received[-1])


def _conclude(told: Told, asks: Sequence[Ask]) -> None:
    if options().json:
        return show_json(_document(told))
    left = len(asks) - told.begun
    if told.is_stopped and left:
        show(["", f"stopped before {counted(left, 'run')} began: the same command goes on, and reuses what is done"])
    elif told.place is not None:
        show(["", *_lines(told, told.place)])
    return None


def _lines(told: Told, place: Workspace) -> list[str]:
    from milepost.terminal.compare import comparison_page

    comparison = _compared(told, place)
    columns = comparison.columns
    reused = sum(column.stages_reused or 0 for column in columns)
    done = sum(column.stages_done or 0 for column in columns)
    saved = sum(column.saved_seconds or 0.0 for column in columns)
    line = f"{reused:,} of {counted(done, 'stage result')} reused, {duration(saved)} saved"
    return [line, "", *comparison_page(comparison, screen(), now())]


def _compared(told: Told, place: Workspace) -> Comparison:
    from milepost.views.compare import compare_runs

    runs = [find_run(place.store, carried.run.id) for _, carried in told.carried]
    labels = [ask.label for ask, _ in told.carried]
    return compare_runs(place.store, place.path / "runs", runs, now=now(), labels=labels)


def _document(told: Told) -> dict[str, object]:
    from milepost.views.compare import comparison_document

    runs = [{"label": ask.label, "code": carried.code, "run": carried.detail()} for ask, carried in told.carried]
    comparison = None if told.place is None else comparison_document(_compared(told, told.place), everything=True)
    return {"runs": runs, "comparison": comparison}
