"""The content of input files and folders, read again only when size, mtime or inode changed."""

from __future__ import annotations

import os
from pathlib import Path

from milepost.errors import InvalidDataError
from milepost.model.files import File
from milepost.model.rows import FileRow
from milepost.store.protocol import Store

SETTLED_SECONDS = 2.0  # a file younger than this may change again within one tick of its mtime


class FileDigests:
    """Digests of files by content; `fresh` holds what was read and is worth remembering."""

    def __init__(self, store: Store, now: float) -> None:
        self._store = store
        self._now = now
        self.fresh: dict[str, FileRow] = {}
        self._seen: dict[str, tuple[int, int, int]] = {}

    def digest(self, path: str, *, stage: str, name: str) -> str:
        """The digest of a file's bytes, or of a folder's names and files. InvalidDataError when it is not there."""
        absolute = os.path.abspath(path)
        try:
            if os.path.isdir(absolute):
                return self._folder(absolute)
            return self._file(absolute)
        except OSError as error:
            raise InvalidDataError(
                f"stage {stage!r} takes the file {path!r} as {name!r}: {error.strerror or error} "
                f"(looked at {absolute}); pass --set {stage}.{name}=…"
            ) from error

    def changed_since(self) -> list[str]:
        """The files whose size, mtime or inode differ from when they were digested."""
        return [path for path, mark in self._seen.items() if _mark(path) != mark]

    def _folder(self, folder: str) -> str:
        import blake3

        hasher = blake3.blake3(b"folder\0")
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                name = os.fsencode(path.relative_to(folder))
                hasher.update(len(name).to_bytes(8, "big") + name + bytes.fromhex(self._file(str(path))))
        return hasher.hexdigest()

    def _file(self, path: str) -> str:
        mark = _mark(path)
        if mark is None:
            raise FileNotFoundError(2, "No such file or directory")
        self._seen[path] = mark
        known = self.fresh.get(path) or self._store.get(FileRow, path=path)
        if known is not None and (known.size_bytes, known.mtime_ns, known.inode) == mark:
            return known.digest
        row = FileRow(
            path=path, size_bytes=mark[0], mtime_ns=mark[1], inode=mark[2], digest=_content(path), at=self._now
        )
        if self._now - row.mtime_ns / 1e9 > SETTLED_SECONDS:
            self.fresh[path] = row
        return row.digest


def _mark(path: str) -> tuple[int, int, int] | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns, seen.st_ino


def _content(path: str) -> str:
    import blake3

    hasher = blake3.blake3(max_threads=blake3.blake3.AUTO)
    hasher.update_mmap(path)
    return hasher.hexdigest()


def without_files(value: object) -> object:
    """A decision's value with every `File` blanked: their content counts instead of their path."""
    if isinstance(value, File):
        return None
    if isinstance(value, dict):
        return {name: without_files(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_files(part) for part in value]
    if type(value) is tuple:
        return tuple(without_files(part) for part in value)
    return value
