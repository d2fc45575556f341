"""`milepost run`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from milepost.cli.carrying_out import How, carry_out
from milepost.cli.options import face, options
from milepost.cli.targets import load
from milepost.config import MOST_RUNS
from milepost.process.definition import Process


@click.command(
    "run",
    help="Run TARGET: file.py, file.py:name or package.module:name. What is done and unchanged is reused; a run "
    "with the same decisions that failed, was cancelled or died is continued. With several scenarios or a sweep the "
    "runs come one after the other and are compared at the end.",
)
@click.argument("target")
@click.option("--set", "settings", multiple=True, metavar="STAGE.NAME=VALUE", help="A decision; may be repeated.")
@click.option("--scenario", "scenarios", multiple=True, metavar="NAME", help="Saved decisions; --set goes over them.")
@click.option(
    "--sweep", "sweeps", multiple=True, metavar="STAGE.NAME=V,V,…",
    help="A run for each value, or for each combination of several sweeps. A JSON list for values with commas.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help=f"More than {MOST_RUNS:,} runs are meant.")
@click.option("--note", metavar="TEXT", help="Why these decisions; kept with them.")
@click.option("--executor", type=click.Choice(["inline", "threads", "workers"]), help="Where stages work.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="How many threads or workers.")
@click.option("--new", is_flag=True, help="Begin a new run, whatever could be continued.")
@click.option("--from", "start_from", metavar="STAGE", help="Run this stage and all behind it afresh.")
@click.option("--only", metavar="STAGE", help="Only this stage and what it needs.")
@face
def run_command(
    target: str,
    settings: tuple[str, ...],
    scenarios: tuple[str, ...],
    sweeps: tuple[str, ...],
    yes: bool,
    note: str | None,
    executor: str | None,
    workers: int | None,
    new: bool,
    start_from: str | None,
    only: str | None,
) -> int:
    """Carry the process out."""
    how = How(note=note, executor=executor, workers=workers, new=new, start_from=start_from, only=only)

    def prepare() -> tuple[Process, Mapping[str, object]]:
        process = load(target)
        return process, process.parse_settings(settings)

    if not sweeps and len(scenarios) < 2:
        how["scenario"] = scenarios[0] if scenarios else None
        return carry_out(prepare, options().workspace, how)

    from milepost.cli.several import carry_out_all
    from milepost.process.decisions.sweeps import Ask, combined, parse_sweep

    def prepare_all() -> tuple[Process, list[Ask]]:
        process, decisions = prepare()
        swept = [parse_sweep(process, sweep) for sweep in sweeps]
        return process, combined(scenarios, swept, decisions, most=None if yes else MOST_RUNS)

    return carry_out_all(prepare_all, options().workspace, how)
