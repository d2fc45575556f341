"""Start the program of a loop again: what `resume` and `retry` do for a run of `open_run`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from types import FrameType

from milepost.cli.opening import now, show, show_json
from milepost.cli.options import options
from milepost.errors import RunIsAlive, TargetError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import EventRow, RunRow
from milepost.process.finding import find_run
from milepost.process.loops.program import LOOP, RETRY_REQUESTED, Program
from milepost.views.runs import RunLine, run_detail


def retry_loop(workspace: Workspace, row: RunRow, line: RunLine, program: Program) -> int:
    """Mark what failed to be tried again, also what was set aside, and start the program, which then takes this run."""
    _refuse_alive(line)
    workspace.store.write([EventRow(at=time.time(), run=row.id, epoch=row.epoch, kind=RETRY_REQUESTED)], durable=True)
    if not program.words:
        text = f"the items of run {row.name} that failed will be tried again when {_called(program)} is started again"
        if options().json:
            show_json({"message": text})
        else:
            show([text])
        return 0
    return _start(workspace, row, program)


def resume_loop(workspace: Workspace, row: RunRow, line: RunLine, program: Program) -> int:
    """Start the program, which continues its newest run that stopped. Raises TargetError when that is another."""
    _refuse_alive(line)
    newest = workspace.store.get(RunRow, process=row.process, decisions_hash=LOOP)
    if newest is not None and newest.id != row.id:
        raise TargetError(
            f"run {newest.name} of {row.process} is newer than {row.name}, and its program goes on with that one: "
            f"`milepost retry {row.name}` has it take {row.name}"
        )
    if not program.words:
        raise TargetError(
            f"run {row.name} goes on when its program does: start {_called(program)} again as it was started"
        )
    return _start(workspace, row, program)


def _refuse_alive(line: RunLine) -> None:
    if line.state.is_active:
        raise RunIsAlive(f"run {line.name} is under way: milepost logs -f {line.name}", run=line.id)


def _called(program: Program) -> str:
    return program.path or "its program"


def _start(workspace: Workspace, row: RunRow, program: Program) -> int:
    if not os.path.isdir(program.cwd):
        raise TargetError(f"run {row.name}: the folder {program.cwd} that its program ran in is gone")
    sys.stderr.write(f"starting again, in {program.cwd}: {shlex.join(program.words)}\n")
    sys.stderr.flush()
    code = _carried_out(program, workspace)
    if options().json:
        found = find_run(workspace.store, row.id)
        show_json(run_detail(workspace.store, found, workspace.path / "runs", now=now()))
    return code


def _carried_out(program: Program, workspace: Workspace) -> int:
    """The exit code of the program. Signals are its business: Ctrl-C reaches it anyway, SIGTERM is passed on."""
    environment = {**os.environ, "MILEPOST_WORKSPACE": str(workspace.path)}
    process = subprocess.Popen(
        program.words, cwd=program.cwd, env=environment, stdout=sys.stderr if options().json else None
    )

    def pass_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, lambda number, frame: None)
    code = process.wait()
    return code if code >= 0 else 128 - code
