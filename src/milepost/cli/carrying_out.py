"""Carry a run out under the eyes of the user: what `run`, `resume` and `retry` have in common."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypedDict

from milepost.cli.following import Following
from milepost.cli.opening import now
from milepost.cli.options import options
from milepost.cli.trouble import complain, exit_code
from milepost.errors import Cancelled
from milepost.kernel.handles import Run
from milepost.kernel.workspace import Workspace
from milepost.process.definition import Process
from milepost.terminal.sentences import resume_command, summary
from milepost.views.runs import find_run, run_detail
from milepost.views.view import to_json


class How(TypedDict, total=False):
    """How a run is carried out; see `Process.run`."""

    new: bool
    executor: str | None
    workers: int | None
    only: str | None
    start_from: str | None
    run: str | None


def carry_out(load: Callable[[], tuple[Process, Mapping[str, object]]], workspace: Workspace, how: How) -> int:
    """Load, run, show; the exit code. What fails before a run was claimed is raised."""
    claimed: list[Run] = []
    error: BaseException | None = None
    with _json_alone() as document, Following(quiet=options().json) as face:
        process, decisions = load()

        def begin(run: Run, place: Workspace) -> None:
            claimed.append(run)
            face.begin(run, place)

        try:
            process.run(decisions, workspace=workspace, on_start=begin, **how)
        except (Exception, Cancelled, KeyboardInterrupt) as caught:
            if not claimed:
                raise
            error = caught
    with contextlib.suppress(BrokenPipeError):
        _conclude(claimed[0], workspace, face, error, document)
    return 0 if error is None else exit_code(error)


def _conclude(
    run: Run,
    workspace: Workspace,
    face: Following,
    error: BaseException | None,
    document: Callable[[str], None],
) -> None:
    detail = run_detail(workspace.store, find_run(workspace.store, run.id), workspace.path / "runs", now=now())
    if options().json:
        return document(to_json(detail) + "\n")
    lines = summary(detail, face.screen, session_seconds=detail.sessions[-1].seconds if detail.sessions else None)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    if isinstance(error, Exception):
        complain(error, debug=options().debug)
    if error is None and detail.run.items_failed:
        sys.stdout.write(f"to try what failed again: milepost retry {run.name}\n")
    if error is not None:
        sys.stdout.write(resume_command(run.name, options().workspace) + "\n")
        sys.stdout.flush()
    return None


@contextlib.contextmanager
def _json_alone() -> Iterator[Callable[[str], None]]:
    """With --json, standard output carries the document and nothing else: what the user's code and its workers
    print goes to standard error meanwhile. Gives what writes the document."""
    if not options().json:
        yield lambda text: None
        return
    sys.stdout.flush()
    try:
        real = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        yield lambda text: None
        return
    try:
        yield partial(_write_to, real)
    finally:
        sys.stdout.flush()
        os.dup2(real, 1)
        os.close(real)


def _write_to(descriptor: int, text: str) -> None:
    with open(descriptor, "w", closefd=False, encoding="utf-8") as stream:
        stream.write(text)
