"""`decisions`: what holds, what would by default, who chose it and why, and what it affects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from msgspec import UNSET, Raw, UnsetType

from milepost.model.comparison.lines import DecisionLine, entries_beside
from milepost.model.folding import REMOVED
from milepost.terminal.style import Screen, Style
from milepost.terminal.table import Cell, Column, lay_out
from milepost.terminal.text import age, counted, safe, width, wrapped
from milepost.views.decisions import DecisionDetail, DecisionsView, RecordedView

_MOST = 3  # names of stages in a line
_RECORDS = (Column("", least=8), Column("value", least=8), Column("chosen", least=10), Column("note", rank=1, least=8))


def decisions_page(found: DecisionsView, screen: Screen, now: float) -> list[str]:
    """A line for each decision, its note or its history below; those that are not at their default are marked."""
    lines = _head(found, screen)
    if not found.decisions:
        return lines
    blocks = [[_cells(each, now), *_entries(each)] for each in found.decisions]
    rows = [row for block in blocks for row in block]
    longest = max(width(row[0].text) for row in rows)
    columns = (
        Column("  decision", least=min(longest, screen.columns // 2)),
        Column("value", least=8, wanted=20),
        Column("default", rank=1, least=8),
        Column("affects", rank=3, least=10, wanted=16),
        Column("chosen by", rank=2, least=18, wanted=22),
    )
    title, *table = lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour)
    lines += ["", title]
    left = iter(table)
    for each, block in zip(found.decisions, blocks, strict=True):
        lines += islice(left, len(block))
        if each.history:
            lines += _history(each.history, screen, now)
        elif each.note:
            lines += [screen.paint(text, Style.DIM) for text in wrapped(safe(each.note), screen.columns, indent="    ")]
    return lines


def _head(found: DecisionsView, screen: Screen) -> list[str]:
    name, process, told = safe(found.run), safe(found.process), _counted(found)
    head = f"{screen.paint(name, Style.BOLD)}  {process}"
    fits = width(name) + width(process) + width(told) + 4 <= screen.columns
    return [f"{head}  {told}"] if fits else [head, *wrapped(told, screen.columns, indent="  ")]


def _counted(found: DecisionsView) -> str:
    if not found.total:
        return "no decisions"
    differing = f"* {found.differing:,} not at the default" if found.differing else "all at their defaults"
    return f"{counted(found.total, 'decision')}, {differing}"


def _cells(each: DecisionDetail, now: float) -> list[Cell]:
    """Where the default holds it is not said twice, nor who chose it."""
    who = "" if each.source == "default" else f"{_who(each)}, {age(each.at, now)}"
    return [
        Cell(f"{'*' if each.differs else ' '} {safe(each.stage)}.{safe(each.name)}"),
        Cell(_value(each), Style.BOLD if each.differs else Style.PLAIN),
        Cell(_json(each.default) if each.differs and not _lines_of(each) else "", Style.DIM),
        Cell(safe(_few(each.affects)) or "no stage so far", Style.DIM),
        Cell(who, Style.DIM),
    ]


def _value(each: DecisionDetail) -> str:
    if each.source == REMOVED:
        return "taken back"
    return "" if _lines_of(each) else _json(each.value)


def _entries(each: DecisionDetail) -> list[list[Cell]]:
    """A line for each entry of an object that is not at its default, for they are long."""
    return [
        [
            Cell(f"    {safe(line.path)}"),
            Cell(safe(line.values[0] or "absent"), Style.BOLD if line.differs else Style.PLAIN),
            Cell(safe(line.values[1] or "") if line.differs else "", Style.DIM),
            Cell(""),
            Cell(""),
        ]
        for line in _lines_of(each)
    ]


def _lines_of(each: DecisionDetail) -> list[DecisionLine]:
    if not each.differs or not each.is_kept or each.source == REMOVED:
        return []
    default = None if isinstance(each.default, UnsetType) else bytes(each.default).decode()
    return entries_beside(bytes(each.value).decode(), default)


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST])
    return shown if len(names) <= _MOST else f"{shown} +{len(names) - _MOST}"


def _history(records: Sequence[RecordedView], screen: Screen, now: float) -> list[str]:
    rows = [
        [
            Cell(age(each.at, now), Style.DIM),
            Cell("taken back" if each.value is UNSET else _json(each.value)),
            Cell(_who(each), Style.DIM),
            Cell(safe(each.note or ""), Style.DIM),
        ]
        for each in records
    ]
    return lay_out(_RECORDS, rows, columns_wide=screen.columns, colour=screen.colour, indent=4, titles=False)


def _who(each: DecisionDetail | RecordedView) -> str:
    if each.source == "default":
        return "default"
    return safe(f"{each.who or 'unknown'} on {each.host}" if each.host else each.who, limit=40)


def _json(value: Raw | UnsetType) -> str:
    return "" if isinstance(value, UnsetType) else safe(bytes(value).decode(), limit=300)
