"""`milepost scenarios`: named sets of decisions, saved from a run or by hand."""

from __future__ import annotations

import click

from milepost.cli.opening import now, open_to_write, open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.cli.targets import load
from milepost.process.decisions.projects import project_of
from milepost.process.decisions.recording import values_of
from milepost.process.decisions.scenarios import Scenario, Scenarios, scenarios_of_all
from milepost.process.finding import find_run, find_scenario
from milepost.terminal.scenarios import saved_line, scenario_page, scenarios_table
from milepost.terminal.text import safe
from milepost.views.scenarios import list_scenarios, scenario_detail, scenario_line

_process = click.option("--process", metavar="NAME", help="Of this process, where several have one of that name.")


@click.group(
    "scenarios",
    invoke_without_command=True,
    help="Named sets of decisions: save them, list them, and `milepost run TARGET --scenario NAME` runs one.",
)
@face
@click.pass_context
def scenarios_command(ctx: click.Context) -> None:
    """List them when nothing else is asked for."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(ls_command)


@scenarios_command.command(
    "save",
    help="Save under NAME what a run was carried out with (--run RUN, every decision), or decisions of TARGET "
    "(--set, the others stay at their defaults). A name that is there gets another version.",
)
@click.argument("name")
@click.argument("target", required=False)
@click.option("--run", metavar="RUN", help="The run whose decisions to save.")
@click.option("--set", "settings", multiple=True, metavar="STAGE.NAME=VALUE", help="A decision; may be repeated.")
@click.option("--note", metavar="TEXT", help="Why, for those who read it later.")
@face
def save_command(name: str, target: str | None, run: str | None, settings: tuple[str, ...], note: str | None) -> None:
    """Save one."""
    if (target is None) == (run is None):
        raise click.UsageError("say what to save: --run RUN, or TARGET with --set STAGE.NAME=VALUE")
    if run is not None and settings:
        raise click.UsageError("--set goes with TARGET: with --run every decision is that of the run")
    saved = _save_run(name, run, note) if run is not None else _save_settings(name, target or "", settings, note)
    line = scenario_line(saved)
    return show_json(line) if options().json else show([saved_line(line)])


def _save_run(name: str, run: str, note: str | None) -> Scenario:
    with open_to_write() as workspace:
        row = find_run(workspace.store, run)
        recorded = values_of(workspace.store, workspace.objects, row)
        scenarios = Scenarios(workspace.store, workspace.objects, project_of(row))
        return scenarios.save(name, recorded.decisions, note=note, left_out=recorded.left_out)


def _save_settings(name: str, target: str, settings: tuple[str, ...], note: str | None) -> Scenario:
    process = load(target)
    decisions = process.parse_settings(settings)
    return process.save_scenario(name, decisions, note=note, workspace=options().workspace)


@scenarios_command.command("ls", help="List them, the first saved first.")
@click.option("--process", metavar="NAME", help="Only those of this process.")
@face
def ls_command(process: str | None = None) -> None:
    """Print the current versions."""
    with open_workspace() as workspace:
        found = list_scenarios(scenarios_of_all(workspace.store, workspace.objects, process))
    if options().json:
        return show_json(found)
    if not found:
        return show(["no scenarios yet; save one with `milepost scenarios save NAME --run RUN`"])
    return show(scenarios_table(found, screen(), now()))


@scenarios_command.command("show", help="Show one: its decisions, versions and newest runs.")
@click.argument("name")
@_process
@face
def show_command(name: str, process: str | None) -> None:
    """Print one in full."""
    with open_workspace() as workspace:
        scenarios, scenario = find_scenario(workspace.store, workspace.objects, name, process)
        detail = scenario_detail(scenarios, scenario, workspace.store, workspace.path / "runs", now=now())
    return show_json(detail) if options().json else show(scenario_page(detail, screen(), now()))


@scenarios_command.command("rm", help="Remove one. Its runs and their results stay.")
@click.argument("name")
@_process
@face
def rm_command(name: str, process: str | None) -> None:
    """Remove one."""
    with open_to_write() as workspace:
        scenarios, scenario = find_scenario(workspace.store, workspace.objects, name, process)
        scenarios.remove(scenario.name)
    line = scenario_line(scenario)
    if options().json:
        return show_json({"removed": line})
    return show([f"removed scenario {safe(line.name)} of {safe(line.process)}"])


@scenarios_command.command("rename", help="Give NAME another name; its versions stay.")
@click.argument("name")
@click.argument("new")
@_process
@face
def rename_command(name: str, new: str, process: str | None) -> None:
    """Rename one."""
    with open_to_write() as workspace:
        scenarios, scenario = find_scenario(workspace.store, workspace.objects, name, process)
        line = scenario_line(scenarios.rename(scenario.name, new))
    if options().json:
        return show_json(line)
    return show([f"scenario {safe(scenario.name)} is called {safe(line.name)} now"])
