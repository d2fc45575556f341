"""The memory that a process may use, as its control groups say."""

import pytest

from milepost.kernel.limits import machine_memory_bytes, memory_limit_bytes


@pytest.fixture
def group(tmp_path):
    """Writes control groups: the line of /proc/self/cgroup, and files with limits; gives the limit that is found."""

    def limit(line, **files):
        (tmp_path / "own").write_text(line + "\n")
        for name, text in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return memory_limit_bytes(str(tmp_path / "groups"), str(tmp_path / "own"))

    return limit


def test_the_least_limit_of_all_groups_above_counts(group):
    """Version 2: the container's own is larger than the one of the machine's slice around it."""
    files = {"a/b/memory.max": "900000\n", "a/memory.max": "500000\n", "memory.max": "max\n"}
    assert 500_000 == group("0::/a/b", **files)


def test_the_limit_of_version_1(group):
    files = {"memory/job/memory.limit_in_bytes": "700000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}
    assert 700_000 == group("4:memory:/job", **files)


def test_a_group_that_the_container_does_not_see(group):
    """Its path is the host's; the limit stands at the top of what is seen."""
    assert 600_000 == group("4:memory:/docker/0123", **{"memory/memory.limit_in_bytes": "600000\n"})


@pytest.mark.parametrize("text", ["0\n", "max\n", "unknown\n", "", "-1\n", "99999999999999999999\n"])
def test_what_is_no_limit_leaves_the_machines_memory(group, text):
    assert machine_memory_bytes() == group("0::/a", **{"a/memory.max": text})


def test_without_control_groups_it_is_the_machines_memory(tmp_path):
    assert machine_memory_bytes() == memory_limit_bytes(str(tmp_path), str(tmp_path / "none"))
