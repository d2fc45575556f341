"""Data sets that are files: where a name leads, what is refused, and what an error says."""

import os
import pickle

import pytest

from milepost.datasets import make_data_manager
from milepost.errors import DataSetError, MilepostError, UnknownDataSetError
from milepost.model.files import File

ORDERS = "id,net\n1,9.5\n2,\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A program's folder: raw data, and where it works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text(ORDERS)
    return tmp_path


def refusal(call):
    with pytest.raises(DataSetError) as caught:
        call()
    return str(caught.value)


def test_without_configuration_the_folders_are_data_and_output(folder):
    """`make_data_manager()` loads from data/ and saves into output/, which is made by the first save."""
    data = make_data_manager()
    assert ["orders"] == data.names()
    assert not (folder / "output").exists()
    data.save_data("paid", [{"id": 1}])
    assert (folder / "output" / "paid.csv").read_text() == "id\n1\n"
    assert ["orders", "paid"] == data.names()


def test_a_name_that_is_configured_in_the_folder_of_what_is_saved_is_that_file(folder):
    """Another file of that name beside it, left from another configuration, does not make it doubtful."""
    (folder / "data" / "orders.json").write_text("[]")
    config = {"data_dir": "data", "output_dir": "data", "dummy_data_filepaths": {"orders": "data/orders.csv"}}
    data = make_data_manager(config)
    assert [{"id": 1, "net": 9.5}, {"id": 2, "net": None}] == data.load_data("orders", as_="records")
    data.save_data("orders", [{"id": 3, "net": 1.0}])
    assert "id,net\n3,1.0\n" == (folder / "data" / "orders.csv").read_text()
    assert [{"id": 3, "net": 1.0}] == data.load_data("orders", as_="records")


def test_named_data_sets_may_be_anywhere(tmp_path_factory):
    """A path of the configuration leads where it leads: absolute, upward, through a home folder."""
    far = tmp_path_factory.mktemp("far") / "o r d e r s.CSV"
    far.write_text(ORDERS)
    data = make_data_manager({"dummy_data_filepaths": {"far": str(far), "up": os.path.relpath(far)}})
    assert 2 == len(data.load_data("far"))
    assert data.load_data("far").equals(data.load_data("up"))


def test_a_configured_name_counts_before_a_file_of_that_stem(folder):
    """What the configuration names is what is loaded, whatever lies in data_dir."""
    (folder / "elsewhere.csv").write_text("id\n7\n")
    data = make_data_manager({"dummy_data_filepaths": {"orders": "elsewhere.csv"}})
    assert [{"id": 7}] == data.load_data("orders", as_="records")


def test_a_change_of_the_working_folder_moves_nothing(folder, monkeypatch):
    """Relative paths are those of the place where the data manager was made."""
    data = make_data_manager({"data_dir": "data", "output_dir": "out"})
    monkeypatch.chdir("/")
    data.save_data("paid", [{"id": 1}])
    assert (folder / "out" / "paid.csv").exists()
    assert 2 == len(data.load_data("orders"))


def test_an_unknown_name_is_told_those_that_exist():
    """The error names the nearest and all there are."""
    data = make_data_manager({"dummy_data_filepaths": {"items": "items.csv"}})
    with pytest.raises(UnknownDataSetError, match=r"'oders'.*Did you mean 'orders'\? There are: items, orders\."):
        data.load_data("oders")
    assert issubclass(UnknownDataSetError, LookupError)


def test_an_unknown_name_among_thousands_is_told_twenty(folder):
    """A long list is cut short."""
    for number in range(1000):
        (folder / "data" / f"part{number:04}.csv").touch()
    assert "and 981 more" in refusal(lambda: make_data_manager().load_data("nothing like it"))


def test_a_configured_file_that_is_missing(folder):
    """It is listed as not there, and loading names the path."""
    data = make_data_manager({"dummy_data_filepaths": {"items": "raw/items.csv", "none": None, "folder.csv": "data"}})
    there = {each.name: each.is_there for each in data.list_data()}
    assert {"items": False, "none": False, "folder.csv": True, "orders": True} == there
    assert not data.has("items")
    assert str(folder / "raw" / "items.csv") in refusal(lambda: data.load_data("items"))
    assert "no path in config" in refusal(lambda: data.load_data("none"))
    assert "is no file" in refusal(lambda: data.load_data("folder.csv"))


def test_a_bad_column_is_told_those_that_exist():
    """In every form, with the nearest."""
    for form in ("pandas", "polars", "records"):
        text = refusal(lambda: make_data_manager().load_data("orders", columns=["nett"], as_=form))
        assert "no column 'nett'. Did you mean 'net'? There are: id, net." in text


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../orders", "/etc/passwd", "a/b", "a\\b", "a\0b", "a\nb", ".hidden", " a", "x" * 10_000_000,
     "é" * 150, "\ud800", "a\x7f", 5, None, b"orders"],
    ids=lambda name: repr(name)[:12],
)  # fmt: skip
def test_a_name_is_one_path_segment(folder, name):
    """Anything else is refused, by loading and by saving, in a short message, and nothing is made."""
    data = make_data_manager({"output_dir": "out"})
    for call in (data.load_data, data.has, data.path, lambda name: data.save_data(name, [{"id": 1}])):
        assert len(refusal(lambda: call(name))) < 300
    assert not (folder / "out").exists()


def test_unusual_names_that_are_names(folder):
    """Spaces, dots, dashes, other scripts."""
    data = make_data_manager()
    for name in ("orders 2026", "v1.2", "-rf", "заказы", "注文", "a" * 200, "~", "%s", "*"):
        data.save_data(name, [{"id": 1}])
        assert [{"id": 1}] == data.load_data(name, as_="records")
    assert {"-rf", "v1.2", "~"} <= set(data.names())


def test_a_name_with_a_suffix_is_not_saved():
    """save_data("paid.csv") would make paid.csv.csv: it says how to ask for the format."""
    assert "format='csv'" in refusal(lambda: make_data_manager().save_data("paid.csv", [{"id": 1}]))


def test_inputs_are_never_written_over(folder):
    """Saving under the name of an input is refused, and the file stays as it is."""
    data = make_data_manager({"dummy_data_filepaths": {"items": "data/orders.csv", "none": ""}})
    for name in ("orders", "items", "none"):
        assert "is an input" in refusal(lambda: data.save_data(name, [{"id": 3}]))
    assert (folder / "data" / "orders.csv").read_text() == ORDERS


def test_one_folder_for_both_is_read_and_written(folder):
    """Where data_dir is output_dir, saving replaces what is there."""
    data = make_data_manager({"data_dir": "data", "output_dir": "data"})
    data.save_data("orders", [{"id": 3}])
    assert [{"id": 3}] == data.load_data("orders", as_="records")
    assert ["orders"] == data.names()


def test_one_name_has_one_format(folder):
    """Saving again keeps the format; another one is refused, so that no older file is left to be loaded."""
    data = make_data_manager()
    data.save_data("paid", [{"id": 1}], format="json")
    assert data.save_data("paid", [{"id": 2}]).format == "json"
    assert "paid.json" in refusal(lambda: data.save_data("paid", [{"id": 3}], format="csv"))
    assert [{"id": 2}] == data.load_data("paid", as_="records")


def test_two_files_of_one_name_are_told_apart_by_format(folder):
    """Without it the error names both."""
    (folder / "data" / "orders.json").write_text('[{"id": 9}]')
    data = make_data_manager()
    text = refusal(lambda: data.load_data("orders"))
    assert "orders.csv" in text
    assert "orders.json" in text
    assert [{"id": 9}] == data.load_data("orders", format="json", as_="records")
    assert "as parquet" in refusal(lambda: data.load_data("orders", format="parquet"))


def test_replace_false_keeps_what_is_there():
    """The first to save wins."""
    data = make_data_manager()
    data.save_data("paid", [{"id": 1}], replace=False)
    assert "is there already" in refusal(lambda: data.save_data("paid", [{"id": 2}], replace=False))
    assert [{"id": 1}] == data.load_data("paid", as_="records")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("format", "xlsx", "There are: csv, json, jsonl, parquet"),
        ("format", "parket", "Did you mean 'parquet'"),
        ("as_", "panda", "Did you mean 'pandas'"),
        ("as_", 5, "There are: pandas"),
        ("chunks", 0, "at least 1"),
        ("chunks", True, "at least 1"),
        ("chunks", "100", "at least 1"),
        ("columns", [1], "names"),
        ("separator", "", "one character"),
        ("text", ["zip"], "no column 'zip'"),
    ],
)
def test_options_that_cannot_be(option, value, said):
    """Each is refused at the call, by what is allowed."""
    assert said in refusal(lambda: make_data_manager().load_data("orders", **{option: value}))


def test_an_unknown_suffix_of_a_configured_file(folder):
    """It is listed; loading says which formats are known."""
    (folder / "orders.xlsx").write_bytes(b"PK")
    data = make_data_manager({"dummy_data_filepaths": {"sheet": "orders.xlsx"}})
    assert "sheet" in data.names()
    assert "no known format; known are .csv" in refusal(lambda: data.load_data("sheet"))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ([1], "a mapping, not list"),
        ({"data_dir": 5}, "config['data_dir'] is a path, not int"),
        ({"output_dir": "a\0b"}, "config['output_dir']"),
        ({"dummy_data_filepaths": ["a.csv"]}, "maps names to paths"),
        ({"dummy_data_filepaths": {"a": 5}}, "config['dummy_data_filepaths']['a'] is a path, not int"),
        ({"dummy_data_filepaths": {"../a": "a.csv"}}, "no path"),
        ({"storage_strategy": "memory"}, "config['storage_strategy'] is a mapping"),
        ({"storage_strategy": {"persist_format": "parqet"}}, "Did you mean 'parquet'"),
        ({"storage_strategy": {"mode": "disk"}}, "hybrid, memory, persist"),
        ({"storage_strategy": {"cleanup_policy": 3}}, "keep_latest"),
        ({"use_db": True}, "config['db_url'] is not set"),
    ],
)
def test_a_configuration_that_cannot_be(config, said):
    """The error names the setting."""
    assert said in refusal(lambda: make_data_manager(config))


def test_the_configuration_that_programs_have(folder):
    """All its keys may be there; those that are not about data sets are not looked at."""
    data = make_data_manager({
        "PROJECT_NAME": "sales", "use_db": False, "db_url": "sqlite:///x.db", "data_dir": str(folder / "data"),
        "output_dir": folder / "out", "log_dir": "logs", "log_level": "INFO", "available_algorithms": ["a"],
        "dummy_data_filepaths": {"orders": "data/orders.csv"},
        "storage_strategy": {
            "mode": "hybrid", "persist_format": "parquet", "stages_to_persist": [], "cleanup_policy": "keep_latest",
            "storage_dir": "data/intermediate", "inline_threshold_bytes": 102400,
        },
        "stages": {"load": {"sequence": 1, "decisions": {"time_periods": 1}}},
    })  # fmt: skip
    assert data.save_data("paid", data.load_data("orders")).path == str(folder / "out" / "paid.parquet")
    assert data.load_data("paid").equals(data.load_data("orders"))


def test_the_path_of_a_data_set_is_an_input_that_counts_by_content(folder):
    """`path` gives a File, for a stage whose decision it is."""
    path = make_data_manager().path("orders")
    assert isinstance(path, File)
    assert path == str(folder / "data" / "orders.csv")


def test_files_need_no_connection_and_survive_a_pickle():
    """The context manager and connect do nothing; a data manager of files goes into worker processes."""
    with make_data_manager() as data:
        assert data.connect() is data
        data.disconnect()
        copy = pickle.loads(pickle.dumps(data))
    assert ["orders"] == copy.names()
    assert "/data" in repr(copy)


def test_what_is_no_data_set_is_not_saved(folder):
    """Numbers, text, one mapping, rows that are no mappings: the error says what can be saved."""
    data = make_data_manager()
    for wrong in (5, "text", {"id": 1}, None, [1], [[1, 2]], [{1: 2}]):
        refusal(lambda: data.save_data("wrong", wrong))
    assert not list((folder / "output").glob("*")) if (folder / "output").exists() else True
    assert "wrong" not in data.names()


def test_a_folder_that_cannot_be_a_folder(folder):
    """A file where a folder should be is named, by loading and saving."""
    (folder / "file").touch()
    data = make_data_manager({"data_dir": "file", "output_dir": "file/out"})
    assert str(folder / "file") in refusal(lambda: data.names())
    data = make_data_manager({"output_dir": "file"})
    with pytest.raises(MilepostError):
        data.save_data("paid", [{"id": 1}])
    assert (folder / "file").read_text() == ""
