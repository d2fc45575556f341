"""JSON and JSON lines: numbers exactly, and what JSON has no form for is refused."""

import datetime
import json
import math
from decimal import Decimal
from pathlib import Path

import pandas
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milepost.datasets import make_data_manager
from milepost.errors import DataSetError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@pytest.fixture
def data(tmp_path):
    return make_data_manager({"data_dir": tmp_path / "in", "output_dir": tmp_path / "out"})


@pytest.fixture
def wrote(tmp_path):
    def write(text, suffix="json"):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / f"x.{suffix}").write_bytes(text)

    return write


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES})), st.sampled_from(["json", "jsonl"]))
def test_any_records_go_round(data, records, form):
    """Whatever is in them, nested as it is; json and jsonl alike, also without a row."""
    data.save_data(form, records, format=form)
    assert records == data.load_data(form, as_="records")


def test_a_list_is_json_that_others_read(data):
    """json is one list, jsonl a record a line."""
    records = [{"id": 1, "who": "é"}, {"id": 2, "who": None}]
    assert records == json.loads(Path(data.save_data("a", records, format="json").path).read_text("utf-8"))
    lines = Path(data.save_data("b", records, format="jsonl").path).read_text("utf-8").splitlines()
    assert records == [json.loads(line) for line in lines]
    assert records == json.loads(pandas.read_json(data.path("a")).to_json(orient="records"))


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_frames_go_round(data, form):
    """Exact floats, big whole numbers; gaps are null."""
    frame = pandas.DataFrame({"id": [1, 2**62], "net": [0.1 + 0.2, None], "who": ["a\rb\n", None]})
    data.save_data("x", frame, format=form)
    pandas.testing.assert_frame_equal(frame, data.load_data("x"))
    data.save_data("x", polars.from_pandas(frame), format=form)
    assert polars.from_pandas(frame).equals(data.load_data("x", as_="polars"))


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_frame_without_rows_is_warned_of(data, form, kind):
    """A list of records without one says no columns: told who saves, and where; asked for, they come back."""
    frame = pandas.DataFrame({"id": [], "net": []}) if kind == "pandas" else polars.DataFrame(schema=["id", "net"])
    with pytest.warns(
        RuntimeWarning, match=r"data set 'x' has no rows, so JSON keeps none of its columns \(id, net\)"
    ) as warned:
        data.save_data("x", frame, format=form)
    assert __file__ == warned[0].filename
    assert "format='csv' or 'parquet'" in str(warned[0].message)
    assert [] == data.load_data("x", as_="records")
    assert ["id", "net"] == list(data.load_data("x", as_=kind, columns=["id", "net"]).columns)


def test_records_without_one_are_no_surprise(data):
    """An empty list, and a frame without columns, come back as they were; nothing is warned of."""
    data.save_data("x", [], format="json")
    data.save_data("y", pandas.DataFrame(), format="json")
    assert [] == data.load_data("x", as_="records")
    assert pandas.DataFrame().shape == data.load_data("y").shape


def test_what_json_keeps_as_text(data):
    """Moments, days and decimals are text in it; NaN is null."""
    row = {
        "at": datetime.datetime(2026, 1, 2, 3),
        "day": datetime.date(2026, 1, 2),
        "d": Decimal("1.10"),
        "n": math.nan,
    }
    data.save_data("x", [row], format="json")
    expected = {"at": "2026-01-02T03:00:00", "day": "2026-01-02", "d": "1.10", "n": None}
    assert [expected] == data.load_data("x", as_="records")


@pytest.mark.parametrize("value", [math.inf, b"x", {1: 2}, {1}, object(), "\ud800", [[-math.inf]]], ids=range(7))
def test_what_would_not_come_back_is_refused(data, value):
    """The error names row and column, and nothing is saved."""
    with pytest.raises(DataSetError, match="row 2, column 'v'"):
        data.save_data("x", [{"v": 1}, {"v": value}], format="json")
    assert not data.has("x")


@pytest.mark.parametrize(
    ("text", "suffix", "said"),
    [
        (b'[{"a": 1},\n {"a": }]', "json", "line 2: not JSON: Expecting value at column 8"),
        (b'[{"a": 1},\n {"a"', "json", "line 2: not JSON"),
        (b'{"a": 1}\n{"a": \n', "jsonl", "line 2: not JSON"),
        (b'{"a": 1}\n[1]\n', "jsonl", "line 2: list where a record is expected"),
        (b"[1]", "json", "record 1: int where a record is expected"),
        (b"5", "json", "line 1: int"),
        (b"", "json", "is empty"),
        (b" \n", "json", "is empty"),
        (b'[{"a":\n "\xff"}]', "json", "line 2: bytes that are not UTF-8"),
        (b"[" * 100_000, "json", "line 1: values too deep"),
    ],
)
def test_a_malformed_file_is_told_by_its_line(data, wrote, text, suffix, said):
    """Cut short, no JSON, no records, not UTF-8, bottomless."""
    wrote(text, suffix)
    with pytest.raises(DataSetError) as caught:
        data.load_data("x")
    assert said in str(caught.value)


def test_lines_in_a_file_named_json(data, wrote):
    """Records a line load whatever the suffix, with a mark of UTF-8, Windows line ends, empty lines, NaN, gaps."""
    wrote(b'\xef\xbb\xbf{"a": 1, "b": NaN}\r\n\r\n{"a": 12345678901234567890123}')
    first, second = data.load_data("x", as_="records")
    assert math.isnan(first["b"])
    assert {"a": 12345678901234567890123} == second


@pytest.mark.parametrize("form", ["pandas", "polars", "records"])
def test_columns_and_chunks(data, form):
    """Chosen columns in the order asked for, in pieces."""
    data.save_data("x", [{"a": number, "b": str(number), "c": None} for number in range(5)], format="jsonl")
    pieces = list(data.load_data("x", as_=form, columns=["b", "a"], chunks=2))
    assert [2, 2, 1] == [len(piece) for piece in pieces]
    assert ["b", "a"] == list(pieces[0][0] if form == "records" else pieces[0].columns)
    with pytest.raises(DataSetError, match=r"no column 'd'.*There are: a, b, c"):
        data.load_data("x", columns=["d"], as_=form)
