"""A power cut, from a trace of system calls: which files and bytes may be on the disk after it.

A disk keeps what was synced. Of the rest it keeps what it likes, so three kinds of states are built:

strict       only names whose folder was synced, only bytes of files that were synced
names first  all names that were ever given, but only synced bytes: renames and creations overtake data
torn         all names, and of each file's unsynced writes the first few, the last of them cut at 512 bytes

`-shm` is memory that SQLite shares and rebuilds; it is in no state.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

MODES = ("strict", "names first", "torn")
SECTOR = 512
RECORDED = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,rename,renameat,"
    "renameat2,link,linkat,unlink,unlinkat,rmdir,ftruncate,truncate,fallocate,mkdir,mkdirat,close,dup,dup2,dup3,lseek,"
    "fcntl,copy_file_range,sendfile,symlink,symlinkat,mmap"
)
STRACE = ("-y", "-xx", "-s", str(1 << 20), "-e", f"trace={RECORDED}")
_LINE = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\((?P<rest>.*)", re.DOTALL)
_RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)", re.DOTALL)
_HANDLE = re.compile(r"^(?P<number>\d+)<(?P<path>[^>]*)>")


class Call(NamedTuple):
    """One finished system call. `begun`: how many calls had finished when it was entered."""

    name: str
    arguments: tuple[str, ...]
    result: int
    begun: int
    given: str = ""  # the path behind a handle that the call returned


def read_trace(text: str) -> list[Call]:
    """The calls of a trace in the order in which they ended; those that failed are left out."""
    calls: list[Call] = []
    entered: dict[str, tuple[str, str, int]] = {}
    for line in text.splitlines():
        if resumed := _RESUMED.match(line):
            name, start, begun = entered.pop(resumed["thread"])
            whole = start + resumed["rest"]
        elif found := _LINE.match(line):
            name, whole, begun = found["call"], found["rest"], len(calls)
            if whole.endswith("<unfinished ...>"):
                entered[found["thread"]] = (name, whole.removesuffix("<unfinished ...>").rstrip(), begun)
                continue
        else:
            continue
        call = _finished(name, whole, begun)
        if call is not None:
            calls.append(call)
    return calls


def _finished(name: str, whole: str, begun: int) -> Call | None:
    inside, _, outcome = whole.rpartition(" = ")
    result = re.match(r"(-?\d+)(?:<(.*)>)?", outcome)
    if result is None or int(result[1]) < 0:
        return None
    arguments = tuple(_split(inside.rstrip()[:-1]))
    return Call(name, arguments, int(result[1]), begun, _text(result[2] or ""))


def _split(inside: str) -> Iterator[str]:
    """Arguments at the top level; strings are all hexadecimal, so that no comma hides in them."""
    yield from re.split(r", (?![^{\[]*[}\]])", inside)


def _bytes(argument: str) -> bytes:
    assert argument.startswith('"') and argument.endswith('"'), argument[:80]
    return bytes.fromhex(argument[1:-1].replace("\\x", ""))


def _text(path: str) -> str:
    """A path as strace gives it behind a handle, where -xx writes it in hexadecimal as well."""
    return bytes.fromhex(path.replace("\\x", "")).decode() if path.startswith("\\x") else path


class File:
    """Bytes, those of them that are synced, and what was done since."""

    def __init__(self) -> None:
        self.synced = b""
        self.pending: list[tuple[int, int, bytes | int]] = []  # (call, offset, bytes), or (call, -1, length)

    @property
    def content(self) -> bytes:
        return applied(self.synced, self.pending)

    def sync(self, begun: int) -> None:
        """All that was done before the call that syncs was entered is safe."""
        done = [change for change in self.pending if change[0] < begun]
        self.synced = applied(self.synced, done)
        self.pending = [change for change in self.pending if change[0] >= begun]


class Folder:
    """Names, and those of them that are synced."""

    def __init__(self) -> None:
        self.names: dict[str, File | Folder] = {}
        self.synced: dict[str, File | Folder] = {}


def applied(content: bytes, changes: Sequence[tuple[int, int, bytes | int]]) -> bytes:
    """The content after these writes and truncations."""
    data = bytearray(content)
    for _, offset, change in changes:
        if isinstance(change, int):
            data = data[:change] + bytes(max(0, change - len(data)))
        else:
            data += bytes(max(0, offset - len(data)))
            data[offset : offset + len(change)] = change
    return bytes(data)


class Disk:
    """The file system below one folder, call by call."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.top = Folder()
        self._offsets: dict[str, int] = {}
        self._appending: set[str] = set()
        self._count = 0

    def take(self, call: Call) -> None:
        """Do what the call did."""
        self._count += 1
        action = getattr(self, f"_{call.name}", None)
        if action is not None:
            action(call)

    def _openat(self, call: Call) -> None:
        path = call.given
        flags = call.arguments[2]
        handle = str(call.result)
        self._offsets[handle] = 0
        self._appending.discard(handle)
        if "O_APPEND" in flags:
            self._appending.add(handle)
        if not self._is_ours(path) or "O_DIRECTORY" in flags:
            return
        found = self._find(path)
        if found is None and "O_CREAT" in flags:
            self._name(path, File())
        elif isinstance(found, File) and "O_TRUNC" in flags:
            found.pending.append((self._count, -1, 0))

    def _write(self, call: Call) -> None:
        handle, file = self._file(call)
        if file is None:
            return
        at = len(file.content) if handle in self._appending else self._offsets.get(handle, 0)
        file.pending.append((self._count, at, _bytes(call.arguments[1])[: call.result]))
        self._offsets[handle] = at + call.result

    def _pwrite64(self, call: Call) -> None:
        _, file = self._file(call)
        if file is not None:
            written = _bytes(call.arguments[1])[: call.result]
            file.pending.append((self._count, int(call.arguments[3]), written))

    def _lseek(self, call: Call) -> None:
        handle = _HANDLE.match(call.arguments[0])
        if handle is not None:
            self._offsets[handle["number"]] = call.result

    def _ftruncate(self, call: Call) -> None:
        _, file = self._file(call)
        if file is not None:
            file.pending.append((self._count, -1, int(call.arguments[1], 0)))

    def _fsync(self, call: Call) -> None:
        found = self._behind(call)
        if isinstance(found, File):
            found.sync(call.begun + 1)
        elif found is not None:
            found.synced = dict(found.names)

    _fdatasync = _fsync

    def _rename(self, call: Call) -> None:
        self._move(_path(call.arguments[0]), _path(call.arguments[1]))

    def _renameat(self, call: Call) -> None:
        self._move(_path(call.arguments[1]), _path(call.arguments[3]))

    _renameat2 = _renameat

    def _linkat(self, call: Call) -> None:
        found = self._find(_path(call.arguments[1]))
        if found is not None:
            self._name(_path(call.arguments[3]), found)

    def _link(self, call: Call) -> None:
        found = self._find(_path(call.arguments[0]))
        if found is not None:
            self._name(_path(call.arguments[1]), found)

    def _unlink(self, call: Call) -> None:
        self._forget(_path(call.arguments[0]))

    _rmdir = _unlink

    def _unlinkat(self, call: Call) -> None:
        self._forget(_path(call.arguments[1]))

    def _mkdir(self, call: Call) -> None:
        if self._is_ours(_path(call.arguments[0])):
            self._name(_path(call.arguments[0]), Folder())

    def _unknown(self, call: Call) -> None:
        handle = call.arguments and _HANDLE.match(call.arguments[0])
        if handle and self._is_ours(_text(handle["path"])):
            raise AssertionError(f"the replayer does not know {call.name}")

    _writev = _pwritev = _pwritev2 = _fallocate = _copy_file_range = _sendfile = _truncate = _unknown

    def _mmap(self, call: Call) -> None:
        if "MAP_SHARED" in call.arguments[3] and "PROT_WRITE" in call.arguments[2]:
            handle = _HANDLE.match(call.arguments[4])
            path = _text(handle["path"]) if handle else ""
            assert path.endswith("-shm") or not self._is_ours(path), f"written through memory: {path}"

    def _move(self, old: str, new: str) -> None:
        found = self._find(old)
        if found is not None:
            self._forget(old)
            self._name(new, found)

    def _file(self, call: Call) -> tuple[str, File | None]:
        found = self._behind(call)
        handle = _HANDLE.match(call.arguments[0])
        return (handle["number"] if handle else ""), found if isinstance(found, File) else None

    def _behind(self, call: Call) -> File | Folder | None:
        handle = _HANDLE.match(call.arguments[0])
        return self._find(_text(handle["path"])) if handle else None

    def _is_ours(self, path: str) -> bool:
        return path.startswith(self.root + "/")

    def _parts(self, path: str) -> list[str]:
        return [part for part in path[len(self.root) :].split("/") if part]

    def _find(self, path: str) -> File | Folder | None:
        if path == self.root:
            return self.top
        if not self._is_ours(path):
            return None
        at: File | Folder | None = self.top
        for part in self._parts(path):
            at = at.names.get(part) if isinstance(at, Folder) else None
        return at

    def _name(self, path: str, what: File | Folder) -> None:
        *above, name = self._parts(path)
        folder = self._find("/".join((self.root, *above)))
        assert isinstance(folder, Folder), path
        folder.names[name] = what

    def _forget(self, path: str) -> None:
        if self._is_ours(path):
            *above, name = self._parts(path)
            folder = self._find("/".join((self.root, *above)))
            assert isinstance(folder, Folder), path
            folder.names.pop(name, None)

    def state(self, mode: str, seed: int = 0) -> dict[str, bytes | None]:
        """What may be on the disk if the power goes now: path below the root -> bytes, None for a folder."""
        return dict(_walk(self.top, "", mode, random.Random(seed)))


def _path(argument: str) -> str:
    return _bytes(argument).decode()


def _walk(folder: Folder, above: str, mode: str, dice: random.Random) -> Iterator[tuple[str, bytes | None]]:
    names = folder.synced if mode == "strict" else folder.names
    for name, found in sorted(names.items()):
        if isinstance(found, Folder):
            yield above + name, None
            yield from _walk(found, f"{above}{name}/", mode, dice)
        elif not name.endswith("-shm"):
            yield above + name, torn(found, dice) if mode == "torn" else found.synced


def torn(file: File, dice: random.Random) -> bytes:
    """Some of the file's unsynced writes in order, the last of them in part."""
    kept = dice.randint(0, len(file.pending))
    changes = list(file.pending[:kept])
    if changes and isinstance(changes[-1][2], bytes):
        call, offset, written = changes[-1]
        border = dice.randint(0, len(written) // SECTOR) * SECTOR
        changes[-1] = (call, offset, written[:border] if dice.random() < 0.5 else written)
    return applied(file.synced, changes)


def lay_out(state: dict[str, bytes | None], folder: Path) -> None:
    """Make the state's files in a folder."""
    for path, content in state.items():
        if content is None:
            (folder / path).mkdir(mode=0o700, exist_ok=True)
        else:
            (folder / path).write_bytes(content)
            (folder / path).chmod(0o600)
