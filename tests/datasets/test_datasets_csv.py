"""CSV: what goes round, what it cannot keep, and the line of what is wrong."""

import datetime
import random
from decimal import Decimal

import pandas
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from milepost.datasets import make_data_manager
from milepost.errors import DataSetError

FORMS = ("pandas", "polars", "records")


@pytest.fixture
def data(tmp_path):
    return make_data_manager({"data_dir": tmp_path / "in", "output_dir": tmp_path / "out"})


@pytest.fixture
def wrote(tmp_path):
    """Write bytes as the data set `x`."""

    def write(text, name="x"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def frame():
    return pandas.DataFrame({
        "id": [1, 2, 2**62],
        "net": [0.1 + 0.2, 1e300, -5e-324],
        "late": [True, False, True],
        "text": ["a,b", 'he said "no"', "two\nlines and\rmore"],
        "gap": [1.5, None, 2.5],
        "word": ["x", None, "é注"],
    })  # fmt: skip


def test_a_pandas_frame_goes_round(data):
    """Whole numbers, exact floats, truth values, text with commas, quotes and all kinds of line ends, gaps."""
    data.save_data("x", frame())
    assert_frame_equal(frame(), data.load_data("x"))


def test_a_polars_frame_goes_round(data):
    """The same, in polars."""
    expected = polars.from_pandas(frame())
    data.save_data("x", expected)
    assert expected.equals(data.load_data("x", as_="polars"), null_equal=True)


def test_records_go_round(data):
    """The same, as mappings; None stays None."""
    records = polars.from_pandas(frame()).to_dicts()
    data.save_data("x", records)
    assert records == data.load_data("x", as_="records")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries({
            "whole": st.integers(),
            "real": st.floats(allow_nan=False) | st.none(),
            "words": st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda text: f"t{text}"),
        }),
        min_size=1,
    )
)  # fmt: skip
def test_any_records_go_round(data, records):
    """Whatever numbers and text there are."""
    data.save_data("x", records)
    assert records == data.load_data("x", as_="records")


@pytest.mark.parametrize("saved", FORMS)
@pytest.mark.parametrize("loaded", FORMS)
def test_whoever_saved_it_whoever_loads_it(data, saved, loaded):
    """The three forms read the same from what each of them wrote."""
    records = [{"id": 1, "net": 1.5, "who": "ada"}, {"id": 2, "net": None, "who": None}]
    given = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "records": list}[saved](records)
    data.save_data("x", given)
    found = data.load_data("x", as_=loaded)
    if loaded == "pandas":
        found = polars.from_pandas(found)
    assert records == (found if loaded == "records" else found.to_dicts())


def test_what_csv_cannot_keep(data):
    """Moments come back as text, categories as their words, row numbers counted anew; a named index is a column."""
    moments = pandas.DataFrame({"at": pandas.to_datetime(["2026-01-01"]), "kind": pandas.Categorical(["a"])})
    data.save_data("x", moments)
    assert [{"at": "2026-01-01", "kind": "a"}] == data.load_data("x", as_="records")
    data.save_data("x", pandas.DataFrame({"v": [1, 2]}, index=[7, 8]))
    assert_frame_equal(pandas.DataFrame({"v": [1, 2]}), data.load_data("x"))
    data.save_data("x", pandas.DataFrame({"v": [1, 2]}, index=pandas.Index(["a", "b"], name="who")))
    assert ["who", "v"] == list(data.load_data("x").columns)


def test_plain_values_of_the_standard_library(data):
    """Dates, decimals and numpy's numbers are written as their text."""
    row = {"day": datetime.date(2026, 1, 2), "exact": Decimal("1.10"), "many": pandas.Series([5])[0]}
    data.save_data("x", [row])
    assert [{"day": "2026-01-02", "exact": 1.1, "many": 5}] == data.load_data("x", as_="records")


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, b"x", object()], ids=["list", "mapping", "bytes", "object"])
def test_what_would_not_come_back_is_refused(data, value):
    """A list in a field would be read back as text: the error names the column."""
    for rows in ([{"id": 1, "tags": value}], pandas.DataFrame({"id": [1], "tags": [value]})):
        with pytest.raises(DataSetError, match="'tags'"):
            data.save_data("x", rows)
    assert not data.has("x")


@pytest.mark.parametrize("form", FORMS)
def test_a_mark_of_utf8_is_no_part_of_the_first_name(data, wrote, form):
    """Files as Excel writes them load."""
    wrote(b"\xef\xbb\xbfid,who\r\n1,ada\r\n")
    found = data.load_data("x", as_=form, columns=["id"])
    assert [{"id": 1}] == (found if form == "records" else polars.DataFrame(found).to_dicts())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a,b\n1,2\n3\n", "line 3: 1 fields, but there are 2 columns"),
        (b"a,b\n1,2\n3,4,5\n", "line 3: 3 fields"),
        (b"a,b\n1,2,3\n4,5,6\n", "line 2: 3 fields"),
        (b'a,b\n"1\n",2\n3\n', "line 4: 1 fields"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "line 3: unexpected end of data"),
        (b"a,b\n1,\xff\n", "line 2: bytes that are not UTF-8"),
        (b"a,a\n1,2\n", "more than one column named 'a'"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: bytes that are not UTF-8"),
    ],
)
def test_a_malformed_file_is_told_by_its_line(data, wrote, form, text, said):
    """Short and long rows, open quotes, other encodings, two columns of one name: in every form the same words."""
    wrote(text)
    with pytest.raises(DataSetError) as caught:
        data.load_data("x", as_=form)
    assert said in str(caught.value)
    assert "x.csv" in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_a_long_row_where_only_some_columns_are_wanted(data, wrote, form):
    """The unwanted columns count too: a stray comma would shift the wanted ones."""
    wrote("id,net,who\n1,2,ada\n1,2,3,ada\n")
    with pytest.raises(DataSetError, match="line 3: 4 fields"):
        data.load_data("x", as_=form, columns=["id"])


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_in_the_middle_of_a_row(data, wrote, form):
    """A copy that was broken off is an error, also when only some columns are wanted or it is read in chunks."""
    wrote("id,net,who\n" + "1,2.5,ada\n" * 100 + "2,3")
    for options in ({}, {"columns": ["id"]}):
        with pytest.raises(DataSetError, match="line 102: 2 fields"):
            data.load_data("x", as_=form, **options)
    with pytest.raises(DataSetError, match="line 102: 2 fields"):
        list(data.load_data("x", as_=form, chunks=30))


@pytest.mark.parametrize("form", FORMS)
def test_chunks_are_the_whole(data, wrote, form):
    """In pieces of so many rows, the last of the rest, in order."""
    wrote("id,who\n" + "".join(f"{number},w{number}\n" for number in range(10)))
    pieces = list(data.load_data("x", as_=form, chunks=4, columns=["who", "id"]))
    assert [4, 4, 2] == [len(piece) for piece in pieces]
    rows = [row for piece in pieces for row in (piece if form == "records" else polars.DataFrame(piece).to_dicts())]
    assert [{"who": f"w{number}", "id": number} for number in range(10)] == rows


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_no_rows(data, wrote, form):
    """Has its columns; in chunks it is one piece without rows."""
    wrote("id,who\n")
    assert 0 == len(data.load_data("x", as_=form))
    assert [0] == [len(piece) for piece in data.load_data("x", as_=form, chunks=5)]


def test_words_that_mean_no_value_are_named(data, wrote):
    """Only an empty field is a gap, so the country NA stays; `missing` names other words."""
    wrote("country,net\nNA,1\nDE,NA\n,2\n")
    for form in FORMS:
        found = data.load_data("x", as_=form)
        rows = found if form == "records" else polars.DataFrame(found).to_dicts()
        assert ["NA", "DE", None] == [row["country"] for row in rows]
        rows = data.load_data("x", as_=form, missing=["NA"])
        rows = rows if form == "records" else polars.from_pandas(polars.DataFrame(rows).to_pandas()).to_dicts()
        assert [1, None, 2] == [row["net"] for row in rows]


def test_columns_that_stay_text(data, wrote):
    """`text` keeps leading zeros in frames; records keep them anyway."""
    wrote("zip\n01067\n80331\n")
    assert ["01067", "80331"] == list(data.load_data("x", text=["zip"])["zip"])
    assert ["01067", "80331"] == list(data.load_data("x", as_="polars", text=["zip"])["zip"])
    assert [{"zip": "01067"}, {"zip": "80331"}] == data.load_data("x", as_="records")


@pytest.mark.parametrize("form", FORMS)
def test_another_separator(data, wrote, form):
    """Semicolons, as spreadsheets write them in half the world."""
    wrote("id;net\n1;2\n")
    found = data.load_data("x", as_=form, separator=";")
    assert [{"id": 1, "net": 2}] == (found if form == "records" else polars.DataFrame(found).to_dicts())


@pytest.mark.parametrize("form", FORMS)
def test_one_column_with_gaps_keeps_its_rows(data, form):
    """A row that is nothing but a gap is not taken for an empty line."""
    records = [{"a": 1}, {"a": None}, {"a": 3}]
    data.save_data("x", {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "records": list}[form](records))
    assert records == data.load_data("x", as_="records")
    assert 3 == len(data.load_data("x", as_="pandas"))
    assert 3 == len(data.load_data("x", as_="polars"))


def test_a_text_of_ten_megabytes(data):
    """A field may be long."""
    text = "long " * 2_000_000
    data.save_data("x", [{"text": text}])
    assert text == data.load_data("x", as_="records")[0]["text"]


def test_rows_of_several_shapes(data):
    """A list has the columns of all its rows; a stream those of its first rows, and says which row has more."""
    data.save_data("x", [{"a": 1}, {"b": 2}])
    assert [{"a": 1, "b": None}, {"a": None, "b": 2}] == data.load_data("x", as_="records")
    data.save_data("x", ({"a": number} for number in range(25_000)))
    assert 25_000 == len(data.load_data("x"))
    late = ({"a": 1} if number < 20_000 else {"b": 1} for number in range(25_000))
    with pytest.raises(DataSetError, match="row 20001 has a column 'b'"):
        data.save_data("x", late)
    assert 25_000 == len(data.load_data("x"))


def test_a_column_is_of_one_type_over_the_whole_file(data, wrote):
    """A word in the last of many rows makes the column text, without a warning, and no number loses its zeros."""
    chance = random.Random(1)
    numbers = [f"{chance.random():.6f}" for _ in range(200_000)]
    wrote("v\n" + "\n".join(numbers) + "\nnone\n")
    assert {str} == set(map(type, data.load_data("x")["v"]))


@pytest.mark.parametrize(("first", "last"), [("", "1.5"), ("1", "1.5"), ("1", "word"), ("true", "word")])
def test_types_of_polars_are_those_of_all_rows(data, wrote, first, last):
    """What only a late row shows counts as much as the first rows: gaps before numbers, words behind them."""
    wrote("id,v\n" + f"1,{first}\n" * 20_000 + f"2,{last}\n")
    expected = polars.read_csv(data.path("x"), infer_schema_length=None)
    assert expected.equals(data.load_data("x", as_="polars"), null_equal=True)


def test_nothing_to_save(data):
    """No rows are saved with their columns; no columns are refused."""
    data.save_data("x", pandas.DataFrame({"a": []}))
    assert ["a"] == list(data.load_data("x").columns)
    for empty in ([], pandas.DataFrame(), polars.DataFrame(), iter([])):
        with pytest.raises(DataSetError, match="no columns"):
            data.save_data("y", empty)


def test_columns_of_several_levels_and_twice_the_same_name(data):
    """Refused, with what to do."""
    with pytest.raises(DataSetError, match="save as parquet"):
        data.save_data("x", pandas.DataFrame([[1]], columns=pandas.MultiIndex.from_tuples([("a", "b")])))
    with pytest.raises(DataSetError, match="more than one column named 'a'"):
        data.save_data("x", pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataSetError, match="not valid Unicode"):
        data.save_data("x", [{"a": "\ud800"}])
    assert not data.has("x")
