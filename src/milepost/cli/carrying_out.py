"""Carry a run out under the eyes of the user: what `run`, `resume` and `retry` have in common."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TypedDict

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
from milepost.views.runs import run_detail


class How(TypedDict, total=False):
    """How a run is carried out; see `Process.run`."""

    new: bool
    executor: str | None
    workers: int | None
    only: str | None
    start_from: str | None
    run: str | None


def carry_out(
    load: Callable[[], tuple[Process, Mapping[str, object]]], workspace: Workspace | str | None, how: How
) -> int:
    """Load, run, show; the exit code. What fails before a run was claimed is raised.

    A workspace given by its path is made when it is absent, and not before all that was asked for is known to be right.
    """
    claimed: list[tuple[Run, Workspace]] = []
    error: BaseException | None = None
    with _output_alone(), Following(quiet=options().json) as face:
        process, decisions = load()

        def begin(run: Run, place: Workspace) -> None:
            claimed.append((run, place))
            face.begin(run, place)

        try:
            process.run(decisions, workspace=workspace, on_start=begin, **how)
        except (Exception, Cancelled, KeyboardInterrupt) as caught:
            if not claimed:
                raise
            error = caught
    run, place = claimed[0]
    with contextlib.suppress(BrokenPipeError):
        _conclude(run, place, face, error)
    if place is not workspace:
        place.close()
    return 0 if error is None else exit_code(error)


def _conclude(run: Run, workspace: Workspace, face: Following, error: BaseException | None) -> None:
    detail = run_detail(workspace.store, find_run(workspace.store, run.id), workspace.path / "runs", now=now())
    if options().json:
        return show_json(detail)
    lines = summary(detail, face.screen, session_seconds=detail.sessions[-1].seconds if detail.sessions else None)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
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
    return None


@contextlib.contextmanager
def _output_alone() -> Iterator[None]:
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
