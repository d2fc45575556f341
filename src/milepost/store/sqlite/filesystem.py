"""Where a ledger may lie: on a disk of this machine, in files that nobody else can write."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterable

from milepost.errors import StoreDamaged, WorkspaceError
from milepost.model.refusal import refusal_text

SMALLEST = 512  # bytes: SQLite takes a shorter file for a new one
OVERRIDE = "MILEPOST_ALLOW_NETWORK_FS"
_REFUSED = {
    "nfs": "NFS", "nfs4": "NFS", "cifs": "SMB", "smb3": "SMB", "smb2": "SMB", "smbfs": "SMB", "9p": "9p",
}  # fmt: skip
_FINE = frozenset({"fuseblk"})  # a disk of this machine behind a driver in user space
_warned: set[str] = set()


def advice(filesystem: str, path: str) -> str | None:
    """Why a ledger must not lie on this type of file system, and what to do; None when it may."""
    shown = _REFUSED.get(filesystem)
    if shown is None:
        return None
    return (
        f"{path} is on a network file system ({shown}), where locks and shared memory fail and a ledger is damaged: "
        f"put the workspace on a local disk (MILEPOST_WORKSPACE=/local/folder), or set {OVERRIDE}=1 and use it from "
        "one machine alone, more slowly"
    )


def is_doubtful(filesystem: str) -> bool:
    """Whether locks may or may not work there."""
    return filesystem.startswith("fuse") and filesystem not in _FINE


def filesystem_of(path: str, mounts: Iterable[str] | None = None) -> str:
    """The type of the file system that holds `path` (absolute), as the kernel names it; "" when it does not say."""
    if mounts is None:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.readlines()
        except OSError:  # not Linux
            return ""
    best, found = -1, ""
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = _unescape(left.split(" ")[4])
        if _is_below(path, point) and len(point) >= best:  # the last one mounted on a point hides the others
            best, found = len(point), right.split(" ")[0]
    return found


def allow(path: str) -> bool:
    """Whether WAL may be used at `path`; WorkspaceError when no ledger may lie there."""
    filesystem = filesystem_of(path)
    reason = advice(filesystem, path)
    if reason is not None:
        if os.environ.get(OVERRIDE) != "1":
            raise WorkspaceError(reason, filesystem=filesystem, path=path)
        return False
    if is_doubtful(filesystem) and path not in _warned:
        _warned.add(path)
        warnings.warn(
            f"{path} is on {filesystem}: if locks do not work there, a ledger used by two processes is damaged",
            RuntimeWarning,
            stacklevel=2,
        )
    return True


def create(path: str, fill: Callable[[str], None]) -> None:
    """Make a file of our own, mode 0600, in a folder of mode 0700: filled under another name, then linked, so that
    an empty or half-made one is always damage. Nothing happens when another process was first."""
    folder = os.path.dirname(path)
    part = f"{path}.new-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _sweep(path)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        try:
            fill(part)
            _link(part, path)
        finally:
            os.unlink(part)
        _sync_folder(folder)
    except OSError as error:
        raise WorkspaceError(f"cannot make a ledger at {path}: {refusal_text(error)}", path=path) from error


def refuse_foreign(path: str) -> None:
    """WorkspaceError unless the file is ours, plain and written by nobody else; StoreDamaged when it is empty."""
    try:
        seen = os.lstat(path)
    except OSError as error:
        raise WorkspaceError(f"no ledger at {path}: {refusal_text(error)}", path=path) from error
    if stat.S_ISDIR(seen.st_mode):
        raise WorkspaceError(f"{path} is a folder where a ledger belongs: move it away, or name another", path=path)
    if not stat.S_ISREG(seen.st_mode):
        raise WorkspaceError(f"{path} is no plain file, so no ledger", path=path)
    if seen.st_size < SMALLEST:
        raise StoreDamaged(
            f"ledger {path} has been cut off, it has {seen.st_size} bytes: restore a copy, "
            "or move it away and start anew",
            path=path,
        )
    if seen.st_uid != os.getuid():
        raise WorkspaceError(
            f"{path} belongs to another user (uid {seen.st_uid}): make your own workspace with MILEPOST_WORKSPACE, "
            f"or copy the folder",
            path=path,
        )
    if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise WorkspaceError(f"{path} can be written by others: run  chmod go-w {path}", path=path)


def _link(part: str, path: str) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except PermissionError:  # a file system without links
        if not os.path.lexists(path):
            os.rename(part, path)
            os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))


def _sweep(path: str) -> None:
    """Remove what killed makers left."""
    folder, name = os.path.split(path)
    for found in os.listdir(folder):
        if found.startswith(f"{name}.new-") and not _is_alive(found.removeprefix(f"{name}.new-").split("-")[0]):
            os.unlink(os.path.join(folder, found))


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescape(point: str) -> str:
    for code, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, plain)
    return point
