"""`milepost`: the table of commands, each loaded only when it is called, and the way out for every error."""

from __future__ import annotations

import os
import sys

import click

from milepost.cli.options import Options, common_options
from milepost.cli.trouble import leave

# command -> (module, what `milepost --help` says of it), in the order in which a user meets them
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Run a process; what is already done is reused."),
    "plan": ("plan", "Say what would run, what would be reused, and why."),
    "why": ("why", "Say why a run's stages ran or were reused."),
    "resume": ("resume", "Go on with a run where it stopped."),
    "retry": ("resume", "Go on with a run whose stages or items failed."),
    "cancel": ("cancel", "Ask a running run to stop at its next safe point."),
    "watch": ("watch", "Follow a run live, or watch them all and raise alerts."),
    "ls": ("ls", "List runs, the newest first."),
    "show": ("show", "Show one run: stages, items, decisions, sessions."),
    "errors": ("errors", "Show what failed lately in any run, grouped by what went wrong."),
    "export": ("export", "Write a run's items as CSV, JSON or Parquet."),
    "decisions": ("decisions", "Show what was decided in a run, by whom, and what it affects."),
    "compare": ("compare", "Show runs beside each other: what differs, and what came of it."),
    "scenarios": ("scenarios", "Save decisions under a name, list and show what is saved."),
    "logs": ("logs", "Print what a run printed and logged."),
    "accept": ("accept", "Keep a stage's results though its code changed."),
    "health": ("health", "Check disk, ledger, documents, runs and memory."),
    "gc": ("gc", "Find, and with --delete remove, what no run reaches."),
    "doctor": ("doctor", "Check the workspace and what Milepost stands on."),
    "verify": ("verify", "Read every row and object back and check it."),
    "demo": ("demo", "A small process to kill, change and resume."),
}

EPILOG = """\b
RUN is a run's two-word name, its id, or "last".
\b
Exit codes:
  0    done                          4    workspace, ledger or object trouble
  1    a run failed                  5    no such run
  2    wrong usage, definition,      130  stopped by Ctrl-C
       decision or target            143  stopped by SIGTERM
  3    the run is alive elsewhere    141  the reader of a pipe went away
  10           watch --once: an alert fires
  11, 12, 13   health: warning, critical, unknown"""


class Commands(click.Group):
    """Commands by name; a command's module is imported when the command is."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        module = import_module(f"milepost.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from milepost.model.nearest import did_you_mean

            raise click.UsageError(f"there is no command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from milepost import __version__

        click.echo(f"milepost {__version__}")
        ctx.exit()


@click.group(
    cls=Commands,
    name="milepost",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Long processes that can be killed at any time and continue where they were.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
@common_options
def milepost() -> None:
    """Parse what stands before the command."""


def main(arguments: list[str] | None = None) -> None:
    """Carry the command line out and leave the process with its exit code."""
    _open_streams()
    said = Options()
    try:
        code = milepost.main(args=arguments, prog_name="milepost", standalone_mode=False, obj=said)
        sys.stdout.flush()
    except BaseException as error:
        code = leave(error, debug=said.debug, json=said.json)
    _flush_or_forget()
    sys.exit(code if isinstance(code, int) else 0)


def _open_streams() -> None:
    """Text of any kind can be printed, and where a stream was closed by who started us, it goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 for the life of the process
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _flush_or_forget() -> None:
    """Nothing that is still to be printed may fail on the way out."""
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
