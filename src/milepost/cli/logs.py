"""`milepost logs`."""

from __future__ import annotations

import sys
from datetime import datetime

import click
import msgspec

from milepost.cli.opening import now, open_workspace, screen
from milepost.cli.options import face, options
from milepost.kernel.loglines import LogLine, follow_logs, read_logs, render
from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow
from milepost.process.finding import find_run
from milepost.terminal.style import Screen, Style
from milepost.views.runs import run_detail
from milepost.views.view import View, to_json, utc


class LogView(View, frozen=True, kw_only=True):
    """One line of a log; `at` in UTC."""

    at: datetime | None
    stream: str
    text: str
    level: str | None = None
    stage: str | None = None
    item: str | None = None


@click.command("logs", help="Print what RUN printed and logged. With --json and -f, one document a line.")
@click.argument("run", default="last")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over.")
@click.option("--stage", metavar="STAGE", help="Only what this stage printed and logged.")
@click.option("--level", metavar="LEVEL", help="Only this level and above; printed lines count as INFO.")
@click.option("-n", "--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@face
def logs_command(run: str, follow: bool, stage: str | None, level: str | None, tail: int | None) -> None:
    """Print the lines in the order in which they were written."""
    with open_workspace() as workspace:
        row = find_run(workspace.store, run)
        folder = workspace.log_folder(row.id)
        if follow:
            lines = follow_logs(folder, is_over=lambda: _is_over(workspace, row), stage=stage, level=level, tail=tail)
            for line in lines:
                _print(line, screen())
            return
        found = read_logs(folder, stage=stage, level=level, tail=tail)
        if options().json:
            sys.stdout.write(to_json([_view(line) for line in found]) + "\n")
            return
        shown = screen()
        for line in found:
            _print(line, shown)


def _is_over(workspace: Workspace, row: RunRow) -> bool:
    fresh = workspace.store.get(RunRow, id=row.id) or row
    seen = run_detail(workspace.store, fresh, workspace.path / "runs", now=now(), exact=False).run
    return not seen.state.is_active


def _print(line: LogLine, shown: Screen) -> None:
    if options().json:
        text = msgspec.json.encode(_view(line)).decode()
    else:
        text = render(line)
        if (line.level or "") in ("ERROR", "CRITICAL"):
            text = shown.paint(text, Style.RED)
        elif line.level == "WARNING":
            text = shown.paint(text, Style.YELLOW)
    sys.stdout.write(text + "\n")
    if options().json or shown.live:
        sys.stdout.flush()


def _view(line: LogLine) -> LogView:
    return LogView(
        at=utc(line.at), stream=line.stream, text=line.text, level=line.level, stage=line.stage, item=line.item
    )
