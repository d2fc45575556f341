"""`compare`: subjects side by side, in groups where they do not all fit, or a line for each where that is shorter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from milepost.model.comparison.lines import Comparison
from milepost.model.comparison.wording import ABSENT, Row, Section, alike, labels, sections, turned
from milepost.model.text import clip_apart
from milepost.terminal.style import STATE_STYLES, Screen, Style
from milepost.terminal.table import GAP
from milepost.terminal.text import age, clip, width, wrapped

_LABEL, _VALUE = 12, 9  # columns: nothing is cut to fewer
_LONG = 30  # a longer value is cut before the subjects are shown in groups
_FEW = 3  # so many stand side by side in any case


class _Line(NamedTuple):
    """A line of the grid before it is cut: its label, and a text for each subject."""

    label: str
    texts: tuple[str, ...]
    change: str = ""
    style: Style = Style.PLAIN


def comparison_page(comparison: Comparison, screen: Screen, now: float, *, everything: bool = False) -> list[str]:
    """The whole page: what differs, and how much does not."""
    found = sections(comparison, everything=everything, begun=lambda at: age(at, now))
    names = tuple(labels(comparison))
    lines = _beside([_Line("", names, style=Style.BOLD), *_grid(found, len(names), everything)], screen)
    if len(names) > _FEW:
        lines = min(lines, _turned(names, turned(found, everything=everything), screen), key=len)
    marks = any(_is_marked(row, section, everything) for section in found for row in section.rows)
    notes = ["* differs"] if marks and not all(row.differs for section in found for row in section.rows) else []
    notes += [f"{alike(found)} (milepost compare --all shows them)"] if alike(found) else []
    told = [line for note in notes for line in wrapped(note, screen.columns)]
    return [*lines, *([""] if told else []), *(screen.paint(line, Style.DIM) for line in told)]


def _grid(found: Sequence[Section], subjects: int, everything: bool) -> Iterator[_Line]:
    for section in found:
        if section.title and section.rows:
            yield _Line(section.title, ("",) * subjects, style=Style.DIM)
        for row in section.rows:
            mark = "* " if _is_marked(row, section, everything) else "  " if section.title else ""
            yield _Line(mark + row.label, row.texts, row.change)


def _is_marked(row: Row, section: Section, everything: bool) -> bool:
    return everything and row.differs and section.title in ("decisions", "metrics")


def _beside(grid: Sequence[_Line], screen: Screen) -> list[str]:
    """A column for each subject, as many at once as the screen holds."""
    label = max(width(line.label) for line in grid)
    natural = [max(width(text) for text in texts) for texts in zip(*(line.texts for line in grid), strict=True)]
    change = max(width(line.change) for line in grid)
    if change and label + change + sum(natural) + GAP * (len(natural) + 1) <= screen.columns:
        widths = [label, *natural, change]
        return [_painted((line.label, *line.texts, line.change), widths, line.style, screen) for line in grid]
    lines: list[str] = []
    for at, until in _groups([min(each, _LONG) for each in natural], min(label, _LONG), screen.columns):
        spare = min(screen.columns * 2 // 5, screen.columns - (_VALUE + GAP) * (until - at))
        least = [min(label, max(_LABEL, spare)), *[_VALUE] * (until - at)]
        widths = _shares([label, *natural[at:until]], least, screen.columns)
        lines += [""] if lines else []
        for line in grid:
            texts = clip_apart(line.texts[at:until], widths[1:])
            lines.append(_painted((clip(line.label, widths[0]), *texts), widths, line.style, screen))
    return lines


def _groups(natural: Sequence[int], label: int, room: int) -> Iterator[tuple[int, int]]:
    """Which columns stand beside each other: all of a few, else as many as can be shown whole, at least one."""
    least = min(label, _LABEL) + len(natural) * (_VALUE + GAP)
    if len(natural) <= _FEW and least <= room:
        yield 0, len(natural)
        return
    start, used = 0, label
    for at, wide in enumerate(natural):
        if at > start and used + GAP + wide > room:
            yield start, at
            start, used = at, label
        used += GAP + wide
    yield start, len(natural)


def _shares(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The widths, the widest made narrower until all fit or none may be."""
    widths = list(natural)
    while sum(widths) + GAP * (len(widths) - 1) > room:
        at = max(range(len(widths)), key=lambda at: (widths[at] > least[at], widths[at]))
        if widths[at] <= least[at]:
            break
        widths[at] -= 1
    return widths


def _turned(names: Sequence[str], rows: Sequence[tuple[str, Row]], screen: Screen) -> list[str]:
    """A line for each subject, with as many columns at once as the screen holds."""
    label = min(max(map(width, names)), _LONG, screen.columns // 2)
    room = max(screen.columns - label - GAP, _VALUE)
    heads = [tuple(clip(text, room) for text in _in_two(title)) for title, _ in rows]
    natural = [
        min(max(*map(width, head), *(min(width(text), _LONG) for text in row.texts)), room)
        for head, (_, row) in zip(heads, rows, strict=True)
    ]
    cut = [clip_apart(row.texts, [wide] * len(names)) for (_, row), wide in zip(rows, natural, strict=True)]
    lines: list[str] = []
    for at, until in _groups(natural, label, screen.columns):
        widths = [label, *natural[at:until]]
        lines += [""] if lines else []
        above, below = zip(*heads[at:until], strict=True)
        lines += [_painted(("", *texts), widths, Style.DIM, screen) for texts in (above, below) if any(texts)]
        for number, name in enumerate(clip_apart(names, [label] * len(names))):
            texts = (column[number] for column in cut[at:until])
            lines.append(_painted((name, *texts), widths, Style.BOLD, screen))
    return lines


def _in_two(title: str) -> tuple[str, str]:
    """A title over its column: the stage above, the name of what it has below; words in two lines."""
    above, point, below = title.partition("." if "." in title else " ")
    return (above, below) if point else ("", title)


def _painted(cells: Sequence[str], widths: Sequence[int], style: Style, screen: Screen) -> str:
    """One line: the label to the left, all else to the right."""
    label, *texts = cells
    head = style in (Style.DIM, Style.BOLD) and not label
    parts = [screen.paint(label, style) + " " * (widths[0] - width(label))]
    for text, wide in zip(texts, widths[1:], strict=True):
        look = style if head else STATE_STYLES.get(text, Style.DIM if text == ABSENT else Style.PLAIN)
        parts.append(" " * (wide - width(text)) + screen.paint(text, look))
    return (" " * GAP).join(parts).rstrip()
