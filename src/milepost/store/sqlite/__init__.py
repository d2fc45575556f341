"""The ledger in one SQLite file."""

from __future__ import annotations

from milepost.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
