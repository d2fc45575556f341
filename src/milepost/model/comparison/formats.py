"""A comparison as plain text, Markdown or HTML: the subjects side by side, or a line for each when they are many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from milepost.model.comparison.lines import Comparison
from milepost.model.comparison.wording import alike, labels, sections, turned
from milepost.model.text import clip_apart, inert, width

BESIDE = 6  # subjects; more of them are lines
_CELL = 48  # columns of plain text: longer values are cut where they differ
_SPECIAL = re.compile(r"[\\|`*\[\]<>#]|(?<!\w)_|_(?!\w)")


class _Table(NamedTuple):
    titles: tuple[str, ...]  # of all columns, the first of which has the labels
    rows: list[tuple[str, ...]]  # a single text is a heading
    note: str


def plain(comparison: Comparison, *, everything: bool = False) -> str:
    """Text with columns under each other."""
    table = _table(comparison, everything)
    cut = [row if len(row) == 1 else (row[0], *clip_apart(row[1:], [_CELL] * len(row[1:]))) for row in table.rows]
    lines = [table.titles, *cut]
    widths = [max(map(width, cells)) for cells in zip(*(row for row in lines if len(row) > 1), strict=True)]
    text = "\n".join(_aligned(row, widths) for row in lines)
    return f"{text}\n\n{table.note}" if table.note else text


def markdown(comparison: Comparison, *, everything: bool = False) -> str:
    """A table as GitHub and most others read it."""
    table = _table(comparison, everything)
    blank = [""] * (len(table.titles) - 1)
    lines = [_piped(map(_escaped, table.titles)), _piped([":--", *["--:" for _ in blank]])]
    for row in table.rows:
        cells = [_escaped(cell) for cell in row]
        lines.append(_piped(cells if len(cells) > 1 else [f"**{cells[0]}**", *blank]))
    return "\n".join([*lines, "", table.note] if table.note else lines)


def html(comparison: Comparison, *, everything: bool = False) -> str:
    """A table for a notebook. Every text in it is escaped."""
    table = _table(comparison, everything)
    head = "".join(_tag("th", title, at, scope="col") for at, title in enumerate(table.titles))
    body = "\n".join(f"<tr>{_html_row(row, len(table.titles))}</tr>" for row in table.rows)
    note = f"<caption style='caption-side:bottom'>{_quoted(table.note)}</caption>" if table.note else ""
    return (
        f"<table class='milepost-comparison'>{note}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    )


def _html_row(row: Sequence[str], columns: int) -> str:
    if len(row) == 1:
        return f"<th colspan='{columns}' style='text-align:left'>{_quoted(row[0])}</th>"
    return _tag("th", row[0], 0, scope="row") + "".join(_tag("td", cell, 1) for cell in row[1:])


def _tag(name: str, text: str, at: int, scope: str = "") -> str:
    said = f" scope='{scope}'" if scope else ""
    return f"<{name}{said} style='text-align:{'right' if at else 'left'}'>{_quoted(text)}</{name}>"


def _quoted(text: str) -> str:
    from html import escape

    return escape(text)


def _table(comparison: Comparison, everything: bool) -> _Table:
    found = sections(comparison, everything=everything)
    names = labels(comparison)
    if len(names) > BESIDE:
        columns = turned(found, everything=everything)
        lines = [(name, *(row.texts[at] for _, row in columns)) for at, name in enumerate(names)]
        return _Table(("", *(title for title, _ in columns)), lines, alike(found))
    has_change = any(row.change for section in found for row in section.rows)
    rows: list[tuple[str, ...]] = []
    for section in found:
        if section.title and section.rows:
            rows.append((section.title,))
        rows += [(row.label, *row.texts, *([row.change] if has_change else [])) for row in section.rows]
    return _Table(("", *names, *(["change"] if has_change else [])), rows, alike(found))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [" " * (wide - width(text)) + text for text, wide in zip(row[1:], widths[1:], strict=False)]
    return "  ".join([row[0] + " " * (widths[0] - width(row[0])), *cells]).rstrip()


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found[0], text.replace("&", "&amp;"))


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def csv(comparison: Comparison) -> list[str]:
    """A line for each subject under one of titles, with every value as it is: decisions as JSON, times in seconds."""
    from csv import writer
    from io import StringIO

    columns = comparison.columns
    told: list[tuple[str, Sequence[object]]] = [
        ("subject", [it.label for it in columns]),
        ("run", [it.run for it in columns]),
        ("process", [it.process for it in columns]),
        ("state", [it.state and it.state.value for it in columns]),
        ("created_at", [it.created_at and it.created_at.isoformat() for it in columns]),
        ("seconds", [it.seconds for it in columns]),
        ("stages_reused", [it.stages_reused for it in columns]),
        ("saved_seconds", [it.saved_seconds for it in columns]),
        ("items_failed", [it.items_failed for it in columns]),
        *((line.path, line.values) for line in comparison.decisions),
        *((line.path, line.values) for line in comparison.metrics),
        *((f"{line.path} seconds", line.seconds) for line in comparison.stages),
    ]
    text = StringIO()
    lines = writer(text, lineterminator="\n")
    lines.writerow([inert(title) for title, _ in told])
    lines.writerows([inert(values[at]) for _, values in told] for at in range(len(columns)))
    return text.getvalue().splitlines()
