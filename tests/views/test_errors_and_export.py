"""What failed lately, grouped; items as files; and attempts that are over are not shown as waiting."""

import csv
import io
import json
import sys
import tracemalloc

import pytest

from milepost.errors import InvalidDataError, MissingExtra
from milepost.model.rows import RunRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.memory import MemoryStore
from milepost.store.sqlite import SqliteStore
from milepost.terminal.errors import errors_page
from milepost.terminal.style import Screen
from milepost.views import errors as errors_view
from milepost.views.errors import list_errors
from milepost.views.export import export, item_pages, write_csv, write_json
from milepost.views.items import list_items

AT = 1_700_000_000.0
P = ProcessingStatus


@pytest.fixture
def store():
    store = MemoryStore()
    store.write([RunRow(id="r1", name="brisk-otter", process="p", decisions_hash="loop", created=AT)])
    return store


def step(item, status, *, at=AT, run="r1", name="read", attempt=1, **more):
    return StepRow(run=run, step=name, item=item, status=status, attempt=attempt, at=at, **more)


def test_errors_are_grouped_by_type_and_shape(store):
    """Figures and quoted names do not tell groups apart; the commonest comes first, with times and examples."""
    store.write([
        *(step(f"b{n}", P.ERROR, at=AT + n, error=f"ValueError: row {n} of 'b{n}'") for n in range(5)),
        step("c", P.FAILED, at=AT + 9, error="ValueError: row 7 of 'c'", name="write"),
        step("d", P.FAILED, at=AT + 3, error="Failed to open: no such file", run=""),
        step("e", P.WARNING, at=AT + 4, error="no title"),
        step("f", P.ERROR, at=AT - 100, error="OSError: long ago"),
        step("g", P.FAILED, at=AT + 1),
        step("h", P.SUCCESS, at=AT + 1),
    ])  # fmt: skip
    first, *others = list_errors(store, since=AT)
    assert (first.kind, first.shape, first.count) == ("ValueError", "row # of …", 6)
    assert first.message == "ValueError: row 7 of 'c'"
    assert (first.first_at.timestamp(), first.last_at.timestamp()) == (AT, AT + 9)
    assert first.statuses == {"failed": 1, "error": 5}
    assert (first.steps, first.runs, first.items) == (("write", "read"), ("brisk-otter",), ("c", "b4", "b3"))
    assert {(group.kind, group.shape, group.message, group.runs) for group in others} == {
        ("", "Failed to open: no such file", "Failed to open: no such file", ("",)),
        ("", "", "failed without a message", ("brisk-otter",)),
    }


def test_a_group_says_which_of_its_names_are_not_all(store):
    """Several attempts of one item are one item; a page names more only where there are more."""
    store.write([step("a", P.ERROR, error="no", attempt=n) for n in (1, 2, 3, 4)])
    (group,) = list_errors(store, since=AT)
    assert (group.items, group.more) == (("a",), ())
    assert errors_page([group], Screen(), AT, since=AT - 60, limit=1)[-1] == "  a"
    store.write([step(f"b{n}", P.ERROR, error="no", run=f"r{n}", name=f"s{n}") for n in range(6)])
    (group,) = list_errors(store, since=AT)
    assert sorted(group.more) == ["items", "runs", "steps"]
    lines = errors_page([group, group], Screen(), AT, since=AT - 60, limit=1)
    assert [line.count(", …") for line in lines] == [0, 0, 0, 2, 1, 0, 0]
    assert lines[-1] == "1 more kind: -n 2"


@pytest.mark.parametrize(
    "last",
    [
        "given up after 1 attempt: ValueError: no",
        "given up after 3 attempts: ValueError: no",
        "ValueError: no (given up after 3 attempts)",
        "ValueError: no; given up after 3 times",
        "ValueError: no (not tried again: the loop had come to its end)",
    ],
)
def test_the_last_attempt_is_of_the_kind_of_those_before(store, last):
    """However a step, a loop or a death says that it was the last."""
    store.write([
        step("a", P.ERROR, error="ValueError: no"),
        step("a", P.FAILED, attempt=2, at=AT + 1, error=last),
    ])  # fmt: skip
    (group,) = list_errors(store, since=AT)
    assert (group.kind, group.shape, group.count, group.message) == ("ValueError", "no", 2, last)


def test_errors_are_chosen_by_time_run_step_and_with_warnings(store):
    store.write([
        step("a", P.ERROR, at=AT, error="A: x"),
        step("b", P.ERROR, at=AT + 1, error="B: x", name="write"),
        step("c", P.WARNING, at=AT + 2, error="C: x", run=""),
    ])  # fmt: skip

    def kinds(**choice):
        return {group.kind for group in list_errors(store, **{"since": AT, **choice})}

    assert kinds() == {"A", "B"}
    assert kinds(warnings=True) == {"A", "B", "C"}
    assert kinds(since=AT + 0.5) == {"B"}
    assert kinds(until=AT + 0.5) == {"A"}
    assert kinds(step="write") == {"B"}
    assert kinds(run="r1", warnings=True) == {"A", "B"}


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_errors_are_read_page_by_page_each_once(store, monkeypatch, apart):
    """Also when more attempts than a page holds have one time."""
    monkeypatch.setattr(errors_view, "PAGE", 3)
    store.write([step(f"b{n}", P.ERROR, at=AT + n // 2 * apart, error="A: x") for n in range(11)])
    (group,) = list_errors(store, since=AT)
    assert group.count == 11


def test_the_beginning_of_what_is_over_is_not_shown(store):
    """Of an attempt that waited, ran and ended only the end is an item; one that still runs is shown running."""
    store.write([
        step("a", P.PENDING), step("a", P.RUNNING), step("a", P.SUCCESS),
        step("b", P.PENDING), step("b", P.RUNNING),
        step("c", P.RUNNING), step("c", P.ERROR), step("c", P.PENDING, attempt=2),
    ])  # fmt: skip
    assert [(item.item, item.status) for item in list_items(store, "r1")] == [
        ("a", P.SUCCESS),
        ("b", P.RUNNING),
        ("c", P.PENDING),
    ]
    assert [item.item for item in list_items(store, "r1", status=[P.RUNNING])] == ["b"]


def pages(store, **choice):
    return item_pages(store, "r1", name="brisk-otter", **choice)


def text_of(write, store, **choice):
    out = io.StringIO()
    write(pages(store, **choice), out)
    return out.getvalue()


def test_csv_is_read_back_and_starts_no_formula(store):
    """Quotes, commas and lines stay in their cell; what a spreadsheet would compute is text."""
    store.write([
        step('=HYPERLINK("http://x")', P.SUCCESS),
        step("a,b\n\"c\"", P.FAILED, error="@SUM(1): \x1b[2J", details='{"pages": 3}'),
        step("-5", P.SUCCESS), step("\t=1+1", P.SUCCESS), step("half\udce9", P.SUCCESS),
    ])  # fmt: skip
    titles, *rows = csv.reader(io.StringIO(text_of(write_csv, store)))
    assert titles[:5] == ["run", "stage", "item", "attempt", "status"]
    assert [row[2] for row in rows] == [
        "'=HYPERLINK(\"http://x\")", 'a,b\\n"c"', "-5", "\\t=1+1", "half\\udce9",
    ]  # fmt: skip
    assert rows[1][7] == "'@SUM(1): \\x1b[2J"
    assert json.loads(rows[1][8]) == {"pages": 3}
    assert rows[0][6] == "2023-11-14T22:13:20+00:00"


def test_json_is_one_array(store):
    store.write([step("a", P.SUCCESS, details='{"pages": 3}', metrics='{"score": 0.5}'), step("b", P.ERROR, error="x")])
    first, second = json.loads(text_of(write_json, store))
    assert (first["item"], first["details"], first["metrics"]["score"]) == ("a", {"pages": 3}, 0.5)
    assert (second["status"], second["error"], second["details"]) == ("error", "x", None)
    assert json.loads(text_of(write_json, store, status=[P.SKIPPED])) == []


def test_the_last_attempts_or_all(store):
    store.write([step("a", P.ERROR), step("a", P.SUCCESS, attempt=2), step("b", P.SUCCESS, name="write")])
    assert len(json.loads(text_of(write_json, store))) == 2
    assert len(json.loads(text_of(write_json, store, attempts=True))) == 3
    assert [item["item"] for item in json.loads(text_of(write_json, store, stage="write"))] == ["b"]


def test_parquet_has_types(store, tmp_path):
    from pyarrow import parquet

    store.write([step("a", P.SUCCESS, seconds=0.5), step("b", P.ERROR, error="x")])
    export(pages(store), "parquet", tmp_path / "items.parquet")
    table = parquet.read_table(tmp_path / "items.parquet")
    assert table.column("at").type.tz == "UTC"
    assert table.column("at")[0].as_py().timestamp() == AT
    assert table.select(["item", "seconds", "error"]).to_pylist() == [
        {"item": "a", "seconds": 0.5, "error": None},
        {"item": "b", "seconds": 0.0, "error": "x"},
    ]


def test_parquet_without_pyarrow_says_what_to_install(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"milepost\[frames\]"):
        export(pages(store), "parquet", tmp_path / "items.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_not_at_all(store, tmp_path):
    """What was there stays when the writing fails."""
    path = tmp_path / "items.csv"
    path.write_text("before")

    def broken():
        yield []
        raise OSError(28, "No space left on device")

    with pytest.raises(InvalidDataError, match="cannot write"):
        export(broken(), "csv", path)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"]
    export(pages(store), "csv", path)
    assert path.read_text().startswith("run,stage")


def test_export_streams(tmp_path):
    """Memory is that of a page, however many items there are."""
    store = SqliteStore.open(tmp_path / "ledger.db")
    store.write([step(f"b{n}", P.SUCCESS, details='{"text": "' + "x" * 300 + '"}') for n in range(30_000)])
    peaks = []
    for status in ([P.SUCCESS], [P.FAILED]):
        out = open("/dev/null", "w")  # noqa: SIM115
        tracemalloc.start()
        write_json(pages(store, status=status), out)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        out.close()
    store.close()
    assert peaks[0] - peaks[1] < 15_000_000
