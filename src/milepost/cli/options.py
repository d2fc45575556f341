"""What every command takes: --workspace, --debug and --json, before or after the command's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Options:
    """What was said for the whole command line; the same object for the group and its command."""

    def __init__(self) -> None:
        self.workspace: str | None = None
        self.debug = False
        self.json = False


def options() -> Options:
    """The options of the command that runs now."""
    found = click.get_current_context().find_root().ensure_object(Options)
    assert isinstance(found, Options)
    return found


def _keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    if value not in (None, False):
        setattr(ctx.find_root().ensure_object(Options), str(parameter.name), value)


def common_options(function: F) -> F:
    """Add --workspace and --debug."""
    function = click.option(
        "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_keep, help="Show tracebacks."
    )(function)
    return click.option(
        "--workspace",
        metavar="PATH",
        expose_value=False,
        is_eager=True,
        callback=_keep,
        help="The workspace; else MILEPOST_WORKSPACE, else the nearest .milepost.",
    )(function)


def face(function: F) -> F:
    """Add what every command takes: --json, --workspace and --debug."""
    function = common_options(function)
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_keep,
        help="Print one JSON document.",
    )(function)
