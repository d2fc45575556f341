"""The key that signs a workspace's pickles: in the user's data folder, never in the store that travels."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from milepost.errors import WorkspaceError
from milepost.model.refusal import refusal_text
from milepost.store.files import make_folder, sync_folder

KEY_BYTES = 32
FOREIGN = b""  # the key of a store that was made elsewhere: data is read, pickles are refused

_STORE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def key_folder() -> Path:
    """Where keys are: $XDG_DATA_HOME/milepost/keys, by default below ~/.local/share."""
    home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "share"
    return base / "milepost" / "keys"


def signing_key(store_id: str, *, create: bool) -> bytes:
    """The 32 bytes that sign this store's pickles; FOREIGN when they are not here and `create` is False.

    Raises WorkspaceError when the key or its folder is open to others, is somebody else's, or is damaged.

    >>> signing_key("no-such-store", create=False)
    b''
    """
    if not _STORE_ID.fullmatch(store_id):
        raise WorkspaceError(f"{store_id[:80]!r} is no store id: letters, digits, '.', '_' and '-' only")
    folder = key_folder()
    path = folder / store_id
    if create:
        _make_folder(folder)
    elif not folder.exists():
        return FOREIGN
    _check_folder(folder)
    try:
        return _read(path)
    except FileNotFoundError:
        return _create(path) if create else FOREIGN


def _make_folder(folder: Path) -> None:
    try:
        if not folder.exists():
            make_folder(folder)
    except OSError as error:
        raise WorkspaceError(f"cannot make the folder for keys, {folder}: {refusal_text(error)}") from error


def _check_folder(folder: Path) -> None:
    found = os.stat(folder, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        raise WorkspaceError(f"{folder} is no folder; move it away")
    _check_owner(folder, found, "700")


def _check_owner(path: Path, found: os.stat_result, mode: str) -> None:
    if found.st_uid != os.geteuid():
        raise WorkspaceError(f"{path} belongs to user {found.st_uid}; keys must be your own. Move it away")
    if found.st_mode & 0o077:
        raise WorkspaceError(f"{path} is open to other users; if no one else changed it: chmod {mode} {path}")


def _read(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WorkspaceError(f"cannot open the key {path}: {refusal_text(error)}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise WorkspaceError(f"the key {path} is no regular file; move it away")
        _check_owner(path, found, "600")
        key = os.read(handle, KEY_BYTES + 1)
    finally:
        os.close(handle)
    if len(key) != KEY_BYTES:
        raise WorkspaceError(
            f"the key {path} has {found.st_size} bytes instead of {KEY_BYTES}; restore or move it away"
        )
    return key


def _create(path: Path) -> bytes:
    """Make a key; when two processes do, one file wins and both read that. It is never there in part."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(6)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, secrets.token_bytes(KEY_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(temporary, path, follow_symlinks=False)
        except FileExistsError:
            pass
        finally:
            os.unlink(temporary)
        sync_folder(path.parent)
    except OSError as error:
        raise WorkspaceError(f"cannot write the key {path}: {refusal_text(error)}") from error
    return _read(path)
