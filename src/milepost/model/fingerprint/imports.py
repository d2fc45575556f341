"""Modules that a function imports while it runs: the user's are imported to be looked into, others only named."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

from milepost.model.fingerprint.modules import is_user_module


def imported_module(name: str, level: int, namespace: Mapping[str, object]) -> ModuleType | str | None:
    """The user's module that an import statement names, the name of another's, None for none.

    A user's module is imported when it was not yet, so that the key is the same before and after the function
    imported it. One whose import fails counts as missing.
    """
    full = _absolute(name, level, namespace)
    if full is None:
        return None
    if not is_user_module(full):
        return full
    loaded = sys.modules.get(full)
    if isinstance(loaded, ModuleType):
        return loaded
    try:
        return import_module(full)
    except (Exception, SystemExit):  # whatever a module does when it is imported; the function will say it better
        return None


def _absolute(name: str, level: int, namespace: Mapping[str, object]) -> str | None:
    if level == 0:
        return name
    package = namespace.get("__package__") or getattr(namespace.get("__spec__"), "parent", None)
    if not isinstance(package, str) or not package:
        return None
    parents = package.split(".")
    if level > len(parents):
        return None
    base = ".".join(parents[: len(parents) - level + 1])
    return f"{base}.{name}" if name else base
