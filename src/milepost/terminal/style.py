"""Colours and signs, and when there are none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import TextIO

import msgspec


class Style(StrEnum):
    """How a piece of text looks: the parameters of its SGR sequence."""

    PLAIN = ""
    DIM = "2"
    BOLD = "1"
    GREEN = "32"
    RED = "31"
    YELLOW = "33"
    BLUE = "34"
    CYAN = "36"


def paint(text: str, style: Style, *, colour: bool) -> str:
    """The text in its colour, or as it is."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if colour and style.value and text else text


class Screen(msgspec.Struct, frozen=True):
    """What the output can do: its width, and whether it shows colours, redraws itself and knows more than ASCII."""

    columns: int = 100
    colour: bool = False
    live: bool = False
    unicode: bool = True

    def paint(self, text: str, style: Style) -> str:
        """The text in its colour, if there are colours."""
        return paint(text, style, colour=self.colour)


def screen_of(stream: TextIO, environment: Mapping[str, str] | None = None) -> Screen:
    """What `stream` can do. NO_COLOR and TERM=dumb are obeyed, FORCE_COLOR colours a pipe."""
    environment = os.environ if environment is None else environment
    is_terminal = stream.isatty()
    smart = environment.get("TERM", "") not in ("dumb", "unknown")
    colour = (is_terminal and smart) or bool(environment.get("FORCE_COLOR"))
    return Screen(
        columns=_columns(stream, environment, is_terminal),
        colour=colour and not environment.get("NO_COLOR"),
        live=is_terminal and smart,
        unicode=(getattr(stream, "encoding", None) or "").lower().replace("-", "") in ("utf8", "utf16"),
    )


def _columns(stream: TextIO, environment: Mapping[str, str], is_terminal: bool) -> int:
    if environment.get("COLUMNS", "").isdigit() and int(environment["COLUMNS"]) > 0:
        return int(environment["COLUMNS"])
    try:  # a pipe to `less` or `head` is read on the terminal that standard error still is
        return os.get_terminal_size(stream.fileno() if is_terminal else 2).columns or 80
    except (OSError, ValueError):
        return 80 if is_terminal else PIPE_COLUMNS


PIPE_COLUMNS = 160  # nobody looks at it as it comes: better long lines than lost words

STATE_STYLES: Mapping[str, Style] = {
    "completed": Style.GREEN,
    "success": Style.GREEN,
    "reused": Style.CYAN,
    "running": Style.BLUE,
    "failed": Style.RED,
    "error": Style.RED,
    "cancelled": Style.YELLOW,
    "interrupted": Style.YELLOW,
    "stalled": Style.YELLOW,
    "warning": Style.YELLOW,
    "pending": Style.DIM,
    "skipped": Style.DIM,
    "paused": Style.YELLOW,
}
