"""Saving is whole or not at all: killed writers, full disks, two at once, readers meanwhile."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pandas
import polars
import pytest

from milepost.datasets import make_data_manager
from milepost.datasets.replacing import remove_unfinished, replacing
from milepost.errors import DataSetError

HALF_WAY = """
import sys, threading
from milepost.datasets import make_data_manager

def rows():
    for number in range(1_000_000):
        if number == 60_000:
            print("half way", flush=True)
            threading.Event().wait()
        yield {"id": number, "text": "new " * 5}

make_data_manager({"output_dir": sys.argv[1]}).save_data("x", rows(), format=sys.argv[2])
"""
FORMATS = ("csv", "json", "jsonl", "parquet")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def data(out):
    return make_data_manager({"data_dir": out.parent / "in", "output_dir": out})


@contextmanager
def half_way(out, form):
    """A process that has written a good part of a data set and is stopped in the middle of it."""
    process = subprocess.Popen([sys.executable, "-c", HALF_WAY, str(out), form], stdout=subprocess.PIPE, text=True)
    try:
        assert "half way" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_a_writer_that_is_killed_leaves_the_old_one(data, out, form):
    """The old data set is whole, and what the killed one left is gone after the next save."""
    data.save_data("x", [{"id": 1}], format=form)
    with half_way(out, form) as process:
        assert [1_000] < [path.stat().st_size for path in out.glob(".milepost-*")]
        process.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == process.wait()
    assert [{"id": 1}] == data.load_data("x", as_="records")
    assert ["x"] == data.names()
    assert 1 == len(list(out.glob(".milepost-*")))
    data.save_data("x", [{"id": 2}])
    assert [f"x.{form}"] == [path.name for path in out.iterdir()]


def test_a_writer_at_work_is_left_alone(data, out):
    """Another one's save neither removes its file nor waits for it; a reader has the old one until it is done."""
    data.save_data("x", [{"id": 1}])
    with half_way(out, "csv"):
        assert [{"id": 1}] == data.load_data("x", as_="records")
        data.save_data("x", [{"id": 2}])
        assert 0 == remove_unfinished(out)
        assert 1 == len(list(out.glob(".milepost-*")))
        assert [{"id": 2}] == data.load_data("x", as_="records")


def test_kills_never_show_half_of_anything(out, data):
    """A process that saves one table after the other is killed at eight moments: what is there is whole."""
    program = """
import sys
from milepost.datasets import make_data_manager
data, number = make_data_manager({"output_dir": sys.argv[1]}), int(sys.argv[2])
print("begun", flush=True)
while True:
    number += 1
    data.save_data("x", [{"turn": number, "row": row} for row in range(2000)], format="csv")
"""
    turn = 0
    for kill in range(8):
        process = subprocess.Popen([sys.executable, "-c", program, str(out), str(turn)], stdout=subprocess.PIPE)
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.02 + 0.013 * kill)
        process.kill()
        process.wait()
        process.stdout.close()
        if data.has("x"):
            rows = data.load_data("x", as_="records")
            assert list(range(2000)) == [row["row"] for row in rows]
            (seen,) = {row["turn"] for row in rows}
            assert seen >= turn
            turn = seen
    assert turn > 0


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["pandas", "polars", "records"])
def test_a_disk_that_is_full(data, out, small_disk, form, kind):
    """The error says so and what to do; the old data set is unchanged and nothing is left over."""
    data = make_data_manager({"data_dir": out, "output_dir": small_disk})
    data.save_data("x", [{"id": 1}], format=form)
    rows = [{"id": number, "text": os.urandom(500).hex()} for number in range(4000)]
    given = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "records": list}[kind](rows)
    with pytest.raises(DataSetError, match=r"No space left.*what was there before is unchanged; free some space"):
        data.save_data("x", given)
    assert [{"id": 1}] == data.load_data("x", as_="records")
    assert [f"x.{form}"] == [path.name for path in small_disk.iterdir()]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=1m,mode=0700,uid={os.getuid()}"
    subprocess.run([*root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run([*root, "umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("form", FORMATS)
def test_rows_that_fail_half_way(data, out, form):
    """Whatever their iterator raises comes out as it is; the old data set stays."""
    data.save_data("x", [{"id": 1}], format=form)

    def rows():
        yield from ({"id": number} for number in range(50_000))
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        data.save_data("x", rows())
    assert [{"id": 1}] == data.load_data("x", as_="records")
    assert [f"x.{form}"] == [path.name for path in out.iterdir()]


def test_of_many_that_must_not_replace_one_wins(data, out):
    """With replace=False eight threads at once leave one winner, and its data."""
    start, won, lost = threading.Barrier(8), [], []

    def save(number):
        start.wait()
        try:
            data.save_data("x", ({"id": number} for _ in range(20_000)), replace=False)
            won.append(number)
        except DataSetError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (1, 7) == (len(won), len(lost))
    assert all("is there already" in text for text in lost)
    assert {won[0]} == {row["id"] for row in data.load_data("x", as_="records")}
    assert ["x.csv"] == [path.name for path in out.iterdir()]


def test_a_reader_in_the_middle_keeps_what_it_began_with(data):
    """Chunks come from the file that was there at the first, however often it is replaced."""
    for form in ("csv", "jsonl", "parquet"):
        data.save_data(form, [{"id": 1}] * 3000, format=form)
        pieces = data.load_data(form, chunks=1000, as_="records")
        next(pieces)
        data.save_data(form, [{"id": 2}] * 10)
        assert [1000, 1000] == [len(piece) for piece in pieces]


def test_who_may_read_a_file_stays(data, out):
    """A new file has the usual mode; replacing keeps the mode that it has."""
    path = out / "x.csv"
    data.save_data("x", [{"id": 1}])
    old = os.umask(0)
    os.umask(old)
    assert 0o666 & ~old == path.stat().st_mode & 0o777
    path.chmod(0o640)
    data.save_data("x", [{"id": 2}])
    assert 0o640 == path.stat().st_mode & 0o777


def test_a_link_is_replaced_and_not_followed(data, out, tmp_path):
    """What a link in output_dir points to is not written over; output_dir itself may be a link."""
    (tmp_path / "real").mkdir()
    out.symlink_to(tmp_path / "real")
    (tmp_path / "precious.csv").write_text("id\n1\n")
    (out / "x.csv").symlink_to(tmp_path / "precious.csv")
    data.save_data("x", [{"id": 2}])
    assert (tmp_path / "precious.csv").read_text() == "id\n1\n"
    assert [{"id": 2}] == data.load_data("x", as_="records")


def test_a_folder_in_the_way(data, out):
    """A folder named as the file would be: an error, and the folder stays."""
    (out / "x.csv" / "inside").mkdir(parents=True)
    with pytest.raises(DataSetError, match="Is a directory"):
        data.save_data("x", [{"id": 1}])
    assert (out / "x.csv" / "inside").is_dir()
    assert ["x.csv"] == [path.name for path in out.iterdir()]


def test_a_folder_that_may_not_be_written(tmp_path):
    """The refusal of the system, with the path."""
    with pytest.raises(DataSetError, match="cannot write /proc/none/x.csv"):
        make_data_manager({"output_dir": "/proc/none"}).save_data("x", [{"id": 1}])


def test_a_temporary_file_that_is_taken_away_before_it_is_locked(out, monkeypatch):
    """Another's clean-up may come between making and locking the file: it is made again."""
    import fcntl

    taken = []
    lock = fcntl.flock

    def late(handle, how):
        if not taken:
            taken.append(next(out.glob(".milepost-*")))
            taken[0].unlink()
        return lock(handle, how)

    out.mkdir()
    monkeypatch.setattr("milepost.datasets.replacing.fcntl.flock", late)
    with replacing(out / "x.csv", replace=True) as file:
        file.write(b"id\n1\n")
    assert (out / "x.csv").read_bytes() == b"id\n1\n"
    assert taken
