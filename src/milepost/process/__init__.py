"""Processes: their definition, their plan, and how they are carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milepost.process.handler import ProcessStageHandler as ProcessStageHandler
    from milepost.process.manager import ProcessManager as ProcessManager

_HOMES = {  # loaded when asked for
    "ProcessManager": "milepost.process.manager",
    "ProcessStageHandler": "milepost.process.handler",
}

__all__ = ["ProcessManager", "ProcessStageHandler"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
