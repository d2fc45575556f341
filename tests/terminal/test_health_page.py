"""What `milepost health` shows: one word, then a line a check, the worst first, in any width."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from milepost.health import CheckResult, HealthReport, HealthStatus
from milepost.terminal.health import health_page
from milepost.terminal.style import Screen
from milepost.terminal.text import width
from milepost.views.health import HealthView, health_view

HEALTHY, WARNING, UNKNOWN, CRITICAL = HealthStatus


def check(name: str, status: HealthStatus, text: str = "", **more: Any) -> CheckResult:
    return CheckResult(**{"name": name, "status": status, "found": status, "text": text, **more})


def view(*checks: CheckResult, **more: Any) -> HealthView:
    status = max((each.status for each in checks), default=HEALTHY)
    return health_view(HealthReport(status=status, timestamp=datetime(2026, 1, 1, tzinfo=UTC), checks=checks, **more))


TROUBLED = view(
    check("store", HEALTHY, "written and read in 3 ms"),
    check("disk", WARNING, "400 MB free of 271 GB; make room, or see `milepost gc`"),
    check("documents", CRITICAL, "30 of 40 attempts failed in the last 5 min (75%), the last at extract of a: x"),
    check("mail server", UNKNOWN, "no answer for 5.0 s; it is not asked again until it has answered"),
    check("cpu", HEALTHY, "9 want to work on 2 cores", found=WARNING),
    total_docs=40,
    error_rate=0.75,
    avg_processing_time=1.5,
)  # fmt: skip


def test_the_worst_check_comes_first_and_the_whole_stands_above() -> None:
    lines = health_page(TROUBLED, Screen(columns=160))
    assert lines[0] == "✗ critical  40 documents in the last hour, 75.0% of attempts failed, 1.5 s each"
    assert [line[2:].split("  ")[0] for line in lines[2:]] == [
        "✗ documents", "? mail server", "▲ disk", "● store", "● cpu",
    ]  # fmt: skip


def test_a_look_that_does_not_count_yet_is_remarked() -> None:
    assert "(warning at this look; not yet in a row)" in health_page(TROUBLED, Screen(columns=160))[-1]
    cached = view(check("slow", HEALTHY, "fine", is_cached=True))
    assert health_page(cached, Screen())[-1] == "  ● slow  fine (asked before)"


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_window(columns: int) -> None:
    """Where a text has no room beside its check it stands below it; nothing is left out."""
    lines = health_page(TROUBLED, Screen(columns=columns))
    assert all(width(line) <= columns for line in lines)
    said = " ".join(" ".join(lines).split())
    assert all(word in said for word in ("milepost gc", "not asked again until", "extract of a: x"))


def test_without_unicode_and_colour_it_is_plain() -> None:
    lines = health_page(TROUBLED, Screen(unicode=False))
    assert all(line.isascii() for line in lines)
    assert lines[0].startswith("x critical")


def test_colours_are_there_where_they_are_wanted() -> None:
    assert health_page(TROUBLED, Screen(colour=True))[0].startswith("\x1b[31m✗\x1b[0m")


def test_a_name_or_text_cannot_act_on_the_terminal() -> None:
    evil = view(check("a\x1b[2Jb", WARNING, "c\x1b]0;x\x07\nd"))
    assert not any(sign in line for line in health_page(evil, Screen()) for sign in ("\x1b", "\x07", "\n"))


def test_one_cause_is_told_once() -> None:
    """Checks that could not look since the ledger cannot be opened name the check that says why."""
    why = "ledger /a/b/ledger.db: no space is left on its disk"
    shown = health_page(
        view(
            check("store", CRITICAL, why),
            check("documents", UNKNOWN, f"could not look: {why}"),
            check("mail server", UNKNOWN, "could not look: it is away"),
        ),
        Screen(columns=120),
    )
    assert [line.split("  ")[-1] for line in shown[2:]] == [
        why,
        "could not look, see store",
        "could not look: it is away",
    ]
