"""The signing key is the user's own, outside the store, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from milepost.errors import WorkspaceError
from milepost.store.signing import FOREIGN, KEY_BYTES, key_folder, signing_key


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def test_a_key_is_made_once_and_found_again() -> None:
    """32 random bytes, the same at each opening, different for each store."""
    key = signing_key("one", create=True)
    assert len(key) == KEY_BYTES
    assert key == signing_key("one", create=True) == signing_key("one", create=False)
    assert key != signing_key("two", create=True)


def test_a_store_without_its_key_is_foreign() -> None:
    """Not creating gives the foreign key and leaves nothing behind."""
    assert signing_key("one", create=False) == FOREIGN
    assert not key_folder().exists()
    signing_key("two", create=True)
    assert signing_key("one", create=False) == FOREIGN


def test_modes_are_private_whatever_the_umask() -> None:
    """Folder 0700 and file 0600."""
    before = os.umask(0)
    try:
        signing_key("one", create=True)
    finally:
        os.umask(before)
    assert key_folder().stat().st_mode & 0o777 == 0o700
    assert (key_folder() / "one").stat().st_mode & 0o777 == 0o600
    assert ["one"] == os.listdir(key_folder())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(mode: int) -> None:
    """The error names the file and the command."""
    signing_key("one", create=True)
    (key_folder() / "one").chmod(mode)
    with pytest.raises(WorkspaceError, match="chmod 600"):
        signing_key("one", create=False)


def test_a_folder_that_others_can_enter_is_refused() -> None:
    """Others could have put a key there."""
    signing_key("one", create=True)
    key_folder().chmod(0o755)
    with pytest.raises(WorkspaceError, match="chmod 700"):
        signing_key("one", create=False)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """Symlinks, folders and FIFOs in the key's place are not opened."""
    signing_key("one", create=True)
    (key_folder() / "link").symlink_to(key_folder() / "one")
    (key_folder() / "folder").mkdir()
    os.mkfifo(key_folder() / "fifo", 0o600)
    for name in ("link", "folder", "fifo"):
        with pytest.raises(WorkspaceError):
            signing_key(name, create=True)


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_damaged_key_is_an_error_not_a_new_key(content: bytes) -> None:
    """A key of the wrong length is never replaced in silence."""
    signing_key("one", create=True)
    (key_folder() / "one").write_bytes(content)
    with pytest.raises(WorkspaceError, match="instead of 32"):
        signing_key("one", create=True)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0b", "x" * 129, ".hidden"])
def test_a_store_id_is_never_a_path(name: str) -> None:
    """Ids are checked before they reach a path."""
    with pytest.raises(WorkspaceError, match="no store id"):
        signing_key(name, create=True)


def test_two_processes_agree_on_one_key() -> None:
    """However many create it at once, all get the same key."""
    code = "from milepost.store.signing import signing_key; import sys; sys.stdin.readline(); "
    code += "print(signing_key('one', create=True).hex())"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    keys = {process.communicate("go\n")[0] for process in processes}
    assert len(keys) == 1
    assert ["one"] == os.listdir(key_folder())
