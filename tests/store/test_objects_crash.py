"""Killed, crowded and full: an object is there whole or not at all, and no writer leaves anything behind."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from milepost.errors import ObjectError, StoreFull
from milepost.store import files
from milepost.store.objects import Objects

ENDLESS = """
import sys, os
import numpy as np
from pathlib import Path
from milepost.store.objects import Objects
store = Objects(Path(sys.argv[1]), bytes(32))
number = 0
print("ready", flush=True)
while True:
    number += 1
    print(store.put(np.full(300_000, os.getpid() + number / 1000)).address, flush=True)
"""


def test_a_killed_writer_leaves_no_half_object(tmp_path: Path) -> None:
    """After kill -9 at any moment all that is visible verifies, what was acknowledged is there, and the next
    start clears the temporary files."""
    acknowledged: list[str] = []
    for round_number in range(6):
        process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.013 * round_number)
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [line.strip() for line in process.communicate()[0].splitlines(True) if line.endswith("\n")]
    objects = Objects(tmp_path, bytes(32))
    present = list(objects.addresses())
    assert set(acknowledged) <= set(present)
    for address in present:
        objects.verify(address)
    for left in tmp_path.glob(".tmp-*"):
        os.utime(left, (1, 1))
    objects.put("the next start")
    assert [] == list(tmp_path.glob(".tmp-*"))


def test_a_living_writers_file_is_not_stale(tmp_path: Path) -> None:
    """A temporary file whose writer still holds its lock stays, however old it looks."""
    code = "import sys, os, fcntl; h = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY); fcntl.flock(h, fcntl.LOCK_EX); "
    code += "os.utime(sys.argv[1], (1, 1)); print('held', flush=True); sys.stdin.read()"
    living = tmp_path / ".tmp-1-living"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(living)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert 0 == files.remove_stale(tmp_path)
        holder.communicate("")
    assert 1 == files.remove_stale(tmp_path)
    assert not living.exists()


def test_many_processes_put_the_same_objects(tmp_path: Path) -> None:
    """Four processes that put the same 60 values at once leave 60 whole objects and nothing else."""
    code = """
import sys, numpy as np
from pathlib import Path
from milepost.store.objects import Objects
store = Objects(Path(sys.argv[1]), bytes(32))
sys.stdin.readline()
for number in range(60):
    address = store.put(np.full(2_000, number)).address
    assert store.get(address)[0] == number
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert 0 == process.returncode
    objects = Objects(tmp_path, bytes(32))
    assert 60 == len(list(objects.addresses()))
    for address in objects.addresses():
        objects.verify(address)
    assert 60 == sum(1 for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_refused_write_leaves_nothing(tmp_path: Path, size: int) -> None:
    """When the system refuses to write, the error says so, nothing is visible, and afterwards it works."""
    objects = Objects(tmp_path, bytes(32))
    objects.put("first")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, before[1]))
    try:
        with pytest.raises(ObjectError, match="cannot write"):
            objects.put(np.arange(size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 1 == len(list(objects.addresses()))
    assert [] == list(tmp_path.glob(".tmp-*"))
    objects.verify(objects.put(np.arange(size)).address)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_named_as_such(number: int) -> None:
    """No space, no quota and a read-only system are StoreFull, with what to do."""
    error = files.storage_error(OSError(number, os.strerror(number)), Path("/objects/x"))
    assert isinstance(error, StoreFull)
    assert "free some space, then run the same command again" in str(error)


def test_a_folder_that_vanished_is_made_again(tmp_path: Path) -> None:
    """Someone removed the objects while we worked: the next put works."""
    import shutil

    objects = Objects(tmp_path / "objects", bytes(32))
    address = objects.put("value").address
    shutil.rmtree(objects.root)
    assert address == objects.put("value").address
    assert "value" == objects.get(address)


def test_a_forked_child_can_put_large_objects(tmp_path: Path) -> None:
    """Hashing with threads before a fork does not hang the child."""
    code = """
import os, sys, numpy as np
from pathlib import Path
from milepost.store.objects import Objects
store = Objects(Path(sys.argv[1]), bytes(32))
store.put(np.zeros(1_000_000))
child = os.fork()
if child == 0:
    store.put(np.ones(1_000_000))
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert 0 == subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=30).returncode
    assert 2 == len(list(Objects(tmp_path, b"").addresses()))


def test_many_mapped_arrays_do_not_run_out_of_descriptors(tmp_path: Path) -> None:
    """Where no more files can be mapped they are read."""
    objects = Objects(tmp_path, bytes(32))
    addresses = [objects.put(np.full(140_000, number)).address for number in range(40)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 15, before[1]))
    try:
        arrays = [objects.get(address) for address in addresses]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert list(range(40)) == [int(array[-1]) for array in arrays]  # type: ignore[index]
