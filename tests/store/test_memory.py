"""The memory store is the reference: it keeps the whole contract."""

from pathlib import Path

from milepost.store.memory import MemoryStore
from milepost.testing import StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self, tmp_path: Path) -> MemoryStore:
        return MemoryStore()
