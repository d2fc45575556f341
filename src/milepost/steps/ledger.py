"""The ledger that a manager records in: a store, and the recorder that commits to it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from milepost.config import ProcessingConfig
from milepost.errors import StoreError
from milepost.kernel.at_hand import AtHand, folder_beside, notes_in
from milepost.kernel.in_place import InPlace
from milepost.kernel.recorder import Recorder
from milepost.kernel.ticker import TICKER
from milepost.kernel.workspace import FOLDER, LEDGER, Workspace
from milepost.model.refusal import refusals_said
from milepost.model.rows import RunRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps.checking import place_error
from milepost.store.protocol import Durability, Fence, Standing, Store


class StepStore(Protocol):
    """What of a store the ledger of documents needs."""

    durability: Durability

    def write(
        self, rows: Sequence[StepRow], *, fence: Fence | None = None, durable: bool = False, fresh: bool = False
    ) -> int: ...
    def get(self, kind: type[RunRow], /, **equal: object) -> RunRow | None: ...
    def rows(
        self, kind: type[StepRow], /, *, after: int = 0, limit: int | None = None, newest: bool = False, **equal: object
    ) -> list[StepRow]: ...
    def standings(self, run: str, step: str, items: Sequence[str]) -> dict[str, Standing]: ...
    def recent_steps(
        self,
        statuses: Sequence[ProcessingStatus],
        since: float,
        *,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[StepRow]: ...


@runtime_checkable
class KnowsDocuments(Protocol):
    """A store whose documents are there before their steps are."""

    def knows(self, document: str) -> bool:
        """Whether this document is there."""
        ...


class Ledger:
    """A store and its recorder. What `close` does happens by itself when nobody holds it any more.

    It may be carried across a fork: the child gets a recorder of its own.
    """

    def __init__(
        self,
        store: StepStore,
        wait_seconds: float,
        close_store: Callable[[], None] | None = None,
        *,
        path: Path | None = None,
    ) -> None:
        self.store = store
        self.notes_folder = None if path is None else folder_beside(path)
        self.next_look = 0.0  # for the dead, by the monotonic clock
        self.file = InPlace(path, "Close the manager, and it begins anew there")
        self._wait_seconds = wait_seconds
        self._close_store = close_store
        self._begin()

    @property
    def recorder(self) -> Recorder:
        """Who commits to it, in this process."""
        if self._pid != os.getpid():
            self._begin()
        return self._recorder

    def notes(self) -> AtHand | None:
        """Where this process notes what it has at hand; None for a ledger that is no file."""
        if self._pid != os.getpid():
            self._begin()
        return self._notes

    @property
    def needs_lineage(self) -> bool:
        """Whether its documents are those of an object of the user's."""
        return isinstance(self.store, KnowsDocuments)

    def knows(self, document: str) -> bool:
        """Whether anything was recorded of this document."""
        if isinstance(self.store, KnowsDocuments):
            return self.store.knows(document)
        return bool(self.store.rows(StepRow, item=document, limit=1))

    def _begin(self) -> None:
        self._pid = os.getpid()
        store = cast(Store, self.store)
        self._recorder = Recorder(store, None, wait_seconds=self._wait_seconds, ticker=TICKER, file=self.file)
        self._notes = None if self.notes_folder is None else notes_in(self.notes_folder)
        weakref.finalize(self, _let_go, self._recorder, self._notes, self._close_store, self._pid)


def _let_go(recorder: Recorder, notes: AtHand | None, close_store: Callable[[], None] | None, pid: int) -> None:
    if pid != os.getpid():
        return  # a forked child leaves: the recorder is its parent's
    if notes is not None:
        notes.close()
    recorder.close()
    if close_store is not None:
        close_store()


_open: weakref.WeakValueDictionary[tuple[int, str], Ledger] = weakref.WeakValueDictionary()


def ledger_of(storage: object = None) -> Ledger:
    """The ledger that a storage names: None, a path or URL, a workspace, a store, or a keeper of lineages.

    Ledgers in files are opened once in a process, whoever asks. Raises WorkspaceError, StoreError, TypeError.
    """
    if storage is None:
        return _of_workspace(Workspace.open())
    if isinstance(storage, str | os.PathLike):
        return _of_path(os.fspath(storage))
    if isinstance(storage, Workspace):
        return Ledger(cast(StepStore, storage.store), storage.config.store_wait_seconds, path=storage.path / LEDGER)
    if callable(getattr(storage, "standings", None)):
        return Ledger(cast(StepStore, storage), ProcessingConfig.from_environment().store_wait_seconds)
    from milepost.steps.lineage import LineageStore, keeps_lineage

    if keeps_lineage(storage):
        return Ledger(LineageStore(storage), 0.0)
    raise TypeError(
        f"a {type(storage).__name__} cannot hold steps: give nothing for the workspace, a path, 'sqlite:///FILE', a "
        "store of milepost.store, or an object with get_lineage, save_lineage and get_all_lineage"
    )


def _of_path(named: str) -> Ledger:
    """The ledger at a path or URL."""
    scheme, is_url, rest = named.partition("://")
    if is_url and scheme != "sqlite":
        raise StoreError(f"steps cannot be kept at {scheme}://…: give a path or sqlite:///FILE", scheme=scheme)
    path = rest.removeprefix("/") if is_url else named
    if is_url and path in ("", ":memory:"):
        from milepost.store.memory import MemoryStore

        return Ledger(cast(StepStore, MemoryStore()), 0.0)
    if not path or "\0" in path:
        raise place_error(named, "that is no path")
    try:
        os.fsencode(path)
        found = Path(path).expanduser()
        where = found.resolve() if _is_file(found) else _folder(found)
    except (OSError, ValueError, RuntimeError) as error:
        raise place_error(named, getattr(error, "strerror", None) or error) from error
    return _of_file(where) if _is_file(found) else _of_workspace(Workspace.open(where))


def _is_file(path: Path) -> bool:
    if path.is_dir():
        return path.name == LEDGER  # which its opening refuses: no workspace is made in there
    return path.is_file() or path.suffix in (".db", ".sqlite", ".sqlite3")


def _folder(path: Path) -> Path:
    """A folder that is a workspace, or becomes one; a folder with other things in it has it in `.milepost`."""
    if path.is_dir() and not (path / LEDGER).exists() and path.name != FOLDER and any(path.iterdir()):
        return path / FOLDER
    return path


def _of_workspace(workspace: Workspace) -> Ledger:
    path = workspace.path / LEDGER
    return _shared(
        str(path),
        lambda: Ledger(
            cast(StepStore, workspace.store), workspace.config.store_wait_seconds, workspace.close, path=path
        ),
    )


def _of_file(path: Path) -> Ledger:
    def opened() -> Ledger:
        with refusals_said(f"ledger {path} cannot be opened"):
            from milepost.store.sqlite import SqliteStore

        config = ProcessingConfig.from_environment()
        store = SqliteStore.open(path, durability=Durability(config.durability))
        return Ledger(cast(StepStore, store), config.store_wait_seconds, store.close, path=path)

    return _shared(str(path), opened)


def _shared(where: str, opened: Callable[[], Ledger]) -> Ledger:
    which = (os.getpid(), where)
    ledger = _open.get(which)
    if ledger is None or ledger.file.is_gone:
        ledger = _open[which] = opened()
    return ledger
