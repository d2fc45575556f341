"""Milepost: kill it any time; it continues where it was, with the right code, and tells you what it reused and why.

Importing this package loads the standard library and msgspec only; the rest comes when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msgspec import Meta as Meta

    from milepost.errors import Cancelled as Cancelled
    from milepost.errors import MilepostError as MilepostError
    from milepost.kernel.handles import Run as Run
    from milepost.kernel.handles import Stage as Stage
    from milepost.kernel.workspace import Workspace as Workspace
    from milepost.process.components import create_components as create_components
    from milepost.process.definition import Process as Process
    from milepost.process.handler import ProcessStageHandler as ProcessStageHandler
    from milepost.process.loops import open_run as open_run
    from milepost.process.manager import ProcessManager as ProcessManager
    from milepost.process.stages import stage as stage

    File = str  # so that `path: File = "orders.csv"` passes a type checker

__version__ = "0.1.0"

_HOMES = {
    "Cancelled": "milepost.errors",
    "File": "milepost.model.files",
    "Meta": "msgspec",
    "MilepostError": "milepost.errors",
    "Process": "milepost.process.definition",
    "ProcessManager": "milepost.process.manager",
    "ProcessStageHandler": "milepost.process.handler",
    "Run": "milepost.kernel.handles",
    "Stage": "milepost.kernel.handles",
    "Workspace": "milepost.kernel.workspace",
    "create_components": "milepost.process.components",
    "open_run": "milepost.process.loops",
    "stage": "milepost.process.stages",
}

__all__ = [
    "Cancelled",
    "File",
    "Meta",
    "MilepostError",
    "Process",
    "ProcessManager",
    "ProcessStageHandler",
    "Run",
    "Stage",
    "Workspace",
    "create_components",
    "open_run",
    "stage",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'milepost' has no attribute {name!r}")
    import sys

    __import__(home)
    value: object = getattr(sys.modules[home], name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
