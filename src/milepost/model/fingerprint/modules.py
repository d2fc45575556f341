"""Whose code a module is (the user's, a package's, Python's, ours) and what it is called in fingerprints."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType

OWN = __name__.partition(".")[0]
_MAIN = ("__main__", "__mp_main__")
_SITES = ("site-packages", "dist-packages")
_PYTHON = tuple(
    {os.path.realpath(folder) + os.sep for folder in (os.path.dirname(os.__file__),)}
    | {os.path.dirname(os.__file__) + os.sep}
)


def is_user_module(module: str | ModuleType) -> bool:
    """Whether a module's code counts: it is neither Python's, nor of an installed package, nor ours.

    A name that is not imported yet is looked up on `sys.path`, without importing it. Editable installs are the
    user's own.

    Example:
        >>> is_user_module("json"), is_user_module("__main__")
        (False, True)
    """
    if isinstance(module, ModuleType):
        return is_user_globals(vars(module))
    if module in _MAIN:
        return True
    loaded = sys.modules.get(module)
    if loaded is not None:
        return is_user_globals(vars(loaded))
    return _is_user_name(top_level(module))


def is_user_globals(namespace: Mapping[str, object]) -> bool:
    """The same, for the globals of a function: those of code from `exec` belong to the user."""
    name = namespace.get("__name__")
    if name in _MAIN or not isinstance(name, str):
        return True
    if name == OWN or name.startswith((OWN + ".", "_cython_")):  # _cython_…: types that compiled packages share
        return False
    path = namespace.get("__file__")
    if isinstance(path, str):
        return is_user_path(path)
    spec = namespace.get("__spec__")
    if getattr(spec, "origin", None) in ("built-in", "frozen"):
        return False
    places = namespace.get("__path__")
    if places is not None:  # a namespace package
        return any(is_user_path(os.path.join(str(place), "")) for place in places)  # type: ignore[attr-defined]
    parent = sys.modules.get(name.rpartition(".")[0])
    if parent is not None:  # a module made in memory, by compiled code say, is whose its package is
        return is_user_globals(vars(parent))
    return top_level(name) not in sys.stdlib_module_names


@lru_cache(maxsize=4096)
def is_user_path(path: str) -> bool:
    """Whether a source file is the user's, by the folder it lies in."""
    if path.startswith("<frozen"):
        return False
    folders = os.path.abspath(path).split(os.sep)
    if any(site in folders for site in _SITES):
        return False
    return not (path.startswith(_PYTHON) or os.path.realpath(path).startswith(_PYTHON))


def _is_user_name(top: str) -> bool:
    if top == OWN or top in sys.builtin_module_names:
        return False
    places = (top, *sys.path)
    known = _found.get(places)
    if known is not None:
        return known
    from importlib.util import find_spec

    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return False
    if spec is None:
        return False
    if spec.origin and os.path.isabs(spec.origin):
        found = is_user_path(spec.origin)
    else:
        found = any(is_user_path(os.path.join(place, "")) for place in spec.submodule_search_locations or ())
    _found[places] = found
    return found


_found: dict[tuple[str, ...], bool] = {}  # by the name and the folders that were searched


def module_label(name: str) -> str:
    """What a module is called in fingerprints: the same however its file was started.

    `__main__` goes by the module that it would be when imported; a module that was loaded from a path under another
    name goes by the stem of its file.

    Example:
        >>> module_label("collections.abc")
        'collections.abc'
    """
    module = sys.modules.get("__main__" if name in _MAIN else name)
    if module is None:
        return name
    known = _known_labels.get(name)
    if known is None or known[0] is not module:
        known = _known_labels[name] = module, globals_label(vars(module), name)
    return known[1]


_known_labels: dict[str, tuple[ModuleType, str]] = {}


def globals_label(namespace: Mapping[str, object], name: str = "") -> str:
    """The label of the module whose globals these are; `name` if they do not tell."""
    own = namespace.get("__name__")
    known = own if isinstance(own, str) else name or "exec"
    path, spec = namespace.get("__file__"), namespace.get("__spec__")
    stem = os.path.basename(path).removesuffix(".py") if isinstance(path, str) else None
    if known in _MAIN:
        spec_name = getattr(spec, "name", None)
        return str(spec_name).removesuffix(".__main__") if spec_name else stem or "__main__"
    if stem is None or stem == "__init__" or path is None or not str(path).endswith(".py"):
        return known
    return known if known.rpartition(".")[2] == stem else stem


def top_level(name: str) -> str:
    """The topmost package of a dotted name."""
    return name.partition(".")[0]


def is_standard(name: str) -> bool:
    """Whether a module that is not the user's belongs to Python itself (or to us): its version counts elsewhere."""
    top = top_level(name)
    return top == OWN or top in sys.stdlib_module_names or top in sys.builtin_module_names
