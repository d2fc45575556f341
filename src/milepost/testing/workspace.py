"""A workspace whose ledger is in memory: for tests of what stands on the store."""

from __future__ import annotations

from pathlib import Path

from milepost.kernel.workspace import Workspace
from milepost.store.memory import MemoryStore
from milepost.store.protocol import Durability


def memory_workspace(folder: Path, durability: Durability = Durability.GROUP) -> Workspace:
    """A workspace in `folder`, which holds objects, logs and locks; its rows are gone with it.

    Example:
        >>> import tempfile
        >>> memory_workspace(Path(tempfile.mkdtemp())).store.describe()["engine"]
        'memory'
    """
    with Workspace.open(folder / ".milepost") as made:
        return Workspace(made.path, store=MemoryStore(durability=durability))
