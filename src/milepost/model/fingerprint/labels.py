"""What modules and classes are called in fingerprints: the same however the program was started."""

from __future__ import annotations

import sys


def module_label(name: str) -> str:
    """The module's name; `__main__` goes by its own name, so that `python sales.py` and an import agree.

    Example:
        >>> module_label("collections.abc")
        'collections.abc'
    """
    if name != "__main__":
        return name
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    if not isinstance(path, str):
        return name
    stem = path.replace("\\", "/").rpartition("/")[2]
    return stem.removesuffix(".py") or name


def class_label(cls: type) -> str:
    """How a class is called in fingerprints: "module:qualname".

    Example:
        >>> class_label(int)
        'builtins:int'
    """
    module = type.__dict__["__module__"].__get__(cls)
    return f"{module_label(str(module))}:{type.__dict__['__qualname__'].__get__(cls)}"
