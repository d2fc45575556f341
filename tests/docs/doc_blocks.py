"""The code blocks of a Markdown page, and the pages there are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
RUN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]  # their blocks are carried out
PAGES = [*RUN, *DECISIONS, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md"]

_FENCE = re.compile(r"^```(\w*)$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")
_FILE = re.compile(r"^# ([\w./-]+\.\w+)$")


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is the number of its first line of text, from 1."""

    language: str
    lines: tuple[str, ...]
    line: int
    not_run: str | None = None

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def file(self) -> str | None:
        """The file that the block is, when its first line says so."""
        match = _FILE.match(self.lines[0]) if self.lines else None
        return match[1] if match else None


@dataclass(frozen=True)
class Command:
    """A command of a console block with the output that the page shows."""

    text: str
    shown: tuple[str, ...]
    line: int  # of the command's first line


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    return list(_blocks(page.read_text(encoding="utf-8").splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    inside: Block | None = None
    before = ""
    for number, line in enumerate(lines, start=1):
        if inside is not None and line == "```":
            yield inside
            inside = None
        elif inside is not None:
            inside = replace(inside, lines=(*inside.lines, line))
        elif fence := _FENCE.match(line):
            marked = _NOT_RUN.match(before)
            inside = Block(fence[1], (), number + 1, marked[1] if marked else None)
        before = line
    assert inside is None, "a block that is not closed"


def commands(block: Block) -> list[Command]:
    """The commands of a console block: what follows `$ `, continued after a backslash, then its output."""
    found: list[Command] = []
    goes_on = False
    for number, line in enumerate(block.lines, start=block.line):
        if goes_on:
            last = found[-1]
            found[-1] = replace(last, text=f"{last.text}\n{line.removeprefix('> ')}")
        elif line.startswith("$ "):
            found.append(Command(line[2:], (), number))
        else:
            assert found, f"line {number}: output before the first command"
            found[-1] = replace(found[-1], shown=(*found[-1].shown, line))
        goes_on = (goes_on or line.startswith("$ ")) and line.endswith("\\")
    return found
