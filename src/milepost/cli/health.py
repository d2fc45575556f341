"""`milepost health`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from milepost.cli.opening import open_workspace, screen, show, show_json
from milepost.cli.options import face, options
from milepost.health import HealthCheckManager, HealthReport, HealthStatus
from milepost.health.check import TIMEOUT_SECONDS
from milepost.terminal.health import health_page
from milepost.views.health import health_view

# Ten more than what monitoring plugins return, so that no code means something else for another command.
EXIT_CODES = {
    HealthStatus.HEALTHY: 0,
    HealthStatus.WARNING: 11,
    HealthStatus.CRITICAL: 12,
    HealthStatus.UNKNOWN: 13,
}
EPILOG = """\b
Exit codes:
  0   healthy; --live: it answers; --ready: the store can be read and written
  11  warning (not with --live and --ready)
  12  critical; --ready: not ready
  13  unknown: a check did not answer in time
  4   there is no workspace to look at"""


@click.command("health", help="Check disk, ledger, documents, runs and memory.", epilog=EPILOG)
@click.option("--live", is_flag=True, help="Only whether a process can start and answer here; looks at nothing.")
@click.option("--ready", is_flag=True, help="Only whether the store can be read and written.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=TIMEOUT_SECONDS,
    show_default=True,
    help="What does not answer in time is unknown.",
)
@face
def health_command(live: bool, ready: bool, timeout: float) -> int:
    """Exit code 0 when healthy, else one that says how bad it is."""
    if live and ready:
        raise click.UsageError("--live and --ready are two questions: ask one at a time.")
    if live:
        return _say_live()
    with (
        open_workspace(read_only=False, notes_deaths=False) as workspace,
        HealthCheckManager(workspace=workspace, timeout=timeout) as manager,
    ):
        report = manager.perform_readiness_check() if ready else manager.perform_health_check()
        _show(report)
        code = 0 if ready and report.status is HealthStatus.WARNING else EXIT_CODES[report.status]
        if manager.is_hanging:
            _leave(code)
    return code


def _leave(code: int) -> NoReturn:
    """At once: the interpreter would take its objects apart first, and wait for the thread that is inside SQLite."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(code)


def _say_live() -> int:
    if options().json:
        show_json({"status": HealthStatus.HEALTHY})
    else:
        show(["live"])
    return 0


def _show(report: HealthReport) -> None:
    view = health_view(report)
    if options().json:
        return show_json(view)
    return show(health_page(view, screen()))
