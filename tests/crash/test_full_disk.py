"""A disk that is full for a while, and too few files: the run waits, or says what is wrong, and nothing is lost."""

import os
import subprocess
import threading
from contextlib import contextmanager

import pytest
from job import AS_ROOT, Job, wait_for

DISK_BYTES = 8 << 20
LARGE = "return __import__('random').Random(order['id']).randbytes(8000).hex() and order['price'] * factor"


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    options = f"size={DISK_BYTES},mode=0700,uid={os.getuid()}"
    subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run([*AS_ROOT, "umount", "-l", str(folder)], check=True)


@contextmanager
def filled(disk):
    """No byte is free while entered."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
        yield
    finally:
        filler.unlink()


def read_along(process):
    """What the process has said so far, as a list that grows."""
    said = []
    threading.Thread(target=lambda: said.extend(iter(process.stdout.readline, "")), daemon=True).start()
    return said


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ("return order['price'] * factor", ()),
        (LARGE, ()),
        (LARGE, ("--executor", "workers", "--workers", "2")),
    ],
    ids=["rows", "objects", "objects of workers"],
)
def test_a_run_waits_while_the_disk_is_full_and_goes_on(tmp_path, disk, body, options):
    """A warning says what it waits for; once there is room it completes, and nothing was executed twice."""
    job = Job(tmp_path, items=200, seconds=0.01, place=disk / ".milepost")
    source = tmp_path / "sales.py"
    source.write_text(source.read_text().replace('return order["price"] * factor', body))
    process = job.start("run", "sales.py", *options)
    said = read_along(process)
    wait_for(lambda: len(job.done()) >= 20)
    with filled(disk):
        wait_for(lambda: any("waiting up to" in line for line in said), 5, said)
        assert process.poll() is None
    assert process.wait(timeout=60) == 0, said
    process.stdout.close()
    assert job.expected() == job.result()
    assert {1} == set(job.calls().values())


def test_a_run_on_a_full_disk_gives_up_in_a_way_that_resumes(tmp_path, disk):
    """After the wait it ends with an error that says what to do; the same command then completes it."""
    job = Job(tmp_path, items=200, seconds=0.01, place=disk / ".milepost")
    job.settings["MILEPOST_STORE_WAIT_SECONDS"] = "1"
    process = job.start()
    wait_for(lambda: len(job.done()) >= 20)
    with filled(disk):
        said, _ = process.communicate(timeout=60)
        assert 4 == process.returncode, said
        assert "error: " in said
        assert "space" in said
        assert "Traceback" not in said
        before = job.done()
    job.finish()
    assert before <= job.done()
    assert job.expected() == job.result()


@pytest.mark.parametrize("redirected", ["> /dev/full", "> /dev/full 2>&1", ">&-", ">&- 2>&-"])
def test_output_that_cannot_be_written_loses_nothing(tmp_path, redirected):
    """What is printed is lost; the run is complete, and the exit code is ours: never Python's 120."""
    job = Job(tmp_path, items=100, seconds=0)
    before = ("sh", "-c", f'exec "$@" {redirected}', "sh")
    process = job.start("run", "sales.py", before=before)
    said, _ = process.communicate(timeout=60)
    assert (0 if ">&-" in redirected else 1) == process.returncode, said
    assert "Traceback" not in said
    assert ("No space left" in said) == (redirected == "> /dev/full")
    assert job.expected() == job.result()
    assert "completed" == job.runs()[0].state


@pytest.mark.parametrize(("files", "options"), [(32, ()), (64, ("--executor", "workers", "--workers", "2"))])
def test_few_open_files_are_enough(tmp_path, files, options):
    job = Job(tmp_path, items=100, seconds=0)
    process = job.start("run", "sales.py", *options, before=("prlimit", f"--nofile={files}"))
    said, _ = process.communicate(timeout=60)
    assert 0 == process.returncode, said
    assert job.expected() == job.result()


@pytest.mark.parametrize(
    ("files", "options"), [(8, ()), (11, ()), (14, ()), (32, ("--executor", "workers", "--workers", "2"))]
)
def test_too_few_open_files_are_an_error_and_lose_nothing(tmp_path, files, options):
    job = Job(tmp_path, items=100, seconds=0)
    process = job.start("run", "sales.py", *options, before=("prlimit", f"--nofile={files}"))
    said, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 1, 4), said
    if process.returncode:
        assert "error: " in said
        assert "ulimit -n" in said
    assert "Traceback" not in said
    job.finish()
    assert job.expected() == job.result()
