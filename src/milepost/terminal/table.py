"""Tables that fit: columns give way by rank and shrink to a least width before anything wraps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from milepost.terminal.style import Style, paint
from milepost.terminal.text import clip, width

GAP = 2


class Cell(NamedTuple):
    """One field: harmless text (see `text.safe`) and how it looks."""

    text: str
    style: Style = Style.PLAIN


class Column(msgspec.Struct, frozen=True):
    """A column. `rank` 0 always stays; of the others the highest goes first. `least`: how far it may shrink.

    `wanted`: others go before it shrinks further than this.
    """

    title: str
    rank: int = 0
    right: bool = False
    least: int | None = None
    wanted: int = 0


def lay_out(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    columns_wide: int,
    colour: bool,
    indent: int = 0,
    titles: bool = True,
) -> list[str]:
    """The table's lines, none wider than `columns_wide`. Columns that are empty in every row are left out."""
    kept = [at for at in range(len(columns)) if any(row[at].text for row in rows)]
    widths = {at: _natural(columns[at], [row[at] for row in rows], titles) for at in kept}
    room = columns_wide - indent
    while _total(widths) > room and (victim := _victim(columns, widths)) is not None:
        if _total(_shrunk(columns, widths, room, is_wanted=True)) <= room:
            break
        del widths[victim]
    widths = _shrunk(columns, _shrunk(columns, widths, room, is_wanted=True), room)
    lines = [[Cell(columns[at].title, Style.DIM) for at in widths]] if titles else []
    lines += [[row[at] for at in widths] for row in rows]
    chosen = [columns[at] for at in widths]
    return [_line(chosen, list(widths.values()), line, colour, indent) for line in lines]


def _natural(column: Column, cells: Sequence[Cell], titles: bool) -> int:
    return max([width(column.title) if titles else 0, *(width(cell.text) for cell in cells)])


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _victim(columns: Sequence[Column], widths: dict[int, int]) -> int | None:
    """The column that goes first: the highest rank, the rightmost of equals; None when all must stay."""
    ranked = [(columns[at].rank, at) for at in widths if columns[at].rank > 0]
    return max(ranked)[1] if ranked else None


def _shrunk(columns: Sequence[Column], widths: dict[int, int], room: int, *, is_wanted: bool = False) -> dict[int, int]:
    """The widths, with shrinkable columns narrowed, widest first, as far as needed and allowed, or wanted."""
    widths = dict(widths)
    while (over := _total(widths) - room) > 0:
        slack = {at: widths[at] - max(_least(columns[at]), columns[at].wanted * is_wanted) for at in widths}
        widest = max(slack, key=lambda at: (slack[at] > 0, widths[at]))
        if slack[widest] <= 0:
            break
        widths[widest] -= min(over, slack[widest], max(widths[widest] // 8, 1))
    return widths


def _least(column: Column) -> int:
    return 10_000 if column.least is None else max(column.least, width(column.title))


def _line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[Cell], colour: bool, indent: int) -> str:
    parts = []
    for column, wide, cell in zip(columns, widths, cells, strict=True):
        text = clip(cell.text, wide)
        blank = " " * (wide - width(text))
        shown = paint(text, cell.style, colour=colour)
        parts.append(blank + shown if column.right else shown + blank)
    return (" " * indent + (" " * GAP).join(parts)).rstrip()
