"""Where a ledger may lie, who may touch it, and how it is set."""

import os
import subprocess
import threading
import warnings
from pathlib import Path

import apsw
import pytest

from milepost.errors import StoreError, WorkspaceError
from milepost.model.rows import StepRow
from milepost.store.migrations import latest
from milepost.store.protocol import Durability
from milepost.store.sqlite import SqliteStore, connection, filesystem
from milepost.testing.sample_rows import step_row

MOUNTS = [
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n",
    "30 22 0:40 / /home rw shared:1 master:2 - nfs4 server:/home rw\n",
    "31 30 0:41 / /home/ann/my\\040disk rw - xfs /dev/sdb rw\n",
    "32 22 0:42 / /win rw - 9p drvfs rw\n",
    "33 22 0:43 / /mnt/share rw - cifs //nas/share rw\n",
    "34 22 0:44 / /over rw - ext4 /dev/sdc rw\n",
    "35 34 0:45 / /over rw - overlay overlay rw\n",
    "36 22 0:46 / /remote rw - fuse.sshfs host: rw\n",
]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/x.db", "ext4"),
        ("/home/bob/x.db", "nfs4"),
        ("/homeless/x.db", "ext4"),
        ("/home/ann/my disk/x.db", "xfs"),
        ("/win/c/x.db", "9p"),
        ("/mnt/share/x.db", "cifs"),
        ("/over/x.db", "overlay"),
        ("/remote/x.db", "fuse.sshfs"),
    ],
)
def test_finds_the_file_system_of_a_path(path: str, expected: str) -> None:
    """The longest mount point above a path counts, and of two on one point the later."""
    assert filesystem.filesystem_of(path, MOUNTS) == expected


def test_asks_the_kernel() -> None:
    """On this machine the answer is a name; elsewhere nothing, and no error."""
    assert filesystem.filesystem_of("/proc/self/mountinfo") == "proc"
    assert filesystem.filesystem_of("/anything", []) == ""


@pytest.mark.parametrize(
    ("kind", "shown"), [("nfs", "NFS"), ("nfs4", "NFS"), ("cifs", "SMB"), ("smb3", "SMB"), ("9p", "9p")]
)
def test_advises_against_network_file_systems(kind: str, shown: str) -> None:
    """The advice names the type, the way out and the override."""
    advice = filesystem.advice(kind, "/x/ledger.db")
    assert advice is not None
    for part in (shown, "/x/ledger.db", "MILEPOST_WORKSPACE", "MILEPOST_ALLOW_NETWORK_FS"):
        assert part in advice


def test_disks_and_containers_are_fine() -> None:
    """Local file systems and overlay need no word; those in user space are doubtful."""
    fine = ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "", "fuseblk")
    assert [kind for kind in fine if filesystem.advice(kind, "/x") or filesystem.is_doubtful(kind)] == []
    assert filesystem.is_doubtful("fuse.sshfs")


def test_refuses_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger there is refused; with the override it keeps a rollback journal, synced with its folder."""
    monkeypatch.setattr(filesystem, "filesystem_of", lambda path: "nfs4")
    with pytest.raises(WorkspaceError, match="NFS"):
        SqliteStore.open(tmp_path)
    monkeypatch.setenv("MILEPOST_ALLOW_NETWORK_FS", "1")
    store = SqliteStore.open(tmp_path)
    assert store.describe()["journal_mode"] == "delete"
    assert store.write([step_row()], durable=True) == 1
    assert store.sync() == 2
    assert len(store.rows(StepRow)) == 1
    store.close()


def test_warns_once_of_a_doubtful_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FUSE is used, after one warning."""
    monkeypatch.setattr(filesystem, "filesystem_of", lambda path: "fuse.sshfs")
    with pytest.warns(RuntimeWarning, match=r"fuse\.sshfs"):
        SqliteStore.open(tmp_path).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SqliteStore.open(tmp_path).close()


def test_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask, the folder is 0700 and the ledger, its log and its index 0600."""
    before = os.umask(0)
    try:
        store = SqliteStore.open(tmp_path / "new" / "ledger.db")
        store.write([step_row()])
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    store.close()


def test_refuses_files_that_others_could_have_written(tmp_path: Path) -> None:
    """Group or world writable, of another user, a folder, a pipe: refused, saying what to do."""
    SqliteStore.open(tmp_path).close()
    path = tmp_path / "ledger.db"
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(WorkspaceError, match="chmod go-w"):
            SqliteStore.open(tmp_path)
    path.chmod(0o600)
    if os.getuid() == 0:
        os.chown(path, 12345, 12345)
        with pytest.raises(WorkspaceError, match="another user"):
            SqliteStore.open(tmp_path, read_only=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WorkspaceError, match="no plain file"):
        SqliteStore.open(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["", "ledger.db"])
def test_a_folder_is_no_ledger(tmp_path: Path, name: str) -> None:
    """Neither where the file is named nor where its folder is; no ledger is made inside of it."""
    folder = tmp_path / "ledger.db"
    folder.mkdir()
    with pytest.raises(WorkspaceError, match=r"ledger\.db is a folder.*move it away"):
        SqliteStore.open(tmp_path / name)
    assert [] == list(folder.iterdir())


def test_is_not_made_when_it_must_exist(tmp_path: Path) -> None:
    """Without `create`, and for reading, an absent ledger is an error and stays absent."""
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(WorkspaceError, match="no ledger at"):
            SqliteStore.open(tmp_path / "x.db", **options)
    assert list(tmp_path.iterdir()) == []


def test_two_names_are_one_ledger(tmp_path: Path) -> None:
    """Through a symbolic link it is the same file with the same log."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    one, two = SqliteStore.open(tmp_path / "real"), SqliteStore.open(tmp_path / "link")
    one.write([step_row()])
    assert len(two.rows(StepRow)) == 1
    assert one.describe()["path"] == two.describe()["path"]
    one.close()
    two.close()


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("group", 1), ("power", 2)])
def test_is_set_as_it_must_be(tmp_path: Path, durability: str, level: int) -> None:
    """Every connection waits for others, and nothing in the file can run code or map memory."""
    store = SqliteStore.open(tmp_path, durability=Durability(durability))
    expected = {
        "busy_timeout": 30000, "journal_mode": "wal", "mmap_size": 0, "foreign_keys": 1, "trusted_schema": 0,
        "cell_size_check": 1, "journal_size_limit": 67108864, "wal_autocheckpoint": 16000, "synchronous": level,
        "application_id": 0x4D504F53, "user_version": latest(), "recursive_triggers": 1,
    }  # fmt: skip
    gate = store._connections.writer()
    with gate.lock:
        writer = gate.free()
        assert {name: writer.execute(f"PRAGMA {name}").fetchone()[0] for name in expected} == expected
    gate = store._connections.reader()
    with gate.lock:
        reader = gate.free()
        assert reader.execute("PRAGMA query_only").fetchone()[0] == 1
        assert reader.execute("PRAGMA busy_timeout").fetchone()[0] == 30000
        assert reader.execute("PRAGMA mmap_size").fetchone() in (None, (0,))
    store.close()


def test_requires_a_sqlite_without_the_log_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite before 3.51.3 is refused, saying how to get a later one."""
    monkeypatch.setattr(connection, "OLDEST_SQLITE", apsw.SQLITE_VERSION_NUMBER + 1)
    with pytest.raises(StoreError, match="pip install -U apsw"):
        SqliteStore.open(tmp_path)


def test_reads_a_closed_ledger_on_a_read_only_mount(tmp_path: Path) -> None:
    """Cleanly closed and then mounted read-only it is readable, though SQLite can make no log there."""
    source, mount = tmp_path / "source", tmp_path / "mount"
    source.mkdir(mode=0o700)
    mount.mkdir(mode=0o700)
    store = SqliteStore.open(source)
    store.write([step_row()])
    store.close()
    assert not (source / "ledger.db-wal").exists()
    subprocess.run(["mount", "--bind", source, mount], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", mount], check=True)
        reader = SqliteStore.open(mount, read_only=True)
        assert len(reader.rows(StepRow)) == 1
        writer = SqliteStore.open(source)  # it comes to life again: from now on the log counts
        writer.write([step_row("i2")])
        assert len(reader.rows(StepRow)) == 2
        writer.close()
        reader.close()
    finally:
        subprocess.run(["umount", mount], check=True)


def test_readers_of_ended_threads_are_closed(tmp_path: Path) -> None:
    """A thread's connection goes with the thread."""
    store = SqliteStore.open(tmp_path)
    for _ in range(50):
        thread = threading.Thread(target=lambda: store.get(StepRow))
        thread.start()
        thread.join()
    open_files = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    assert sum(1 for path in open_files if path.startswith(str(tmp_path))) <= 6
    store.close()
