"""The user's modules by value: what a worker computes with, whatever becomes of the files."""

from __future__ import annotations

import io
import pickle
import sys
import threading
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import BuiltinFunctionType, FunctionType, ModuleType

import cloudpickle

from milepost.errors import WorkerError
from milepost.executors.by_value import CACHED, ByValuePickler, module_shell
from milepost.executors.faults import error_text
from milepost.executors.left_out import LeftOut
from milepost.executors.reached import reached_modules
from milepost.model.fingerprint.modules import is_user_module

OF_THE_MODULE = frozenset(
    (
        *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__", "__cached__"),
        *("__builtins__", "__path__", "__annotations__", "__conditional_annotations__"),
    )
)
CODE = (FunctionType, BuiltinFunctionType, type, ModuleType, CACHED)
PLAIN = (type(None), bool, int, float, complex, str, bytes)
PLAIN_LENGTH = 1000
UNMENTIONED = "no function of yours mentions its name, so it was not copied"

_registering = threading.Lock()
_at_hand = [("", "")]  # what a snapshot that is being installed makes


class Binding:
    """One name of one module; unpickled, it is bound there."""

    def __init__(self, module: str, name: str, value: object) -> None:
        self.module = module
        self.name = name
        self.value = value

    def __reduce__(self) -> tuple[object, ...]:
        return bind, (_Place(self.module, self.name), self.value)

    @property
    def is_code(self) -> bool:
        """Code and small constants are always taken along, other values if a function mentions them."""
        value = self.value
        if isinstance(value, PLAIN):
            return not isinstance(value, (str, bytes)) or len(value) <= PLAIN_LENGTH
        return isinstance(value, CODE) or hasattr(type(value), "__milepost_stage__")


def take_snapshot(functions: Iterable[Callable[..., object]] = (), modules: Iterable[str] | None = None) -> bytes:
    """The user's modules that `functions` reach, by value; or just `modules`.

    What cannot be taken along (an open file, a connection) is left out, and using it in a worker raises
    WorkerError. Locks, caches and thread-local values come as new ones.

    Example:
        >>> snapshot = take_snapshot(modules=["__main__"])
        >>> isinstance(snapshot, bytes)
        True
    """
    names = reached_modules(functions) if modules is None else list(modules)
    with _registering:
        registered = _register(names)
        try:
            return _Taking(names).take()
        finally:
            for module in registered:
                cloudpickle.unregister_pickle_by_value(module)


def install_snapshot(snapshot: bytes) -> None:
    """Make the modules of a snapshot the modules of this process, `__main__` included.

    Raises WorkerError that names the module, and what in it cannot be made anew here.
    """
    unpickler = pickle.Unpickler(io.BytesIO(snapshot))
    for name, facts in unpickler.load():
        sys.modules[name] = _shell(name, facts)
    try:
        while unpickler.load() is not None:
            pass
    except Exception as error:
        module, name = _at_hand[0]
        raise WorkerError(
            f"module {module!r} cannot be made anew there, because its {name!r} raises {error_text(error)}. "
            "Make it inside the stage that needs it, or run with executor 'inline' or 'threads'",
            module=module,
        ) from error


def place(module: str, name: str) -> tuple[str, str]:
    """Where the value goes that is made next."""
    _at_hand[:] = [(module, name)]
    return module, name


def bind(where: tuple[str, str], value: object) -> bool:
    """Give a module one of its names."""
    module, name = where
    vars(sys.modules[module])[name] = value
    return True


class _Place:
    """Unpickled before the value that goes there."""

    def __init__(self, module: str, name: str) -> None:
        self.told = (module, name)

    def __reduce__(self) -> tuple[object, ...]:
        return place, self.told


class _Taking:
    """One snapshot being taken: groups of bindings on one stream, so that what is shared stays shared."""

    def __init__(self, names: list[str]) -> None:
        self._stream = io.BytesIO()
        self._pickler = ByValuePickler(self._stream, names)
        self._names = names

    def take(self) -> bytes:
        self._pickler.dump([(name, _facts(sys.modules[name])) for name in self._names])
        bindings = [binding for name in reversed(self._names) for binding in _bindings(name)]
        self._add([binding for binding in bindings if binding.is_code])
        waiting = [binding for binding in bindings if not binding.is_code]
        while mentioned := [binding for binding in waiting if binding.name in self._pickler.mentioned]:
            waiting = [binding for binding in waiting if binding.name not in self._pickler.mentioned]
            self._add([_by_import(binding) or binding for binding in mentioned])
        self._add([_stand_in(binding, UNMENTIONED) for binding in waiting])
        self._pickler.dump(None)
        return self._stream.getvalue()

    def _add(self, bindings: list[Binding]) -> None:
        """Write the bindings; those that cannot be written are found by halving and left out."""
        place, memo = self._stream.tell(), self._pickler.memo.copy()
        try:
            self._pickler.dump(bindings)
        except Exception as error:
            self._stream.seek(place)
            self._stream.truncate()
            self._pickler.memo = memo
            if len(bindings) == 1:
                self._add([_by_import(bindings[0]) or _without(bindings[0], error)])
                return
            middle = len(bindings) // 2
            self._add(bindings[:middle])
            self._add(bindings[middle:])


def _by_import(binding: Binding) -> Binding | None:
    """The same name of the installed module that it was imported from: what is shared with it stays shared."""
    for name, module in sys.modules.copy().items():  # a copy: other threads import
        found = getattr(module, "__dict__", {}).get(binding.name)
        if found is binding.value and name != binding.module and not is_user_module(name):
            return Binding(binding.module, binding.name, _Imported(name, binding.name))
    return None


def _without(binding: Binding, error: Exception) -> Binding:
    kind = type(binding.value)
    return _stand_in(binding, f"a {kind.__module__}.{kind.__qualname__} cannot be copied ({error})")


def _stand_in(binding: Binding, reason: str) -> Binding:
    return Binding(binding.module, binding.name, _StandIn(binding.module, binding.name, reason))


class _StandIn:
    """Unpickled, it is a LeftOut."""

    def __init__(self, *told: str) -> None:
        self.told = told

    def __reduce__(self) -> tuple[object, ...]:
        return LeftOut, self.told


class _Imported:
    """Unpickled, it is the attribute of a module that is installed."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __reduce__(self) -> tuple[object, ...]:
        return imported, (self.module, self.name)


def imported(module: str, name: str) -> object:
    """An attribute of an installed module."""
    return getattr(module_shell(module), name)


def _register(names: list[str]) -> list[ModuleType]:
    known = set(cloudpickle.cloudpickle.list_registry_pickle_by_value())
    modules = [sys.modules[name] for name in names if name != "__main__" and name not in known]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    return modules


def _bindings(module: str) -> list[Binding]:
    members = list(vars(sys.modules[module]).items())
    return [Binding(module, name, value) for name, value in members if name not in OF_THE_MODULE]


def _facts(module: ModuleType) -> dict[str, object]:
    """What makes a module itself; `spec` is its import name, which `python -m` gives to `__main__`."""
    path = getattr(module, "__path__", None)
    spec = getattr(module, "__spec__", None)
    return {
        "file": getattr(module, "__file__", None),
        "path": None if path is None else list(path),
        "package": getattr(module, "__package__", None),
        "doc": module.__doc__,
        "spec": getattr(spec, "name", None),
    }


def _shell(name: str, facts: dict[str, object]) -> ModuleType:
    module = ModuleType(name, facts["doc"] if isinstance(facts["doc"], str) else None)
    file, path = facts["file"], facts["path"]
    module.__package__ = facts["package"]  # type: ignore[assignment]
    if isinstance(file, str):
        module.__file__ = file
    if isinstance(path, list):
        module.__path__ = path
    if isinstance(facts["spec"], str):
        module.__spec__ = _spec(facts["spec"], file, path)
    vars(module)["__builtins__"] = __builtins__
    return module


def _spec(name: str, file: object, path: object) -> ModuleSpec | None:
    folders = path if isinstance(path, list) else None
    if isinstance(file, str):
        return spec_from_file_location(name, file, submodule_search_locations=folders)
    return ModuleSpec(name, None, is_package=folders is not None)
