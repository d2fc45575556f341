"""The SQLite store keeps the contract, at each durability."""

from pathlib import Path

import pytest

from milepost.store.protocol import Durability
from milepost.store.sqlite import SqliteStore
from milepost.testing import StoreContract


class TestSqliteStore(StoreContract):
    def make_store(self, tmp_path: Path) -> SqliteStore:
        return SqliteStore.open(tmp_path / "store")


@pytest.mark.parametrize("durability", [Durability.PROCESS, Durability.POWER])
class TestOtherDurabilities(StoreContract):
    @pytest.fixture(autouse=True)
    def _durability(self, durability: Durability) -> None:
        self.durability = durability

    def make_store(self, tmp_path: Path) -> SqliteStore:
        return SqliteStore.open(tmp_path / "ledger.db", durability=self.durability)
