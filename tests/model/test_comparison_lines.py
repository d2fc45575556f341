"""What comparing promises: which lines differ, how numbers stand beside each other, and that no text can act."""

from __future__ import annotations

from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.model.comparison.figures import change, figures
from milepost.model.comparison.formats import BESIDE, csv, html, markdown, plain
from milepost.model.comparison.lines import Comparison, DecisionLine, compare_subjects
from milepost.model.comparison.subjects import UNKNOWN, Subject, Value, unique_labels
from milepost.model.comparison.wording import sections
from milepost.model.rows import RunRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.model.text import clip_apart, width

EVIL = "<img src=x onerror=alert(1)>|`a`\n\x1b[2J[b](c)"


def subject(label: str = "a", decisions: dict[tuple[str, str], str | Value] | None = None, **metrics: float) -> Subject:
    run = RunRow(id=label, name=label, process="sales", decisions_hash="", created=0.0, state=RunState.COMPLETED)
    stage = StageRow(
        run=label, stage="score", epoch=1, process="sales", state=StageState.COMPLETED, seconds=2.0,
        metrics=msgspec.json.encode(metrics).decode(),
    )  # fmt: skip
    values = {path: Value(value) if isinstance(value, str) else value for path, value in (decisions or {}).items()}
    return Subject(
        label=label, decisions=values, process="sales", run=run, state=run.state, seconds=2.0, stages=(stage,)
    )


def decisions(*values: str | Value | None) -> list[DecisionLine]:
    """The lines of one decision that has these values."""
    each = [subject(str(at), {} if value is None else {("s", "d"): value}) for at, value in enumerate(values)]
    return list(compare_subjects(each).decisions)


def test_the_order_of_an_objects_entries_is_no_difference() -> None:
    """Nor at any depth."""
    assert not any(line.differs for line in decisions('{"a":{"x":1,"y":2},"b":1}', '{"b":1,"a":{"y":2,"x":1}}'))


def test_a_decision_of_objects_differs_entry_by_entry() -> None:
    """Only the entry that is another, or that one does not have, is a difference."""
    lines = decisions('{"m":{"depth":4,"rate":0.1},"n":1}', '{"m":{"depth":5,"rate":0.1}}')
    assert [(line.path, line.values) for line in lines if line.differs] == [
        ("s.d.m.depth", ("4", "5")),
        ("s.d.n", ("1", None)),
    ]
    assert [line.path for line in lines if not line.differs] == ["s.d.m.rate"]


def test_an_object_beside_something_else_is_one_line() -> None:
    """There is nothing to compare entry by entry."""
    assert [(line.path, line.differs) for line in decisions('{"a":1}', "3", None)] == [("s.d", True)]


@pytest.mark.parametrize(("one", "other"), [("1", "true"), ("null", None), ("1", '"1"'), ("0", "null")])
def test_what_python_might_take_for_equal_differs(one: str, other: str | None) -> None:
    """A number is no truth value, a null is not nothing."""
    assert decisions(one, other)[0].differs


def test_masked_values_are_told_apart_by_what_they_are_and_stay_masked() -> None:
    """The first of them is value 1 wherever it stands."""
    (line,) = decisions(Value('"***"', "x"), Value('"***"', "y"), Value('"***"', "x"))
    assert line.differs
    assert line.values == ('"*** (value 1)"', '"*** (value 2)"', '"*** (value 1)"')


def test_a_masked_value_that_cannot_be_told_apart_makes_no_difference() -> None:
    """Unless the others differ, or one has none."""
    assert not decisions(Value('"***"', UNKNOWN), Value('"***"', "x"))[0].differs
    assert decisions(Value('"***"', UNKNOWN), None)[0].differs
    assert decisions(Value('"***"', UNKNOWN), Value('"***"', "x"), Value('"***"', "y"))[0].differs


def test_labels_are_unique_whatever_they_are() -> None:
    """Also where a label looks like one that was made."""
    assert unique_labels(["a", "a (2)", "a", "a"]) == ["a", "a (2)", "a (3)", "a (4)"]


@given(st.lists(st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_different_numbers_never_look_the_same(values: list[float | None]) -> None:
    """As many digits are shown as that takes."""
    texts = figures(values)
    for value, text in zip(values, texts, strict=True):
        assert (value is None) == (text == "")
        for other, like in zip(values, texts, strict=True):
            assert value == other or text != like


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.912, 0.9374], ["0.9120", "0.9374"]),
        ([1204331.26, 98.5], ["1,204,331.3", "98.5"]),
        ([3, 12000], ["3", "12,000"]),
        ([1.0, 2.0], ["1.0", "2.0"]),
        ([1e-9, 2.0], ["1e-09", "2"]),
    ],
)
def test_numbers_of_a_line_have_the_same_decimals(values: list[float], texts: list[str]) -> None:
    """A float keeps one, to tell it from a count."""
    assert figures(values) == texts


@pytest.mark.parametrize("values", [(0, 5), (None, 1), (1, None), (2, 2), (1.0, 1.0000001), (float("inf"), 1.0)])
def test_a_change_that_says_nothing_is_left_out(values: tuple[float | None, float | None]) -> None:
    """From nothing there are no percents."""
    assert change(values) == ""


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((1e-9, 123456789.0), "×1.2e+17"),
        ((4.0, 4004.0), "×1,001"),
        ((4.0, 4000.0), "+99,900 %"),
        ((-1.0, -2000.0), "×2,000"),
        ((-1.0, 2000.0), ""),
        ((-2.0, -1.0), "+50 %"),
        ((2.0, -1.0), "-150 %"),
        ((1e-300, 1e300), ""),
    ],
)
def test_a_change_by_very_much_is_said_as_a_multiple(values: tuple[float, float], text: str) -> None:
    """Percents with more digits than the numbers themselves would say nothing."""
    assert text == change(values)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4), st.integers(min_value=1, max_value=40))
def test_texts_are_cut_to_their_columns(texts: list[str], columns: int) -> None:
    """Whatever they hold."""
    assert all(width(text) <= columns for text in clip_apart(texts, [columns] * len(texts)))


def test_long_values_are_cut_where_they_differ() -> None:
    """The same beginning of two paths says nothing."""
    paths = [f'"/data/warehouse/2024/{month}/orders.csv"' for month in ("january", "february")]
    assert clip_apart(paths, [20, 20]) == ['…january/orders.csv"', "…february/orders.cs…"]
    assert clip_apart(["brisk-otter-1", "brisk-otter-2"], [12, 12]) == ["…isk-otter-1", "…isk-otter-2"]


class Cells(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def evil() -> Comparison:
    """Every text that a user writes, hostile."""
    one = subject(EVIL, {("s" + EVIL, "d" + EVIL): msgspec.json.encode(EVIL).decode()}, **{"m" + EVIL: 1.5})
    return compare_subjects([msgspec.structs.replace(one, cause=EVIL, scenario=EVIL), subject("b")])


def test_html_has_no_tags_but_its_own() -> None:
    """Names, decisions, metrics and causes are texts there."""
    cells = Cells(html(evil(), everything=True))
    assert cells.tags <= {"table", "thead", "tbody", "tr", "th", "td", "caption"}
    assert any("<img" in text for text in cells.texts)


def test_markdown_keeps_its_columns_and_shows_no_html() -> None:
    """A pipe, a line break or a tag in a text stays in its cell as it is."""
    lines = markdown(evil(), everything=True).splitlines()
    table = [line for line in lines if line.startswith("|")]
    counts = {line.replace("\\\\", "").replace("\\|", "").count("|") for line in table}
    assert len(counts) == 1
    assert not any("<img" in line.replace("\\<", "") for line in lines)
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("told", [plain, lambda it, **_: "\n".join(csv(it)), markdown, html])
def test_no_text_acts_on_a_terminal(told: object) -> None:
    """Controls are written as escapes."""
    text = told(evil(), everything=True)  # type: ignore[operator]
    assert "\x1b" not in text


def test_csv_carries_out_no_formula() -> None:
    """A name that begins like one is mere text; a number stays one."""
    lines = csv(compare_subjects([subject("=1+1", {("s", "d"): "-0.5"}), subject("@a")]))
    assert lines[1].startswith("'=1+1,")
    assert ",-0.5," in lines[1]
    assert lines[2].startswith("'@a,")


def test_many_subjects_are_a_line_each() -> None:
    """So a table of a thousand stays readable."""
    few = [subject(f"run-{n}", {("s", "d"): str(n)}, auc=n / 3) for n in range(BESIDE)]
    assert plain(compare_subjects(few)).splitlines()[0].split()[:2] == ["run-0", "run-1"]
    many = plain(compare_subjects([*few, subject("run-9")])).splitlines()
    assert many[0].split()[:2] == ["s.d", "score.auc"]
    assert many[1].split()[0] == "run-0"


def test_only_what_differs_is_told_and_the_rest_is_counted() -> None:
    """Everything on request."""
    both = {("s", "same"): "1", ("s", "other"): "2"}
    comparison = compare_subjects([subject("a", both, auc=0.5), subject("b", {**both, ("s", "other"): "3"}, auc=0.5)])
    text = plain(comparison)
    assert "s.other" in text
    assert "s.same" not in text
    assert "the same in all: 1 decision, 1 metric, 1 stage" in text
    assert "s.same" in plain(comparison, everything=True)


def test_two_numbers_show_by_how_much_they_differ() -> None:
    """Of three there is nothing to say it of."""
    two = sections(compare_subjects([subject("a", auc=0.5), subject("b", auc=0.6)]))
    assert [row.change for section in two for row in section.rows if row.label == "score.auc"] == ["+20 %"]
    three = sections(compare_subjects([subject(name, auc=at / 7) for at, name in enumerate("abc")]))
    assert not any(row.change for section in three for row in section.rows)
