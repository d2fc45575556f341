"""Where it all lives: the folder with the ledger, the objects, the logs and the locks.

::

    .milepost/
        ledger.db      rows            (milepost.store.sqlite)
        objects/       bytes by digest (milepost.store.objects)
        runs/ID.lock   held while a session of that run lives; runs/ID/ its crash logs
        logs/ID/       what the run and its workers printed and logged
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from milepost.config import ProcessingConfig
from milepost.errors import StoreError, WorkspaceError
from milepost.model.refusal import refusal_text, refusals_said
from milepost.store.protocol import Durability, Store

if TYPE_CHECKING:
    from milepost.store.objects import Objects

FOLDER = ".milepost"
LEDGER = "ledger.db"
LAST_MADE = "logs"


class Workspace:
    """One workspace. Opening it is cheap: the ledger and the objects are opened when first asked for.

    Example:
        >>> import tempfile
        >>> with Workspace.open(tempfile.mkdtemp() + "/.milepost") as workspace:
        ...     workspace.store.get(__import__("milepost.model.rows", fromlist=["RunRow"]).RunRow) is None
        True
    """

    def __init__(
        self,
        path: Path,
        *,
        config: ProcessingConfig | None = None,
        read_only: bool = False,
        store: Store | None = None,
    ) -> None:
        self.path = path
        self.config = config or ProcessingConfig.from_environment()
        self.read_only = read_only
        self._given_store = store

    @classmethod
    def open(cls, path: str | Path | None = None, *, create: bool = True, read_only: bool = False) -> Workspace:
        """The workspace at `path`, else the one that settings or the folders upward name; made when absent.

        Raises WorkspaceError when it is absent and not to be made, is no folder, has a folder for a ledger, or
        belongs to another user.
        """
        config = ProcessingConfig.from_environment()
        chosen = _chosen(path, config)
        if _exists(chosen):
            _refuse_foreign(chosen)
        if (read_only or not create) and not _exists(chosen / LEDGER):
            raise WorkspaceError(
                f"no workspace at {chosen}; start a run here, or name another with --workspace or MILEPOST_WORKSPACE"
            )
        if not read_only and not (chosen / LAST_MADE).exists():  # also when who began to make it was killed
            _make(chosen)
        return cls(chosen.resolve(), config=config, read_only=read_only)

    @classmethod
    def open_to_plan(cls, path: str | Path | None = None) -> Workspace:
        """The workspace as `open` finds it; where there is none, an empty one in memory, and nothing is made."""
        config = ProcessingConfig.from_environment()
        chosen = _chosen(path, config)
        if _exists(chosen / LEDGER):
            return cls.open(chosen, create=False, read_only=not os.access(chosen, os.W_OK))
        from milepost.store.memory import MemoryStore

        return cls(chosen, config=config, read_only=True, store=MemoryStore())

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @cached_property
    def store(self) -> Store:
        """The ledger."""
        if self._given_store is not None:
            return self._given_store
        with self._saying_refusals():
            from milepost.store.sqlite import SqliteStore

        durability = self._durability()
        try:
            return SqliteStore.open(
                self.path / LEDGER, durability=durability, create=not self.read_only, read_only=self.read_only
            )
        except StoreError:
            if not self.read_only:
                self.refuse_unwritable()
            raise

    @property
    def ledger_file(self) -> Path | None:
        """Where the ledger lies; None for one that is no file."""
        return self.path / LEDGER if self._given_store is None else None

    @cached_property
    def key(self) -> bytes:
        """The key that signs this workspace's pickles; kept outside of it. Empty when it is not on this machine."""
        with self._saying_refusals():
            from milepost.store.signing import signing_key

        return signing_key(self.store.describe()["store_id"], create=not self.read_only)

    @cached_property
    def objects(self) -> Objects:
        """The objects by digest."""
        with self._saying_refusals():
            from milepost.store.objects import Objects

        return Objects(self.path / "objects", self.key, wait_seconds=self.config.store_wait_seconds)

    def lock_path(self, run: str) -> Path:
        """The lock that the run's living session holds."""
        return self.path / "runs" / f"{run}.lock"

    def run_folder(self, run: str) -> Path:
        """Where a run's crash logs are."""
        return self.path / "runs" / run

    def log_folder(self, run: str) -> Path:
        """Where a run's logs are."""
        return self.path / "logs" / run

    def refuse_unwritable(self) -> None:
        """WorkspaceError where nothing can be written for good: a read-only disk, or rights that were taken away."""
        for path in (self.path, self.path / LEDGER):
            if path.exists() and not os.access(path, os.W_OK):
                raise WorkspaceError(
                    f"workspace {self.path} can be read and not written: its disk is read-only, or {path} is; "
                    "work in a copy of it, or name another with --workspace or MILEPOST_WORKSPACE"
                )

    def close(self) -> None:
        """Close the ledger if it was opened."""
        if "store" in self.__dict__ and self._given_store is None:
            self.store.close()
            del self.__dict__["store"]

    def _saying_refusals(self) -> AbstractContextManager[None]:
        return refusals_said(f"workspace {self.path} cannot be opened")

    def _durability(self) -> Durability:
        try:
            return Durability(self.config.durability)
        except ValueError:
            known = ", ".join(Durability)
            raise WorkspaceError(f"durability {self.config.durability!r} is none of: {known}") from None


def _chosen(path: str | Path | None, config: ProcessingConfig) -> Path:
    chosen = Path(path) if path is not None else find_workspace(config)
    try:
        return chosen.expanduser().absolute()
    except RuntimeError as error:  # ~nobody
        raise WorkspaceError(f"{chosen}: {error}; name a workspace by its path") from error


def _exists(path: Path) -> bool:
    """Whether it is there; WorkspaceError where the system cannot say, as for a name that is too long."""
    try:
        return path.exists()
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise WorkspaceError(
            f"{str(path)[:100]}… cannot be a workspace: {said}; name another with --workspace or MILEPOST_WORKSPACE"
        ) from error


def find_workspace(config: ProcessingConfig, start: Path | None = None) -> Path:
    """The configured workspace, else the nearest `.milepost` upward (our own, same file system), else one here."""
    if config.workspace:
        return Path(config.workspace)
    start = Path.cwd() if start is None else start
    device = start.stat().st_dev
    for folder in (start, *start.parents):
        found = folder / FOLDER
        if _is_usable(found, device):
            return found
    return start / FOLDER


def _is_usable(folder: Path, device: int) -> bool:
    try:
        seen = folder.stat()
    except OSError:
        return False
    return folder.is_dir() and seen.st_dev == device and seen.st_uid == os.getuid()


def _make(path: Path) -> None:
    """Make the folders; their names are on the disk before anything is acknowledged in them."""
    try:
        from milepost.store.files import make_folder, sync_folder

        make_folder(path)
        (path / ".gitignore").write_text("*\n")
        for name in ("objects", "runs", LAST_MADE):
            (path / name).mkdir(mode=0o700, exist_ok=True)
        sync_folder(path)
    except OSError as error:
        raise WorkspaceError(f"cannot make a workspace at {path}: {refusal_text(error)}") from error


def _refuse_foreign(path: Path) -> None:
    seen = path.stat()
    if not path.is_dir():
        raise WorkspaceError(f"{path} is a file, not a workspace")
    if hasattr(os, "getuid") and seen.st_uid != os.getuid():
        raise WorkspaceError(f"workspace {path} belongs to another user; make your own with MILEPOST_WORKSPACE")
    if seen.st_mode & 0o022:
        raise WorkspaceError(f"workspace {path} can be written by others; run  chmod go-w {path}")
    if os.path.isdir(path / LEDGER):
        raise WorkspaceError(
            f"{path / LEDGER} is a folder where the file of the ledger belongs: move it away, or name another "
            "workspace with --workspace or MILEPOST_WORKSPACE"
        )
