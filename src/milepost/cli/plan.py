"""`milepost plan`."""

from __future__ import annotations

import click

from milepost.cli.opening import screen, show, show_json
from milepost.cli.options import face, options
from milepost.cli.targets import load
from milepost.terminal.reasons import plan_table
from milepost.views.plans import plan_view


@click.command("plan", help="Say what TARGET (file.py, file.py:name, package.module:name) would run, and why.")
@click.argument("target")
@click.option("--set", "settings", multiple=True, metavar="STAGE.NAME=VALUE", help="A decision; may be repeated.")
@click.option("--scenario", metavar="NAME", help="Saved decisions; --set goes over them.")
@click.option("--from", "start_from", metavar="STAGE", help="As if this stage and all behind it ran afresh.")
@click.option("--only", metavar="STAGE", help="Only this stage and what it needs.")
@face
def plan_command(
    target: str, settings: tuple[str, ...], scenario: str | None, start_from: str | None, only: str | None
) -> None:
    """Print the plan. Nothing runs and nothing is recorded."""
    process = load(target)
    decisions = process.parse_settings(settings)
    plan = plan_view(
        process.plan(decisions, scenario=scenario, only=only, start_from=start_from, workspace=options().workspace)
    )
    if options().json:
        return show_json(plan)
    return show(plan_table(plan, screen()))
