"""How a stored value names the user's classes: by "module:qualname", the same whoever ran the file.

`__main__` of `python sales.py` and the module `sales` are one: what either stored, the other finds.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType

from milepost.model.fingerprint.modules import is_user_module, module_label


def class_reference(thing: type | FunctionType) -> str | None:
    """ "module:qualname" of a user's importable class or function; None when it cannot be found by that name.

    >>> class_reference(dict) is None
    True
    """
    name = getattr(thing, "__module__", None)
    if not isinstance(name, str) or not is_user_module(name):
        return None
    label = module_label(name)
    if _find_loaded(label, thing.__qualname__) is not thing:
        return None
    return f"{label}:{thing.__qualname__}"


def find_class(reference: str) -> object:
    """What `class_reference` named; ImportError or AttributeError when there is none now.

    Pickles call it, and only those whose signature was checked: a name from elsewhere is never imported.
    """
    label, _, qualname = reference.partition(":")
    found = _find_loaded(label, qualname)
    if found is None:
        found = _walk(importlib.import_module(label), qualname)
    if found is None:
        raise AttributeError(f"module {label!r} has no {qualname!r} any more")
    return found


def _find_loaded(label: str, qualname: str) -> object:
    for module in _loaded(label):
        found = _walk(module, qualname)
        if found is not None:
            return found
    return None


def _loaded(label: str) -> Iterator[ModuleType]:
    """The modules that go by this label: `__main__` first, then the one of that name, then files loaded otherwise."""
    if module_label("__main__") == label:
        yield sys.modules["__main__"]
    if label in sys.modules:
        yield sys.modules[label]
    for name in [name for name in sys.modules if name.startswith(f"{label}__")]:
        if module_label(name) == label:
            yield sys.modules[name]


def _walk(module: ModuleType, qualname: str) -> object:
    found: object = module
    for name in qualname.split("."):
        if found is None or name == "<locals>":
            return None
        found = getattr(found, name, None)
    return found
