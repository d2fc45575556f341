"""What earlier looks found, of this process and of others at the same workspace: a small file, `health.json`.

Observation: it is never synced, whoever writes last wins, and where it cannot be written this process remembers.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import threading
from pathlib import Path

import msgspec

from milepost import typed
from milepost.model.health import HealthStatus
from milepost.model.health_looks import Look, Sample, damped, with_look, with_sample

FILE = "health.json"
_MAX_BYTES = 1 << 20


class _Kept(msgspec.Struct):
    looks: dict[str, list[Look]] = {}
    disk: list[Sample] = []


class History:
    """Looks by the name of their check, and how much disk was free; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: dict[str, tuple[Look, ...]] = {}
        self._own: dict[str, tuple[Look, ...]] = {}
        self._samples: tuple[Sample, ...] = ()
        self._seen: tuple[int, int] | None = None  # the file's identity when it was last read or written

    def look(self, name: str, look: Look, *, needed: int, is_shared: bool) -> HealthStatus:
        """Remember a look; the status that counts now."""
        with self._lock:
            kept = self._shared if is_shared else self._own
            kept[name] = with_look(kept.get(name, ()), look)
            return damped(kept[name], needed=needed)

    def sample(self, sample: Sample) -> tuple[Sample, ...]:
        """Remember how much is free; the samples of the last hour."""
        with self._lock:
            self._samples = with_sample(self._samples, sample)
            return self._samples

    def load(self, folder: Path) -> None:
        """Take over what another process has written since we read or wrote the file last."""
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe would be waited for
            with open(os.open(folder / FILE, flags), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    return
                identity = (found.st_ino, found.st_mtime_ns)
                if identity == self._seen:
                    return
                kept = typed.from_json(file.read(_MAX_BYTES), _Kept)
        except (OSError, msgspec.DecodeError):  # none, or damaged: it is written anew
            return
        with self._lock:
            self._shared = {name: tuple(looks) for name, looks in kept.looks.items()}
            self._samples = tuple(kept.disk)
            self._seen = identity

    def save(self, folder: Path) -> None:
        """Write it whole or not at all."""
        with self._lock:
            kept = _Kept({name: list(looks) for name, looks in self._shared.items()}, list(self._samples))
        path = folder / f".{FILE}-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(path, flags, 0o600), "wb") as file:
                file.write(msgspec.json.encode(kept))
                file.flush()
                found = os.fstat(file.fileno())
            os.replace(path, folder / FILE)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            return
        self._seen = (found.st_ino, found.st_mtime_ns)
