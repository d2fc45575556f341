"""Versions of installed packages, read from the names of their metadata folders."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

_SITES = ("site-packages", "dist-packages")
_METADATA = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(-.*)?\.(dist|egg)-info", re.IGNORECASE)

_listed: dict[str, tuple[int, dict[str, tuple[str, str]]]] = {}  # folder -> (mtime, {name: (version, metadata folder)})
_answers: dict[str, str | None] = {}
_answered_for: tuple[tuple[str, int], ...] = ()


def version_of(package: str) -> str | None:
    """The version of an installed package by its top-level name ("numpy", "PIL"); None when it is not known.

    Reads folder names alone where the package is named as it is imported. Several packages that share a namespace
    count together. Kept until a site-packages folder changes.

    Example:
        >>> version_of("msgspec") is not None
        True
    """
    global _answered_for
    folders = tuple(_folders())
    if folders != _answered_for:
        _answers.clear()
        _answered_for = folders
    if package not in _answers:
        _answers[package] = _by_name(package, folders) or _by_content(package, folders) or _by_module(package)
    return _answers[package]


def _folders() -> Iterator[tuple[str, int]]:
    for folder in dict.fromkeys(sys.path):
        if folder.rstrip(os.sep).endswith(_SITES):
            try:
                yield folder, os.stat(folder).st_mtime_ns
            except OSError:
                continue


def _by_name(package: str, folders: tuple[tuple[str, int], ...]) -> str | None:
    for folder, mtime in folders:
        found = _installed(folder, mtime).get(_normal(package))
        if found is not None:
            return found[0]
    return None


def _installed(folder: str, mtime: int) -> dict[str, tuple[str, str]]:
    known = _listed.get(folder)
    if known is None or known[0] != mtime:
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            entries = []
        matches = [(entry, _METADATA.fullmatch(entry)) for entry in entries]
        known = _listed[folder] = (
            mtime,
            {
                _normal(match["name"]): (match["version"], os.path.join(folder, entry))
                for entry, match in matches
                if match
            },
        )
    return known[1]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _by_content(package: str, folders: tuple[tuple[str, int], ...]) -> str | None:
    """For a package that is not named as it is imported: whose list of files has it on top."""
    versions = [
        f"{name} {version}"
        for folder, mtime in folders
        for name, (version, metadata) in _installed(folder, mtime).items()
        if package in _tops(metadata)
    ]
    return ", ".join(sorted(versions)) or None


def _tops(metadata: str) -> frozenset[str]:
    """The top-level names that one installed package brings."""
    listed = _read(os.path.join(metadata, "top_level.txt"))
    if listed:
        return frozenset(listed.split())
    files = (line.partition(",")[0] for line in _read(os.path.join(metadata, "RECORD")).splitlines())
    return frozenset(path.partition("/")[0].partition(".")[0] for path in files)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _by_module(package: str) -> str | None:
    version = getattr(sys.modules.get(package), "__version__", None)
    return version if isinstance(version, str) else None
