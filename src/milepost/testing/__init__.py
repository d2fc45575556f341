"""What tests of programs on Milepost need: the contract of a store, a clock to set, a workspace in memory.

Importing this package loads neither pytest nor anything else; each name is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milepost.testing.clock import FakeClock as FakeClock
    from milepost.testing.store_contract import StoreContract as StoreContract
    from milepost.testing.workspace import memory_workspace as memory_workspace

_HOMES = {
    "FakeClock": "milepost.testing.clock",
    "StoreContract": "milepost.testing.store_contract",
    "memory_workspace": "milepost.testing.workspace",
}

__all__ = ["FakeClock", "StoreContract", "memory_workspace"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
