"""What the tables of `compare` and `decisions` promise at every width."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from msgspec import UNSET, Raw

from milepost.model.comparison.lines import Comparison, compare_subjects
from milepost.model.comparison.subjects import Subject, Value
from milepost.model.rows import RunRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.terminal.compare import comparison_page
from milepost.terminal.decisions import decisions_page
from milepost.terminal.style import Screen
from milepost.terminal.text import width
from milepost.views.decisions import DecisionDetail, DecisionsView, RecordedView

NOW = 1_700_000_000.0
WIDTHS = [40, 50, 60, 80, 100, 160]


def subject(number: int, *, state: RunState = RunState.COMPLETED, cause: str | None = None) -> Subject:
    run = RunRow(id=str(number), name=f"brisk-otter-{number}", process="sales", decisions_hash="d", created=NOW - 60)
    decisions = {
        ("orders", "path"): json.dumps(f"/data/warehouse/exports/2024/{number:02}/orders.csv"),
        ("score", "threshold"): str(number / 10),
        ("score", "kind"): '"tree"',
    }
    stages = (
        StageRow(run=run.id, stage="orders", epoch=1, process="sales", state=StageState.REUSED, seconds=0.0),
        StageRow(
            run=run.id, stage="score", epoch=1, process="sales", state=StageState.COMPLETED, seconds=7.0 + number,
            position=1, items_failed=number, metrics=json.dumps({"auc": 0.9 + number / 1000, "rows": 1000 * number}),
        ),
    )  # fmt: skip
    return Subject(
        label=run.name, process="sales", run=run, state=state, cause=cause, seconds=10.0 + number, saved_seconds=60.0,
        decisions={path: Value(text) for path, text in decisions.items()}, stages=stages,
    )  # fmt: skip


def comparison(count: int) -> Comparison:
    return compare_subjects([subject(number) for number in range(1, count + 1)])


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("everything", [False, True])
def test_no_line_is_wider_than_the_screen(columns: int, count: int, everything: bool) -> None:
    """However many subjects there are."""
    lines = comparison_page(comparison(count), Screen(columns=columns), NOW, everything=everything)
    assert max(map(width, lines)) <= columns


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("count", [2, 4, 20])
def test_every_difference_is_on_the_page(columns: int, count: int) -> None:
    """Each threshold and metric of each subject, in groups or lines where they do not fit side by side."""
    text = "\n".join(comparison_page(comparison(count), Screen(columns=columns), NOW))
    for number in range(1, count + 1):
        assert f"otter-{number}" in text
        assert f"{number / 10}" in text
        assert f"{number * 1000:,}" in text


def test_what_is_cut_is_cut_where_it_differs() -> None:
    """Paths with one beginning can be told apart."""
    text = "\n".join(comparison_page(comparison(2), Screen(columns=60), NOW))
    assert "01/orders.csv" in text
    assert "02/orders.csv" in text


def test_two_stand_side_by_side_with_their_change() -> None:
    """Numbers to the right, what differs in percent, what is the same counted."""
    lines = comparison_page(comparison(2), Screen(columns=120), NOW)
    assert lines[0].split() == ["brisk-otter-1", "brisk-otter-2"]
    (auc,) = [line for line in lines if "score.auc" in line]
    assert auc.split() == ["score.auc", "0.901", "0.902", "+0.1", "%"]
    (took,) = [line for line in lines if line.startswith("took")]
    assert took.split("  ")[-1] == "+9.1 %"
    assert lines[-1] == "the same in all: 1 decision, 1 stage (milepost compare --all shows them)"


def test_many_are_a_line_each_with_what_was_decided_first() -> None:
    """And their titles in two lines: the stage above, the name below."""
    lines = comparison_page(comparison(20), Screen(columns=120), NOW)
    assert lines[0].split() == ["orders", "score", "score", "score", "stages", "items"]
    assert lines[1].split() == ["path", "threshold", "auc", "rows", "took", "reused", "failed"]
    assert lines[2].startswith("brisk-otter-1 ")
    assert len(lines) == 2 + 20 + 2


def test_with_everything_what_differs_is_marked() -> None:
    """Also where there are no colours."""
    lines = comparison_page(comparison(2), Screen(columns=120), NOW, everything=True)
    assert [line.split()[0] for line in lines if line.startswith("  score.kind")] == ["score.kind"]
    assert any(line.startswith("* score.threshold") for line in lines)
    assert lines[-1] == "* differs"


def test_states_have_their_colours_and_a_scenario_without_a_run_says_so() -> None:
    """A cause has a line of its own."""
    dead = subject(1, state=RunState.INTERRUPTED, cause="killed")
    never = Subject(label="strict", process="sales", scenario="strict", decisions=dict(dead.decisions))
    lines = comparison_page(compare_subjects([dead, never]), Screen(columns=100, colour=True), NOW)
    assert any("\x1b[33minterrupted\x1b[0m" in line and "never run" in line for line in lines)
    assert any(line.startswith("cause") and "killed" in line for line in lines)


def test_no_text_acts_on_the_terminal() -> None:
    """Nor in a label, a path or a value."""
    evil = "a\x1b[2J\nb"
    one = Subject(label=evil, decisions={(evil, evil): Value(json.dumps(evil, ensure_ascii=False))})
    other = Subject(label="b", decisions={})
    for columns in (40, 120):
        text = "".join(comparison_page(compare_subjects([one, other]), Screen(columns=columns), NOW))
        assert "\x1b" not in text
        assert "\n" not in text


def detail(name: str, value: str, default: str | None = None, **more: object) -> DecisionDetail:
    given = {
        "differs": default != value, "source": "chosen", "who": "ann", "host": "lab", "note": None, "is_kept": True,
        "affects": ("score", "report", "mail", "archive"), "at": datetime.fromtimestamp(NOW - 60, UTC),
    }  # fmt: skip
    return DecisionDetail(
        stage="score",
        name=name,
        value=Raw(value.encode()),
        default=UNSET if default is None else Raw(default.encode()),
        **{**given, **more},  # type: ignore[arg-type]
    )


def page(*decisions: DecisionDetail, columns: int = 120) -> list[str]:
    view = DecisionsView(
        run="brisk-otter", id="i", process="sales", scenario=None, stages=(), total=len(decisions),
        differing=sum(each.differs for each in decisions), decisions=decisions,
    )  # fmt: skip
    return decisions_page(view, Screen(columns=columns), NOW)


def test_a_decision_says_who_chose_it_over_which_default_and_why() -> None:
    """One at its default says no more than its value and what it affects."""
    lines = page(
        detail("threshold", "0.8", "0.75", note="the auditors asked for it"),
        detail("kind", '"tree"', '"tree"', source="default"),
    )
    assert lines[0] == "brisk-otter  sales  2 decisions, * 1 not at the default"
    assert lines[2].split() == ["decision", "value", "default", "affects", "chosen", "by"]
    assert lines[3].split() == ("* score.threshold 0.8 0.75 score, report, mail +1 ann on lab, 1 min ago".split())
    assert lines[4] == "    the auditors asked for it"
    assert lines[5].split() == ["score.kind", '"tree"', "score,", "report,", "mail", "+1"]


@pytest.mark.parametrize("columns", [30, *WIDTHS])
def test_the_decisions_fit_every_width(columns: int) -> None:
    """The mark, the decision and its value stay."""
    note = "the auditors asked for two thirds, see the minutes of last week"
    lines = page(
        detail("threshold", "0.8", "0.75", note=note, who="someone-with-a-long-name"),
        detail("options", '{"depth":4,"rate":0.1,"kind":"tree"}', "{}"),
        columns=columns,
    )
    assert max(map(width, lines)) <= columns
    (threshold,) = [line for line in lines if line.startswith("* score.th")]
    assert "0.8" in threshold


def test_the_history_of_a_decision_stands_below_it() -> None:
    """Oldest first, with what was taken back."""
    at = datetime.fromtimestamp(NOW - 60, UTC)
    records = (
        RecordedView(value=Raw(b"1"), source="chosen", who="ann", host="lab", at=at, note="first"),
        RecordedView(source="removed", who="bob", host="lab", at=at, note=None),
    )
    lines = page(detail("threshold", "1", "2", source="removed", differs=False, history=records))
    assert "taken back" in lines[3]
    assert lines[4].split() == "1 min ago 1 ann on lab first".split()
    assert lines[5].split() == "1 min ago taken back bob on lab".split()


def test_a_hostile_note_does_nothing() -> None:
    """Nor does a name."""
    assert "\x1b" not in "".join(page(detail("a\x1b[2J", "1", "2", note="b\x1b[2J", who="c\x1b[2J")))


def test_a_run_without_decisions_says_so() -> None:
    """In one line."""
    assert page() == ["brisk-otter  sales  no decisions"]


def test_an_object_is_shown_entry_by_entry_beside_its_default() -> None:
    """Where it is not at its default; what the default lacks is blank, what the value lacks is absent."""
    lines = page(
        detail("options", '{"depth":9,"kind":"tree"}', '{"depth":4,"kind":"tree","rate":0.1}', note="deeper"),
        detail("same", '{"a":1}', '{"a":1}', source="default"),
    )
    assert lines[3].split()[:2] == ["*", "score.options"]
    assert "{" not in lines[3]
    assert [line.split() for line in lines[4:7]] == [
        [".depth", "9", "4"],
        [".kind", '"tree"'],
        [".rate", "absent", "0.1"],
    ]
    assert lines[7] == "    deeper"
    assert lines[8].split()[:2] == ["score.same", '{"a":1}']
