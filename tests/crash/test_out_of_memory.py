"""A worker that the kernel kills for memory is named as such, and its item too."""

import os
import subprocess
from pathlib import Path

import pytest
from job import AS_ROOT, Job

GROUPS = Path("/sys/fs/cgroup")
LIMIT_BYTES = 300 << 20
HUNGRY = 'return len(bytearray(b"x") * (1 << 30)) if order["id"] == 7 else order["price"] * factor'


@pytest.fixture
def small_memory():
    """A control group that has little memory; the file through which a process enters it."""
    is_second = (GROUPS / "cgroup.controllers").exists()
    folder = GROUPS / ("" if is_second else "memory") / f"milepost-test-{os.getpid()}"
    limit = folder / ("memory.max" if is_second else "memory.limit_in_bytes")
    subprocess.run([*AS_ROOT, "mkdir", str(folder)], check=True)
    subprocess.run([*AS_ROOT, "sh", "-c", f"echo {LIMIT_BYTES} > {limit}"], check=True)
    yield folder / "cgroup.procs"
    subprocess.run([*AS_ROOT, "rmdir", str(folder)], check=True)


def test_a_worker_killed_for_memory_names_its_item_and_the_cause(tmp_path, small_memory):
    """The item that needs 1 GiB fails with "out of memory"; the run ends with an error and resumes."""
    job = Job(tmp_path, items=20, seconds=0.001)
    source = tmp_path / "sales.py"
    source.write_text(source.read_text().replace('return order["price"] * factor', HUNGRY))
    enter = ("sh", "-c", f'echo $$ | {" ".join(AS_ROOT)} tee {small_memory} > /dev/null && exec "$@"', "sh")
    process = job.start("run", "sales.py", "--executor", "workers", "--workers", "2", before=enter)
    said, _ = process.communicate(timeout=60)
    assert 1 == process.returncode, said
    assert "out of memory" in said
    assert "item '7'" in said
    assert "7" not in job.done()
    job.write(factor=3)
    job.finish()
    assert job.expected() == job.result()
