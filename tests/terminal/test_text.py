"""What words, figures and tables promise."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.terminal import text
from milepost.terminal.style import Screen, Style, screen_of
from milepost.terminal.table import Cell, Column, lay_out

NOW = 1_700_000_000.0


@given(st.text())
def test_no_text_can_act_on_a_terminal(given: str) -> None:
    """No control character, no reordering, no line break survives, and the result can be encoded."""
    shown = text.safe(given)
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in shown)
    assert not set(shown) & {"\u202e", "\u2066", "\u2028", "\u200b"}
    shown.encode()


def test_escapes_say_what_was_there() -> None:
    """A screen-clearing name is shown, not obeyed."""
    assert text.safe("a\x1b[2J\r\nb\u202e") == "a\\x1b[2J\\r\\nb\\u202e"
    assert text.safe("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.0 s"), (12.44, "12.4 s"), (59.96, "1 min 00 s"), (185, "3 min 05 s"), (3599.7, "1 h 00 min"),
        (7620, "2 h 07 min"), (90_000, "1 d 1 h"), (-3, "0.0 s"), (None, ""),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, shown: str) -> None:
    """Read as a person says them."""
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "1 s"), (44, "44 s"), (180, "3 min"), (8_000, "2 h 10 min"), (None, ""), (0, "0 s")]
)
def test_estimates_are_no_more_exact_than_they_are(seconds: float | None, shown: str) -> None:
    """No tenths of a second, no odd minutes beyond two hours."""
    assert text.rough(seconds) == shown


def test_ages() -> None:
    """A clock that went back is `0 s ago`."""
    at = datetime.fromtimestamp(NOW, UTC)
    assert text.age(at, NOW + 12) == "12 s ago"
    assert text.age(at, NOW - 50) == "0 s ago"
    assert text.age(at, NOW + 7200) == "2 h ago"
    assert text.age(at, NOW + 86_400) == "yesterday"
    assert text.age(at, NOW + 40 * 86_400) == "2023-11-14" or text.age(at, NOW + 40 * 86_400) == "2023-11-15"


def test_sizes_rates_and_lists() -> None:
    """In units that people use."""
    assert [text.size(n) for n in (812, 4_100_000, 142_000_000, 999_600, None)] == [
        "812 B", "4.1 MB", "142 MB", "1.0 MB", "",
    ]  # fmt: skip
    assert [text.rate(n) for n in (310.0, 4.2, 0.2, 0.001, 0, None)] == ["310/s", "4.2/s", "12/min", "3.6/h", "", ""]
    assert text.listed(["a", "b", "c"]) == "a, b and c"
    assert text.listed(["a"]) == "a"
    assert text.listed([str(n) for n in range(9)], most=2) == "0, 1 and 7 more"


COLUMNS = (Column("name", least=4), Column("state"), Column("extra", rank=2), Column("why", rank=1, least=6))


@given(st.lists(st.text(alphabet="abc漢é", max_size=40), min_size=4, max_size=4), st.integers(30, 200))
def test_no_line_is_wider_than_the_window(words: list[str], wide: int) -> None:
    """Columns give way by rank, long texts shrink, wide characters count double."""
    cells = [Cell(word) for word in (words[0], "running", words[2], words[3])]
    for line in lay_out(COLUMNS, [cells], columns_wide=wide, colour=False):
        assert text.width(line) <= wide


def test_the_highest_rank_goes_first() -> None:
    """And what must stay, stays."""
    cells = [Cell("score"), Cell("running"), Cell("e" * 30), Cell("because")]
    narrow = lay_out(COLUMNS, [cells], columns_wide=30, colour=False)
    assert "eeee" not in narrow[1]
    assert "because" in narrow[1]
    assert lay_out(COLUMNS, [cells], columns_wide=14, colour=False)[1].split() == ["score", "running"]


def test_empty_columns_are_left_out() -> None:
    """A table without reused items has no column for them."""
    cells = [Cell("score"), Cell("running"), Cell(""), Cell("")]
    assert lay_out(COLUMNS, [cells], columns_wide=80, colour=False)[0].split() == ["name", "state"]


def test_colours_do_not_change_the_layout() -> None:
    """A painted table without its escapes is the plain one."""

    cells = [Cell("score", Style.BOLD), Cell("running", Style.BLUE), Cell("x"), Cell("why", Style.DIM)]
    plain = lay_out(COLUMNS, [cells, cells], columns_wide=60, colour=False)
    painted = lay_out(COLUMNS, [cells, cells], columns_wide=60, colour=True)
    assert [re.sub(r"\x1b\[[0-9]*m", "", line).rstrip() for line in painted] == plain


class Terminal:
    encoding = "utf-8"

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        raise OSError


@pytest.mark.parametrize(
    ("is_terminal", "environment", "live", "colour"),
    [
        (True, {"TERM": "xterm"}, True, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        (True, {"TERM": "dumb"}, False, False),
        (False, {}, False, False),
        (False, {"FORCE_COLOR": "1"}, False, True),
    ],
)
def test_what_a_terminal_can_do_is_respected(
    is_terminal: bool, environment: dict[str, str], live: bool, colour: bool
) -> None:
    """NO_COLOR, TERM=dumb, pipes."""
    screen = screen_of(Terminal(is_terminal), environment)  # type: ignore[arg-type]
    assert (screen.live, screen.colour) == (live, colour)


def test_a_screen_is_as_wide_as_columns_says() -> None:
    """COLUMNS is obeyed."""
    assert screen_of(Terminal(False), {"COLUMNS": "45"}).columns == 45  # type: ignore[arg-type]
    assert Screen().paint("a", Style.RED) == "a"


def test_a_column_is_not_cut_below_what_is_wanted_while_others_can_go() -> None:
    """A name by which one asks on is worth more than a figure; where nothing else is left it is cut all the same."""
    columns = (Column("name", least=4, wanted=20), Column("items", rank=1))
    cells = [Cell("tranquil-viper"), Cell("60/120, 12 failed")]
    assert lay_out(columns, [cells], columns_wide=26, colour=False) == ["name", "tranquil-viper"]
    assert lay_out(columns, [cells], columns_wide=40, colour=False)[1] == "tranquil-viper  60/120, 12 failed"
    assert lay_out(columns, [cells], columns_wide=9, colour=False)[1] == "tranquil…"


@pytest.mark.parametrize("columns", range(20, 60))
def test_a_figure_stays_with_its_unit(columns: int) -> None:
    """Wherever a line is broken; and the text is the same."""
    told = "orders 1.2 s, clean 3 min 05 s and score 1,204 MB of 7 % in 2 h 07 min: 5 students"
    lines = text.wrapped(told, columns, indent=" ")
    assert " ".join(line.strip() for line in lines) == told
    assert [line for line in lines if re.match(r" +(?:s|min|h|MB|%)\b", line)] == []
