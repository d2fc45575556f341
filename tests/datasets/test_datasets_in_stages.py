"""Data sets in stages: a path counts by its content, a data manager is never a reason to reuse."""

import pickle

import pandas
import pytest

from milepost import File, Process, stage
from milepost.datasets import make_data_manager
from milepost.errors import UnkeyableError
from milepost.model.fingerprint import digest


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = make_data_manager({"output_dir": "out"})
    data.save_data("orders", [{"id": 1}, {"id": 2}])
    return data


def test_the_path_of_a_data_set_counts_by_its_content(data, tmp_path):
    """The same content saved again is a hit; other content runs the stage again."""
    calls = tmp_path / "calls"

    @stage
    def count(orders: File = data.path("orders")):
        with open(calls, "a") as file:
            file.write("x")
        return len(pandas.read_csv(orders))

    process = Process("sales", [count])
    assert 2 == process.run().results["count"]
    data.save_data("orders", [{"id": 1}, {"id": 2}])
    assert 2 == process.run().results["count"]
    assert "x" * 1 == calls.read_text()
    data.save_data("orders", [{"id": 1}])
    assert 1 == process.run().results["count"]
    assert "x" * 2 == calls.read_text()


def test_a_stage_that_loads_by_itself_is_not_reused(data):
    """Nobody can know beforehand whether its data changed, so it runs, and finds what there is."""

    @stage
    def count():
        return len(data.load_data("orders"))

    process = Process("sales", [count])
    assert 2 == process.run().results["count"]
    data.save_data("orders", [{"id": 1}])
    assert 1 == process.run().results["count"]


def test_a_data_manager_has_no_fingerprint():
    """The reason says what to take instead."""
    with pytest.raises(UnkeyableError, match=r"take data_manager.path\(name\) as a File"):
        digest(make_data_manager())


def test_a_data_manager_works_in_a_worker_process(data):
    """Copied there, it loads and saves in the same folders."""
    copy = pickle.loads(pickle.dumps(data))

    @stage(workers=1)
    def count():
        copy.save_data("seen", [{"id": 7}])
        return len(copy.load_data("orders"))

    assert 2 == Process("sales", [count]).run().results["count"]
    assert [{"id": 7}] == data.load_data("seen", as_="records")
