"""`milepost accept`."""

from __future__ import annotations

import click

from milepost.cli.opening import open_to_write, screen, show, show_json
from milepost.cli.options import face, options
from milepost.cli.targets import load
from milepost.errors import TargetError
from milepost.model.fingerprint.code import with_texts
from milepost.model.fingerprint.parts import Change, diff_text
from milepost.model.rows import RunRow
from milepost.process.accepting import accept_change
from milepost.process.finding import find_run
from milepost.process.loops.program import LOOP
from milepost.terminal.reasons import changes_lines
from milepost.terminal.text import counted, safe
from milepost.views.why import PartChange


@click.command("accept", help="Call the changed code of STAGE compatible: its earlier results and items are kept.")
@click.argument("stage")
@click.option("--target", metavar="TARGET", help="The process; that of the newest run if not given.")
@face
def accept_command(stage: str, target: str | None) -> None:
    """Record that today's code counts as the code of the last results, and show what that covers."""
    with open_to_write() as workspace:
        process = load(target or _target_of(find_run(workspace.store, "last")))
        accepted = accept_change(process, process.settle(), stage, workspace)
        run = find_run(workspace.store, accepted.run).name
    function = process.require(stage).__wrapped__
    changes = [
        PartChange(name=change.name, kind=change.kind, what=change.what, diff=diff_text(_with_text(change, function)))
        for change in accepted.changes
    ]
    if options().json:
        return show_json({"stage": stage, "run": run, "accepted": changes})
    head = f"accepted {counted(len(changes), 'change')} of stage {safe(stage)}: what run {safe(run)} did stands"
    return show([head, *changes_lines(changes, screen())])


def _with_text(change: Change, function: object) -> Change:
    """The change with the source of today's part, for its diff."""
    return change if change.new is None else change._replace(new=with_texts([change.new], function)[0])


def _target_of(run: RunRow) -> str:
    if run.decisions_hash in ("", LOOP):
        raise TargetError(
            f"run {safe(run.name)} was carried out by its program itself, and what a ProcessManager computes cannot be "
            "accepted: ask for the stage again and it is computed with today's code; a change that does not matter "
            "costs that once. For a Process say --target file.py"
        )
    if run.target is None:
        raise TargetError(f"run {run.name} was not started from a shell: say --target file.py")
    return run.target
