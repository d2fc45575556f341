"""Why a session died, by elimination: a crash dump, a memory kill, else it was killed. Never a guess
beyond that.

The crash log begins with one line that says which control group counts the memory kills of the session
and how many there were, so that an observer in another group asks about the right one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from pathlib import Path

import msgspec

from milepost import typed
from milepost.kernel import host
from milepost.kernel.warning import warn
from milepost.model.rows import SessionRow

SIGNALS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Bus error": "SIGBUS",
    "Floating point exception": "SIGFPE",
    "Floating-point exception": "SIGFPE",
    "Illegal instruction": "SIGILL",
}
_FATAL = "Fatal Python error: "
_MAX_READ_BYTES = 256 * 1024


class _Header(msgspec.Struct):
    memory_group: str | None = None
    oom_kills: int | None = None


class CrashLog:
    """The file that Python's fault handler writes to when this process crashes.

    Several sessions of one process share its one fault handler: the last that began has it, and it goes
    back to the one before when that ends. Forked children are taken off it: their crash is not the
    session's.
    """

    def __init__(self, folder: str | os.PathLike[str], epoch: int) -> None:
        self.path = crash_path(folder, epoch)
        self._descriptor = -1

    def open(self) -> None:
        """Create the file and direct the fault handler to it; what fails costs only the cause of a crash."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, 0o600)
            header = _Header(host.memory_group(), host.oom_kills())
            os.write(self._descriptor, msgspec.json.encode(header) + b"\n")
        except OSError as error:
            warn(f"crashes of this run cannot be recorded in {self.path}: {error.strerror}")
        if self._descriptor >= 0:
            _open_logs.append(self)
            _direct_fault_handler()

    def close(self) -> None:
        """Give the fault handler back and remove the file: who ends did not crash."""
        if self not in _open_logs:
            return
        _open_logs.remove(self)
        _direct_fault_handler()
        os.close(self._descriptor)
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self.path.unlink()


_open_logs: list[CrashLog] = []
_was_enabled = False  # by the user, before our first log


def _direct_fault_handler() -> None:
    global _was_enabled
    if len(_open_logs) == 1:
        _was_enabled = _was_enabled or faulthandler.is_enabled()
    if _open_logs:
        faulthandler.enable(_open_logs[-1]._descriptor, all_threads=True)
        return
    faulthandler.disable()
    if _was_enabled:
        _was_enabled = False
        with contextlib.suppress(Exception):
            faulthandler.enable(sys.__stderr__ or sys.stderr)


def _after_fork_in_child() -> None:
    if not _open_logs:
        return
    faulthandler.disable()
    for log in _open_logs:
        with contextlib.suppress(OSError):
            os.close(log._descriptor)
    _open_logs.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def crash_path(folder: str | os.PathLike[str], epoch: int) -> Path:
    """Where the session of this epoch leaves its crash dump, within the run's folder."""
    return Path(folder) / f"crash-{epoch}.log"


def cause_of_death(session: SessionRow, lock_path: str | os.PathLike[str]) -> str:
    """Why a session that left no end marker died: "crashed: SIGSEGV in sales.py:12", "out of memory" or
    "killed".

    The crash log is looked for in the folder named as the lock file without `.lock`.
    """
    path = crash_path(os.path.splitext(lock_path)[0], session.epoch)
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_READ_BYTES).decode("utf-8", "replace")
    except OSError:
        text = ""
    first, _, dump = text.partition("\n")
    return _crash(dump) or _memory_kill(_header(first), session) or "killed"


def _header(line: str) -> _Header:
    try:
        return typed.from_json(line, _Header)
    except (msgspec.DecodeError, UnicodeError):
        return _Header()


def _memory_kill(header: _Header, session: SessionRow) -> str | None:
    before = session.oom_kills if header.oom_kills is None else header.oom_kills
    now = host.oom_kills(header.memory_group)
    return "out of memory" if before is not None and now is not None and now > before else None


def _crash(dump: str) -> str | None:
    lines = dump.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith(_FATAL)), None)
    if start is None:
        return None
    what = lines[start].removeprefix(_FATAL).strip()
    frame = _user_frame(lines[start + 1 :])
    return f"crashed: {SIGNALS.get(what, what)}" + (f" in {frame}" if frame else "")


def _user_frame(lines: list[str]) -> str | None:
    """The innermost frame of the crashed thread that is neither installed nor our own, else the
    innermost.
    """
    frames: list[tuple[str, str]] = []
    is_current = False
    for line in lines:
        if line.startswith(("Current thread", "Thread ")):
            is_current = line.startswith("Current thread")
        elif is_current and line.startswith('  File "'):
            name, _, rest = line[len('  File "') :].rpartition('", line ')
            number, _, function = rest.partition(" in ")
            frames.append((name, f"{os.path.basename(name)}:{number} ({function})"))
    chosen = next((text for name, text in frames if _is_users(name)), None)
    return chosen or (frames[0][1] if frames else None)


def _is_users(name: str) -> bool:
    return not (
        name.startswith((os.path.dirname(os.__file__) + os.sep, _OURS, "<frozen", "<string>"))
        or f"{os.sep}site-packages{os.sep}" in name
        or f"{os.sep}dist-packages{os.sep}" in name
    )


_OURS = str(Path(__file__).resolve().parents[1]) + os.sep
