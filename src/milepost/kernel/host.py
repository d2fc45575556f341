"""What the machine says about itself and its processes: boot, pids, memory, out-of-memory kills.

Linux is read from /proc and /sys; elsewhere psutil is asked, and only then imported. Nothing here raises
when the system has no answer: observation never breaks the work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache

_LINUX = sys.platform.startswith("linux")
_CGROUPS = "/sys/fs/cgroup"


def host() -> str:
    """The name of this machine (of this container, inside one)."""
    return os.uname().nodename


@cache
def boot_id() -> str:
    """A text that is the same until this machine starts again; "" where the system gives none."""
    text = _read("/proc/sys/kernel/random/boot_id") if _LINUX else _boot_session()
    return (text or "").strip()


def _boot_session() -> str:
    import subprocess

    asked = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=False)
    return asked.stdout


@cache
def booted() -> float | None:
    """When this machine started, UTC epoch seconds."""
    if not _LINUX:
        import psutil

        return float(psutil.boot_time())
    for line in (_read("/proc/stat") or "").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return None


def pid_space() -> str:
    """Which set of pids this process sees: pids of two spaces cannot be compared."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def pid_started(pid: int) -> float | None:
    """When the process began, or None when there is none with this pid (a zombie is none).

    With the pid this names a process for good: a pid that was given out again has another start. On Linux
    the figure is in seconds since boot, elsewhere in epoch seconds; it is for comparing only.
    """
    if pid <= 0:
        return None
    return _started_by_proc(pid) if _LINUX else _started_by_psutil(pid)


def _started_by_proc(pid: int) -> float | None:
    text = _read(f"/proc/{pid}/stat")
    if text is None:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the command before may hold spaces and brackets
    if fields[0] in "ZXx":
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _started_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def parent(pid: int) -> int | None:
    """The process that started it, or took it on; None when there is no process with this pid."""
    if not _LINUX:
        import psutil

        try:
            return int(psutil.Process(pid).ppid())
        except psutil.Error:
            return None
    text = _read(f"/proc/{pid}/stat")
    return None if text is None else int(text[text.rindex(")") + 2 :].split(None, 2)[1])


def memory_bytes(pid: int | None = None) -> int:
    """Resident memory of a process (this one) and all its descendants, in bytes; shared pages count in
    each.
    """
    root = os.getpid() if pid is None else pid
    if not _LINUX:
        return _memory_by_psutil(root)
    children = _children if _lists_children() else _children_by_scan()
    waiting, total = [root], 0
    while waiting:
        process = waiting.pop()
        total += _resident_bytes(process)
        waiting.extend(children(process))
    return total


def _resident_bytes(pid: int) -> int:
    text = _read(f"/proc/{pid}/statm")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") if text else 0


@cache
def _lists_children() -> bool:
    """Whether this kernel names a process's children; some are built without."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    texts = [_read(f"/proc/{pid}/task/{thread}/children") for thread in threads]
    return [int(child) for text in texts if text for child in text.split()]


def _children_by_scan() -> Callable[[int], list[int]]:
    family: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        text = _read(f"/proc/{name}/stat") if name.isdigit() else None
        if text is not None:
            parent = int(text[text.rindex(")") + 2 :].split(None, 2)[1])
            family.setdefault(parent, []).append(int(name))
    return lambda pid: family.get(pid, [])


def _memory_by_psutil(root: int) -> int:
    import psutil

    try:
        top = psutil.Process(root)
        family = [top, *top.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def oom_kills(group: str | None = None) -> int | None:
    """How often the kernel killed for memory in a control group (this process's own); None when it cannot
    be read.

    `group` is what `memory_group()` gave, so that another process can ask about a dead one's group.
    """
    path = memory_group() if group is None else group
    for line in (_read(path) or "").splitlines() if path else ():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return None


def memory_group() -> str | None:
    """The file that counts memory kills of this process's control group: version 2's memory.events or
    version 1's.
    """
    for line in (_read("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            candidates = [f"{_CGROUPS}{path}/memory.events", f"{_CGROUPS}/unified{path}/memory.events"]
        elif "memory" in controllers.split(","):
            candidates = [
                f"{_CGROUPS}/memory{path}/memory.oom_control",
                f"{_CGROUPS}/memory/memory.oom_control",
            ]
        else:
            continue
        for candidate in candidates:
            if os.path.exists(candidate):
                return os.path.normpath(candidate)
    return None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
