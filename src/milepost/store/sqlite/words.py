"""Runs, step names and stage keys as small integers, which steps hold instead of the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import cast

import apsw

from milepost.store.sqlite.columns import Cell, from_text, text_cell
from milepost.store.sqlite.queries import fetch

UNKNOWN = -1


class Words:
    """What this process knows of the table `words`. Only committed rows are remembered, and none is ever deleted."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._texts: dict[int, str] = {0: ""}

    def numbers(self) -> Mapping[str, int]:
        """Text to number, of those known."""
        return self._numbers

    def texts(self) -> Mapping[int, str]:
        """Number to text, of those known."""
        return self._texts

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Those of these that this process does not know yet."""
        return [text for text in texts if text not in self._numbers]

    def add(self, connection: apsw.Connection, texts: Sequence[str]) -> list[tuple[int, str]]:
        """Make rows for these inside the open transaction; `remember` them when it has committed."""
        for text in texts:
            connection.execute("INSERT INTO words (text) VALUES (?) ON CONFLICT DO NOTHING", (text_cell(text),))
        return self.look_up(connection, texts)

    def look_up(self, connection: apsw.Connection, texts: Sequence[str]) -> list[tuple[int, str]]:
        """The rows of these texts, where there is one."""
        found: list[tuple[int, str]] = []
        for text in texts:
            rows = fetch(connection, "SELECT id FROM words WHERE text = ?", (text_cell(text),))
            found.extend((cast(int, row[0]), text) for row in rows)
        return found

    def remember(self, rows: Iterable[tuple[int, str]]) -> None:
        """Keep these, which are committed."""
        for number, text in rows:
            self._numbers[text] = number
            self._texts[number] = text

    def number(self, connection: apsw.Connection, text: str) -> int:
        """The number of a text, UNKNOWN when no step has it."""
        if text not in self._numbers:
            self.remember(self.look_up(connection, [text]))
        return self._numbers.get(text, UNKNOWN)

    def learn(self, connection: apsw.Connection, numbers: Set[Cell]) -> None:
        """Have the texts of these numbers known; a damaged one stays unknown, and steps with it do not count."""
        for number in numbers - self._texts.keys():
            with suppress(UnicodeDecodeError):
                for row in fetch(connection, "SELECT text FROM words WHERE id = ?", (number,)):
                    self.remember([(cast(int, number), from_text(cast(str, row[0])))])
