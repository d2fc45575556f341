"""Carry a run out under the eyes of the user: what `run`, `resume` and `retry` have in common."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypedDict

from milepost.cli.following import Following
from milepost.cli.opening import now, show_json
from milepost.cli.options import options
from milepost.cli.trouble import complain, exit_code
from milepost.errors import Cancelled
from milepost.kernel.handles import Run
from milepost.kernel.workspace import Workspace
from milepost.process.definition import Process
from milepost.process.finding import find_run
from milepost.terminal.sentences import resume_command, summary
from milepost.views.runs import RunDetail, run_detail


class How(TypedDict, total=False):
    """How a run is carried out; see `Process.run`."""

    scenario: str | None
    note: str | None
    new: bool
    executor: str | None
    workers: int | None
    only: str | None
    start_from: str | None
    run: str | None


class Carried(NamedTuple):
    """A run that was carried out, where, the face that showed it, and what ended it before its time."""

    run: Run
    place: Workspace
    face: Following
    error: BaseException | None

    @property
    def code(self) -> int:
        """The exit code."""
        return 0 if self.error is None else exit_code(self.error)

    def detail(self) -> RunDetail:
        """The run as it is recorded."""
        store = self.place.store
        return run_detail(store, find_run(store, self.run.id), self.place.path / "runs", now=now())


def carry_out(
    load: Callable[[], tuple[Process, Mapping[str, object]]], workspace: Workspace | str | None, how: How
) -> int:
    """Load, run, show; the exit code. What fails before a run was claimed is raised.

    A workspace given by its path is made when it is absent, and not before all that was asked for is known to be right.
    """
    with output_alone():
        carried = carried_out(load, workspace, how)
    with contextlib.suppress(BrokenPipeError):
        detail = carried.detail()
        if options().json:
            show_json(detail)
        else:
            conclude(carried, detail)
    if carried.place is not workspace:
        carried.place.close()
    return carried.code


def carried_out(
    load: Callable[[], tuple[Process, Mapping[str, object]]], workspace: Workspace | str | None, how: How
) -> Carried:
    """Load and run under the eyes of the user. What fails before a run was claimed is raised."""
    claimed: list[tuple[Run, Workspace]] = []
    error: BaseException | None = None
    face = Following(quiet=options().json)
    try:
        with face:
            process, decisions = load()

            def begin(run: Run, place: Workspace) -> None:
                claimed.append((run, place))
                face.begin(run, place)

            process.run(decisions, workspace=workspace, on_start=begin, **how)
    except (Exception, Cancelled, KeyboardInterrupt) as caught:
        if not claimed:
            raise
        error = caught
    return Carried(*claimed[0], face, error)


def conclude(carried: Carried, detail: RunDetail, *, only_head: bool = False) -> None:
    """Say how it ended, and how to go on. `only_head`: of what went well just that it did."""
    run, error = carried.run, carried.error
    seconds = detail.sessions[-1].seconds if detail.sessions else None
    lines = summary(detail, carried.face.screen, session_seconds=seconds)
    sys.stdout.write("".join(f"{line}\n" for line in (lines[:1] if only_head else lines)))
    sys.stdout.flush()
    if isinstance(error, Exception):
        complain(error, debug=options().debug)
    if any(stage.traceback for stage in detail.stages):
        sys.stdout.write(f"where it was raised: milepost show {run.name}\n")
    if error is None and detail.run.items_failed:
        sys.stdout.write(f"to try what failed again: milepost retry {run.name}\n")
    if error is not None:
        sys.stdout.write("to go on:\n" + resume_command(run.name, options().workspace) + "\n")
        sys.stdout.flush()


@contextlib.contextmanager
def output_alone() -> Iterator[None]:
    """With --json, what the user's code and its workers print goes to standard error: the document comes alone."""
    if not options().json:
        yield
        return
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(real, 1)
        os.close(real)
