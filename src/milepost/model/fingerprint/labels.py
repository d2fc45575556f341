"""What modules and classes are called in fingerprints: the same however the program was started."""

from __future__ import annotations

from milepost.model.fingerprint.modules import module_label


def class_label(cls: type) -> str:
    """How a class is called in fingerprints: "module:qualname".

    Example:
        >>> class_label(int)
        'builtins:int'
    """
    module = type.__dict__["__module__"].__get__(cls)
    return f"{module_label(str(module))}:{type.__dict__['__qualname__'].__get__(cls)}"
