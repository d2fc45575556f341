"""`milepost watch`: one run live, or all of a workspace from outside, raising alerts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from milepost.cli.opening import open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.cli.trouble import exit_code
from milepost.errors import Cancelled
from milepost.kernel.workspace import Workspace

if TYPE_CHECKING:
    from milepost.alerts import AlertSettings, Watcher
    from milepost.alerts.conditions import HealthNow
    from milepost.views.alerts import AlertView

ALERTS_FIRE = 10  # exit code of --once
DELIVERY_SECONDS = 30.0  # how long --once waits for messages under way: three tries of each channel
LAST_SECONDS = 2.0  # the same at Ctrl-C; what is not sent then is sent by the next watcher


@click.command(
    "watch",
    help="Follow RUN live until it ends, and leave with its exit code. Without RUN: watch all runs of the workspace "
    "from outside and raise alerts, also for those that are dead; a line for each change, until Ctrl-C.",
)
@click.argument("run", required=False)
@click.option("--rules", metavar="FILE", help="Rules and channels: a TOML file with [alerts].")
@click.option("--interval", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Time between two looks (5).")
@click.option("--once", is_flag=True, help="Look once; exit code 10 when an alert fires.")
@face
def watch_command(run: str | None, rules: str | None, interval: float | None, once: bool) -> int:
    """Watch one, or all."""
    if run is not None:
        if rules is not None or interval is not None or once:
            raise click.UsageError("--rules, --interval and --once are for watching all runs: leave RUN out")
        from milepost.cli.watching import watch_run

        return watch_run(run)
    from milepost.alerts import AlertSettings, Watcher, load_settings

    settings = AlertSettings() if rules is None else load_settings(rules)
    if not once:
        return _look_on(settings, 5.0 if interval is None else interval)
    with open_workspace(read_only=False) as workspace:
        return _look_once(Watcher(workspace, settings, health=_health(workspace), warn=_warn), settings)


def _look_once(watcher: Watcher, settings: AlertSettings) -> int:
    from milepost.views.alerts import changed, firing_now

    changes = changed(watcher.look(), settings.rules)
    watcher.close(DELIVERY_SECONDS)
    firing = firing_now(watcher)
    if options().json:
        show_json({"firing": firing, "changes": changes})
    else:
        _print([alert for alert in firing if alert not in changes] + changes)
        if not firing:
            show(["no alert fires"])
    return ALERTS_FIRE if firing else 0


def _look_on(settings: AlertSettings, seconds: float) -> int:
    """Look until a signal comes. What the signal breaks off is looked at again by the next watcher."""
    from milepost.cli.watching import termination

    try:
        with termination():
            while True:
                _look_while_it_is_there(settings, seconds)
    except (KeyboardInterrupt, Cancelled) as stopped:
        return exit_code(stopped)


def _look_while_it_is_there(settings: AlertSettings, seconds: float) -> None:
    """Until the workspace is moved or deleted, and another is in its place."""
    from milepost.alerts import Watcher
    from milepost.kernel.in_place import file_at

    with open_workspace(read_only=False) as workspace:
        watcher = Watcher(workspace, settings, health=_health(workspace), warn=_warn)
        ledger, identity = workspace.ledger_file, file_at(workspace.ledger_file)
        try:
            for _ in _looks(watcher, settings, seconds):
                if file_at(ledger) != identity:
                    break
        finally:
            watcher.close(LAST_SECONDS)
    _warn(f"workspace {workspace.path} was moved, deleted or replaced: what is there next is watched")
    while file_at(ledger) is None:
        time.sleep(seconds)


def _looks(watcher: Watcher, settings: AlertSettings, seconds: float) -> Iterator[None]:
    """One look after the other, with a pause behind each."""
    from milepost.terminal.alerts import watching_line
    from milepost.views.alerts import changed, firing_now

    changes = changed(watcher.look(), settings.rules)
    if not options().json:
        names = [rule.name for rule in settings.rules]
        show([watching_line(names, seconds, is_owner=watcher.is_owner, screen=screen())])
        sys.stdout.flush()
    _print([alert for alert in firing_now(watcher) if alert not in changes])  # since before this look
    while True:
        _print(changes)
        time.sleep(seconds)
        yield
        changes = changed(watcher.look(), settings.rules)


def _print(alerts: list[AlertView]) -> None:
    """A line for each, at once."""
    from milepost.terminal.alerts import alert_line

    if options().json:
        show([msgspec.json.encode(alert).decode() for alert in alerts])
    else:
        show([alert_line(alert, screen()) for alert in alerts])
    sys.stdout.flush()


def _warn(text: str) -> None:
    from milepost.terminal.text import safe

    sys.stderr.write(f"warning: {safe(text)}\n")
    sys.stderr.flush()


def _health(workspace: Workspace) -> Callable[[], HealthNow]:
    """The health of the workspace, when a rule asks for it; the checks are made once and keep what they saw."""
    manager = None

    def now() -> HealthNow:
        nonlocal manager
        from milepost.alerts.conditions import HealthNow
        from milepost.health import HealthCheckManager

        manager = manager or HealthCheckManager(workspace=workspace)
        report = manager.perform_health_check()
        return HealthNow(report.status.name.lower(), report.issues)

    return now
