"""Parquet keeps everything: types, index, time zones."""

import decimal
from pathlib import Path

import pandas
import polars
import pytest
from pandas.testing import assert_frame_equal

from milepost.datasets import make_data_manager
from milepost.errors import DataSetError


@pytest.fixture
def data(tmp_path):
    return make_data_manager({"output_dir": tmp_path / "out", "storage_strategy": {"persist_format": "parquet"}})


def frame():
    return pandas.DataFrame(
        {
            "small": pandas.array([1, 2, 3], dtype="int8"),
            "gap": pandas.array([1, None, 2**62], dtype="Int64"),
            "real": [0.1 + 0.2, float("inf"), None],
            "late": [True, False, True],
            "text": ["a\rb", None, ""],
            "kind": pandas.Categorical(["b", "a", "b"], categories=["b", "a", "c"], ordered=True),
            "at": pandas.to_datetime(["2026-01-01T00:00:00.123456789", None, "2026-06-01"], format="ISO8601"),
            "zone": pandas.to_datetime(["2026-01-01", "2026-03-29", "2026-06-01"]).tz_localize("Europe/Berlin"),
            "took": pandas.to_timedelta([1, 2, 3], unit="s"),
            "exact": [decimal.Decimal("1.10"), None, decimal.Decimal("2.00")],
            "tags": [["a"], [], ["b", "c"]],
        },
        index=pandas.Index(["x", "y", "z"], name="who"),
    )


def test_a_pandas_frame_goes_round_exactly(data):
    """Every type that pandas has, the index and its name; lists come back as arrays."""
    data.save_data("x", frame())
    found = data.load_data("x")
    found["tags"] = found["tags"].map(list)
    assert_frame_equal(frame(), found)


def test_a_polars_frame_goes_round_exactly(data):
    """Its own types too."""
    given = polars.from_pandas(frame().drop(columns=["took", "kind"]).reset_index())
    given = given.with_columns(polars.Series("part", [{"a": 1}, None, {"a": 2}]))
    data.save_data("x", given)
    assert given.equals(data.load_data("x", as_="polars"), null_equal=True)
    assert given.schema == data.load_data("x", as_="polars").schema


def test_records_go_round(data):
    """Nested values and bytes included."""
    records = [{"id": 1, "tags": ["a"], "raw": b"\xff"}, {"id": 2, "tags": None, "raw": None}]
    data.save_data("x", records)
    assert records == data.load_data("x", as_="records")


@pytest.mark.parametrize("form", ["pandas", "polars", "records"])
@pytest.mark.parametrize(("rows", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (0, [0])])
def test_chunks_are_the_whole(data, form, rows, sizes):
    """Pieces of the size asked for, whatever the groups of rows in the file."""
    data.save_data("x", polars.DataFrame({"id": range(rows), "v": [str(number) for number in range(rows)]}))
    pieces = list(data.load_data("x", as_=form, chunks=4, columns=["id"]))
    assert sizes == [len(piece) for piece in pieces]
    found = [row for piece in pieces for row in (piece if form == "records" else polars.DataFrame(piece).to_dicts())]
    assert [{"id": number} for number in range(rows)] == found


def test_chunks_of_a_frame_with_an_index(data):
    """Each piece has its part of the index."""
    data.save_data("x", frame())
    assert ["x", "y", "z"] == [name for piece in data.load_data("x", chunks=2) for name in piece.index]


def test_chosen_columns(data):
    """In the order asked for; a wrong one is told those that exist."""
    data.save_data("x", frame().reset_index(drop=True))
    assert ["real", "small"] == list(data.load_data("x", columns=["real", "small"]).columns)
    with pytest.raises(DataSetError, match=r"no column 'reel'. Did you mean 'real'"):
        data.load_data("x", columns=["reel"])


def test_a_column_of_two_types_is_refused(data):
    """Said by the column, and what was there stays."""
    data.save_data("x", [{"a": 1}])
    for mixed in ([{"a": 1}, {"a": "text"}], pandas.DataFrame({"a": [1, "text"]})):
        with pytest.raises(DataSetError, match="columns have one type each"):
            data.save_data("x", mixed)
    assert [{"a": 1}] == data.load_data("x", as_="records")


@pytest.mark.parametrize("whole", [2**70, -(2**63) - 1])
def test_a_whole_number_beyond_64_bits_is_refused(data, whole):
    """In words of ours too, from a frame and from records."""
    for large in (pandas.DataFrame({"a": [whole, 1]}, dtype=object), [{"a": whole}, {"a": 1}]):
        with pytest.raises(DataSetError, match="'x' cannot be saved as Parquet"):
            data.save_data("x", large)
    assert not data.has("x")


def test_what_arrow_says_of_a_column_reads_as_a_sentence(data):
    """Which column it is stands there, and no tuple."""
    with pytest.raises(DataSetError, match="one type each: cannot mix list .*; Conversion failed for column o"):
        data.save_data("x", pandas.DataFrame({"o": [{"a": 1}, [1, 2]]}))


def test_a_damaged_file_is_told(data):
    """Cut short, another format, empty: not a word of pyarrow's alone."""
    path = Path(data.save_data("x", polars.DataFrame({"a": range(1000)})).path)
    whole = path.read_bytes()
    for broken in (whole[:-10], b"", b"id,net\n1,2\n", whole[:100] + bytes(len(whole) - 200) + whole[-100:]):
        path.write_bytes(broken)
        with pytest.raises(DataSetError, match=r"cannot be read as Parquet.*"):
            data.load_data("x", as_="polars")
