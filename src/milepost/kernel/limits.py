"""How much memory this process may use: the least limit of its control groups, else what the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator

GROUPS = "/sys/fs/cgroup"
OWN = "/proc/self/cgroup"


def memory_limit_bytes(groups: str = GROUPS, own: str = OWN) -> int:
    """The memory that this process and what it starts may use together, in bytes.

    Inside a container that is the container's limit. A limit of 0, one that is no number, or one beyond the
    machine's memory is none.

    Example:
        >>> 0 < memory_limit_bytes() <= machine_memory_bytes()
        True
    """
    machine = machine_memory_bytes()
    return min([limit for limit in _limits(groups, own) if 0 < limit < machine], default=machine)


def machine_memory_bytes() -> int:
    """What the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limits(groups: str, own: str) -> Iterator[int]:
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _upward(groups, path, "memory.max")
            yield from _upward(f"{groups}/unified", path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _upward(f"{groups}/memory", path, "memory.limit_in_bytes")


def _upward(root: str, path: str, name: str) -> Iterator[int]:
    """The limits of a group and of all above it; the path may be one that this container does not see."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        text = _read("/".join([root, *parts[:depth], name])).strip()
        if text.isdecimal():
            yield int(text)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
