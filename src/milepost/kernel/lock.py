"""A run's lock: held by the process that carries the run out, dropped by the kernel when that process dies.

`flock` belongs to an open file description, which a fork shares. So the file is opened close-on-exec, and
every forked child closes its copy at once: an orphan never keeps a dead run alive. (A C library that
forks without telling Python escapes this, until that child executes something or ends.) The owner holds
the lock exclusively and who looks takes it shared for a moment, so an acquirer can tell the two apart and
waits for a looker. The three functions at the end are all that another system would have to replace.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time

from milepost.errors import WorkspaceError
from milepost.model.refusal import refusal_text

PATIENCE_SECONDS = 1.0  # how long an acquirer waits for those who merely look


class RunLock:
    """The lock on one file, held until `release` or the end of the process.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     lock = try_acquire(folder + "/a.lock")
        ...     held = is_held(folder + "/a.lock")
        ...     lock.release()
        ...     held, is_held(folder + "/a.lock")
        (True, False)
    """

    def __init__(self, path: str | os.PathLike[str], descriptor: int) -> None:
        self.path = os.fspath(path)
        self._descriptor = descriptor

    @property
    def is_mine(self) -> bool:
        """Whether this process holds it; False after `release` and in a forked child."""
        return self._descriptor >= 0

    def release(self) -> None:
        """Let go of the lock; the file stays. A second call, or a call in a forked child, does nothing."""
        with _guard:
            descriptor, self._descriptor = self._descriptor, -1
            _held.discard(self)
            if descriptor >= 0:
                # explicitly: a child between fork and exec still shares the description
                _unlock(descriptor)
                os.close(descriptor)

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        with contextlib.suppress(OSError):
            os.close(descriptor)  # never _unlock: that would take the lock from the parent


def try_acquire(path: str | os.PathLike[str]) -> RunLock | None:
    """Take the lock on `path`, creating the file (0600); None when another holder lives.

    Raises WorkspaceError when the file cannot be opened.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with _guard:  # no fork between opening and being known to the fork hook
            descriptor = _open_for_owner(path)
            if _lock(descriptor, exclusive=True) and _is_current(path, descriptor):
                lock = RunLock(path, descriptor)
                _held.add(lock)
                return lock
            has_owner = not _lock(descriptor, exclusive=False)
            os.close(descriptor)
        if has_owner or time.monotonic() >= deadline:
            return None
        time.sleep(0.001 + 0.001 * (os.getpid() % 7))  # unequal, so that two acquirers do not stay in step


def is_held(path: str | os.PathLike[str]) -> bool:
    """Whether some living process holds the lock on `path`; the owner notices nothing. No file: False.

    Raises PermissionError when the file belongs to someone else.
    """
    with _guard:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            return not _lock(descriptor, exclusive=False)
        finally:
            os.close(descriptor)


def _open_for_owner(path: str | os.PathLike[str]) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise WorkspaceError(
            f"the lock file {os.fspath(path)!r} cannot be opened ({refusal_text(error)}); "
            "check that the workspace exists and is yours"
        ) from error


def _is_current(path: str | os.PathLike[str], descriptor: int) -> bool:
    """Whether the name still leads to the file that was locked: someone may have swept it in between."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


_guard = threading.RLock()
_held: set[RunLock] = set()


def _after_fork_in_child() -> None:
    global _guard
    _guard = threading.RLock()
    for lock in _held:
        lock._forget()
    _held.clear()


os.register_at_fork(
    before=lambda: _guard.acquire() and None,
    after_in_parent=lambda: _guard.release(),
    after_in_child=_after_fork_in_child,
)


def _lock(descriptor: int, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_UN)
