"""How a stored value names the user's classes: by "module:qualname", the same whoever ran the file.

`__main__` of `python sales.py` and the module `sales` are one: what either stored, the other finds.
"""

from __future__ import annotations

import importlib
import os
import site
import sys
import sysconfig
from functools import cache
from types import FunctionType, ModuleType
from typing import cast


def class_reference(thing: type | FunctionType) -> str | None:
    """ "module:qualname" of a user's importable class or function; None when it cannot be found by that name.

    >>> class_reference(dict) is None
    True
    """
    module_name = getattr(thing, "__module__", None)
    if not isinstance(module_name, str) or not is_user_module(module_name):
        return None
    if _walk(sys.modules.get(module_name), thing.__qualname__) is not thing:
        return None
    return f"{module_label(module_name)}:{thing.__qualname__}"


def find_class(reference: str) -> object:
    """What `class_reference` named; ImportError or AttributeError when there is none now."""
    module_name, _, qualname = reference.partition(":")
    main = sys.modules.get("__main__")
    candidates = [sys.modules.get(module_name)]
    if module_label("__main__") == module_name:
        candidates.insert(0, main)
    for module in candidates:
        found = _walk(module, qualname)
        if found is not None:
            return found
    found = _walk(importlib.import_module(module_name), qualname)
    if found is None:
        raise AttributeError(f"module {module_name!r} has no {qualname!r} any more")
    return found


def module_label(name: str) -> str:
    """What a module is called in stored values: `__main__` that was run from sales.py is "sales"."""
    if name != "__main__":
        return name
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return cast(str, spec.name.removesuffix(".__main__"))
    path = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(path))[0] if path else name


def is_user_module(name: str) -> bool:
    """Whether a loaded module is the user's: neither the standard library's, nor installed, nor ours."""
    if name == "__main__":
        return True
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "milepost":
        return False
    module = sys.modules.get(name)
    path = getattr(module, "__file__", None)
    if path is None:
        return module is not None and getattr(module, "__path__", None) is None
    return not os.path.abspath(path).startswith(_installed())


@cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"]}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    return tuple(os.path.abspath(folder) + os.sep for folder in folders)


def _walk(module: ModuleType | None, qualname: str) -> object:
    found: object = module
    for name in qualname.split("."):
        if found is None or name == "<locals>":
            return None
        found = getattr(found, name, None)
    return found
