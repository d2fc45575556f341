"""`milepost run`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from milepost.cli.carrying_out import How, carry_out
from milepost.cli.options import face, options
from milepost.cli.targets import load
from milepost.process.definition import Process


@click.command(
    "run",
    help="Run TARGET: file.py, file.py:name or package.module:name. What is done and unchanged is reused; a run "
    "with the same decisions that failed, was cancelled or died is continued.",
)
@click.argument("target")
@click.option("--set", "settings", multiple=True, metavar="STAGE.NAME=VALUE", help="A decision; may be repeated.")
@click.option("--executor", type=click.Choice(["inline", "threads", "workers"]), help="Where stages work.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="How many threads or workers.")
@click.option("--new", is_flag=True, help="Begin a new run, whatever could be continued.")
@click.option("--from", "start_from", metavar="STAGE", help="Run this stage and all behind it afresh.")
@click.option("--only", metavar="STAGE", help="Only this stage and what it needs.")
@face
def run_command(
    target: str,
    settings: tuple[str, ...],
    executor: str | None,
    workers: int | None,
    new: bool,
    start_from: str | None,
    only: str | None,
) -> int:
    """Carry the process out."""

    def prepare() -> tuple[Process, Mapping[str, object]]:
        process = load(target)
        return process, process.parse_settings(settings)

    how = How(executor=executor, workers=workers, new=new, start_from=start_from, only=only)
    return carry_out(prepare, options().workspace, how)
