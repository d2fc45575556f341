"""`compare`: subjects side by side while they fit, else in groups or with a line for each."""

from __future__ import annotations

from collections.abc import Sequence

from milepost.model.comparison.lines import Comparison
from milepost.model.comparison.wording import Row, Section, labels, sections
from milepost.terminal.style import STATE_STYLES, Screen, Style
from milepost.terminal.table import Cell, lay_out
from milepost.terminal.table import Column as TableColumn
from milepost.terminal.text import age, counted, listed, wrapped

_LEAST = 10  # columns: a value may be cut to so many
_LABEL = 12


def comparison_page(comparison: Comparison, screen: Screen, now: float, *, everything: bool = False) -> list[str]:
    """The whole page: what differs, and how much does not."""
    found = sections(comparison, everything=everything, begun=lambda at: age(at, now))
    lines = _side_by_side(labels(comparison), found, screen)
    alike = [counted(section.alike, section.title.removesuffix("s")) for section in found if section.alike]
    if alike:
        told = wrapped(f"the same in all: {listed(alike)} (--all shows them)", screen.columns)
        lines += ["", *(screen.paint(line, Style.DIM) for line in told)]
    return lines


def _side_by_side(titles: Sequence[str], found: Sequence[Section], screen: Screen) -> list[str]:
    columns = [
        TableColumn("", least=_LABEL),
        *(TableColumn(title, right=True, least=_LEAST) for title in titles),
        TableColumn("", rank=1, right=True),
    ]
    rows = []
    for section in found:
        if section.title and section.rows:
            rows.append([Cell(section.title, Style.DIM), *[Cell("")] * (len(titles) + 1)])
        rows += [_cells(row, indent=2 if section.title else 0) for row in section.rows]
    return lay_out(columns, rows, columns_wide=screen.columns, colour=screen.colour)


def _cells(row: Row, indent: int) -> list[Cell]:
    return [
        Cell(" " * indent + row.label),
        *(Cell(text, STATE_STYLES.get(text, Style.PLAIN)) for text in row.texts),
        Cell(row.change, Style.DIM),
    ]
