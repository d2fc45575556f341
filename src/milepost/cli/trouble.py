"""How an error leaves: one paragraph on stderr that says what, where and what to do; a traceback only with --debug."""

from __future__ import annotations

import os
import sys

import click
import msgspec

from milepost.errors import Cancelled, MilepostError
from milepost.model.refusal import ADVICE, refusal_text
from milepost.model.shortening import shortened
from milepost.terminal.text import safe_lines

INTERRUPTED, PIPE_BROKEN, TERMINATED = 130, 141, 143


def exit_code(error: BaseException) -> int:
    """The exit code that `milepost --help` documents for this error."""
    if isinstance(error, MilepostError):
        return error.exit_code
    if isinstance(error, Cancelled):
        return 128 + error.signal if error.signal else TERMINATED
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return PIPE_BROKEN
    if isinstance(error, click.ClickException):
        return error.exit_code
    return 1


def leave(error: BaseException, *, debug: bool = False, json: bool = False) -> int:
    """Say what there is to say about `error`; its exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1 if error.code else 0
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the last flush has a place
        return PIPE_BROKEN
    complain(error, debug=debug)
    if json:
        _print_json(error)
    return exit_code(error)


def complain(error: BaseException, *, debug: bool = False) -> None:
    """Print the error's paragraph on standard error, or with `debug` its traceback; nothing for Ctrl-C."""
    if debug and not isinstance(error, click.ClickException):
        import traceback

        traceback.print_exception(error)
    elif isinstance(error, click.UsageError):
        _say(_usage(error))
    elif not isinstance(error, (KeyboardInterrupt, click.Abort)):
        _say(_paragraph(error))


def _say(text: str) -> None:
    try:
        lines = safe_lines(shortened(text))
        sys.stderr.write("\n".join([f"error: {lines[0] if lines else 'unknown'}", *lines[1:]]) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody listens any more
        return


def _usage(error: click.UsageError) -> str:
    command = error.ctx.command_path if error.ctx else "milepost"
    said = error.format_message()
    return f"{said}{'' if said.endswith(('.', '?', '!')) else '.'} See `{command} --help`."


def _paragraph(error: BaseException) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, (MilepostError, Cancelled)):
        return str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {refusal_text(error)}"
    if isinstance(error, OSError) and error.errno in ADVICE:
        return f"{refusal_text(error)} (--debug shows where)"
    return f"{type(error).__name__}: {error} (--debug shows where)"


def _print_json(error: BaseException) -> None:
    document = {
        "error": {"kind": type(error).__name__, "message": shortened(str(error)), "exit_code": exit_code(error)}
    }
    try:
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        return
