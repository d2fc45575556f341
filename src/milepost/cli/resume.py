"""`milepost resume` and `milepost retry`: go on with a run, in the folder and with the decisions it began with."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from milepost.cli.carrying_out import How, carry_out
from milepost.cli.opening import now, open_workspace, show, show_json
from milepost.cli.options import face, options
from milepost.cli.targets import load
from milepost.errors import TargetError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow
from milepost.model.status import RunState
from milepost.model.text import counted
from milepost.process.decisions.recording import recorded_decisions
from milepost.process.definition import Process
from milepost.process.finding import find_run
from milepost.process.loops.program import Program, program_of
from milepost.views.runs import RunLine, run_detail

_executor = click.option("--executor", type=click.Choice(["inline", "threads", "workers"]), help="Where stages work.")
_workers = click.option("--workers", type=click.IntRange(min=1), metavar="N", help="How many threads or workers.")
_target = click.option("--target", metavar="TARGET", help="Where the process is now, if it moved.")


@click.command("resume", help="Go on with RUN where it stopped; what is done under unchanged code is not repeated.")
@click.argument("run", default="last")
@_executor
@_workers
@_target
@face
def resume_command(run: str, executor: str | None, workers: int | None, target: str | None) -> int:
    """Continue a run that failed, was cancelled or died."""
    with open_workspace(read_only=False) as workspace:
        row = find_run(workspace.store, run)
        if row.state is RunState.COMPLETED:
            again = "" if row.target is None else f"; for another: milepost run {row.target} --new"
            return _nothing(f"run {row.name} is completed, there is nothing to resume{again}")
        program = program_of(workspace.store, row)
        if program is not None:
            return _by_its_program(workspace, row, program, is_retry=False)
        return _go_on(workspace, row, target, How(executor=executor, workers=workers, run=row.id))


@click.command("retry", help="Go on with RUN whose stages or items failed, and try those again.")
@click.argument("run", default="last")
@_executor
@_workers
@_target
@click.option(
    "--documents", is_flag=True, help="Instead mark failed documents of no run as waiting, for their program."
)
@click.option("--stage", metavar="STEP", help="With --documents: only at this step.")
@face
def retry_command(
    run: str, executor: str | None, workers: int | None, target: str | None, documents: bool, stage: str | None
) -> int:
    """Try again what failed."""
    if stage and not documents:
        raise click.UsageError("--stage goes with --documents: a run is tried again as a whole")
    with open_workspace(read_only=False) as workspace:
        if documents:
            return _nothing(_marked(workspace, stage))
        row = find_run(workspace.store, run)
        line = run_detail(workspace.store, row, workspace.path / "runs", now=now()).run
        if _has_nothing_to_retry(line):
            return _nothing(f"run {row.name} is completed and none of its items failed")
        program = program_of(workspace.store, row)
        if program is not None:
            return _by_its_program(workspace, row, program, is_retry=True)
        return _go_on(workspace, row, target, How(executor=executor, workers=workers, run=row.id))


def _marked(workspace: Workspace, step: str | None) -> str:
    from milepost.process.retrying import retry_documents

    count = retry_documents(workspace, step)
    if not count:
        return "no document failed that is not waiting or done since"
    return f"{counted(count, 'attempt')} wait{'s' * (count == 1)} now: start the program that works on the documents"


def _by_its_program(workspace: Workspace, row: RunRow, program: Program, *, is_retry: bool) -> int:
    from milepost.cli.again import resume_loop, retry_loop

    line = run_detail(workspace.store, row, workspace.path / "runs", now=now()).run
    return (retry_loop if is_retry else resume_loop)(workspace, row, line, program)


def _has_nothing_to_retry(line: RunLine) -> bool:
    return line.state is RunState.COMPLETED and not line.items_failed


def _nothing(text: str) -> int:
    if options().json:
        show_json({"message": text})
    else:
        show([text])
    return 0


def _go_on(workspace: Workspace, row: RunRow, target: str | None, how: How) -> int:
    chosen = target or row.target
    if chosen is None:
        _refuse_by_hand(workspace, row)
        raise TargetError(
            f"run {row.name} was not started from a shell, so where its process is defined is not known; "
            "run that script again, or say --target file.py"
        )
    if target is None and row.cwd and os.path.isdir(row.cwd):
        os.chdir(row.cwd)  # files that decisions name are relative to where the run began

    def prepare() -> tuple[Process, Mapping[str, object]]:
        process = load(chosen)
        return process, recorded_decisions(workspace.store, workspace.objects, row, process)

    return carry_out(prepare, workspace, how)


def _refuse_by_hand(workspace: Workspace, row: RunRow) -> None:
    """A run that its own program carries out stage by stage goes on when that program does."""
    from milepost.process.handler.journal import founding_of

    founding = founding_of(workspace.store, row.id)
    if founding is None:
        return
    line = run_detail(workspace.store, row, workspace.path / "runs", now=now()).run
    if line.state.is_active:
        raise TargetError(f"run {row.name} is under way: its own program carries it out; milepost logs -f {row.name}")
    raise TargetError(
        f"run {row.name} is carried out stage by stage by its own program: start {founding.program or 'it'} again, "
        f"and let it call  ProcessStageHandler.open_process({row.id!r})  where it began the process"
    )
