"""From `file.py`, `file.py:name` or `package.module:name` to the process it names."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, ModuleType

from milepost.errors import TargetError
from milepost.model.nearest import did_you_mean
from milepost.process.definition import Process


def load_target(target: str) -> Process:
    """The process that a target names. Raises TargetError when there is none, or several and no name.

    A file is imported once as a module of its own stem, its folder first on `sys.path`, as `python file.py` has it.
    """
    place, name = _split(target)
    if not place.strip():
        raise TargetError(f"{target!r} names no process; pass file.py, file.py:name or package.module:name")
    is_file = place.endswith(".py") or "/" in place
    module = _import_file(place) if is_file else _import_module(place)
    process = _only_process(module, place) if name is None else _named(module, place, name)
    where = str(Path(place).resolve()) if is_file else place
    process.target = where if name is None else f"{where}:{name}"
    return process


def _split(target: str) -> tuple[str, str | None]:
    place, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        return target, None
    return place, name


def _import_file(place: str) -> ModuleType:
    path = Path(place).resolve()
    if not path.is_file():
        raise TargetError(f"{place}: no such file; pass file.py, file.py:name or package.module:name")
    import importlib.util
    from importlib.machinery import SourceFileLoader

    class FromSource(SourceFileLoader):
        """Compiles what stands there now: a cached .pyc misses an edit of equal size within one second."""

        def get_code(self, fullname: str) -> CodeType:
            return self.source_to_code(self.get_data(str(path)), str(path))

    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = path.stem if loaded is None else f"{path.stem}__milepost"  # never shadow a module that others use
    spec = importlib.util.spec_from_file_location(name, path, loader=FromSource(name, str(path)))
    if spec is None or spec.loader is None:
        raise TargetError(f"{place}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(place: str) -> ModuleType:
    import importlib
    import os

    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not (place == error.name or place.startswith(error.name + ".")):
            raise
        raise TargetError(
            f"{place}: no such file or module; pass file.py, file.py:name or package.module:name"
        ) from error


def _only_process(module: ModuleType, place: str) -> Process:
    found = {name: value for name, value in vars(module).items() if isinstance(value, Process)}
    distinct = {id(process): process for process in found.values()}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    if not found:
        for name, value in vars(module).items():
            _refuse_managed(value, f"{place}:{name}")
        raise TargetError(f"{place} holds no Process; write  name = Process('name', [stage, …])  in it")
    raise TargetError(f"{place} holds several processes; say which: " + ", ".join(f"{place}:{name}" for name in found))


def _named(module: ModuleType, place: str, name: str) -> Process:
    found = vars(module).get(name)
    if isinstance(found, Process):
        return found
    _refuse_managed(found, f"{place}:{name}")
    known = [other for other, value in vars(module).items() if isinstance(value, Process)]
    said = "is no Process" if name in vars(module) else "does not exist"
    raise TargetError(f"{place}: {name!r} {said}." + did_you_mean(name, known))


def _refuse_managed(value: object, called: str) -> None:
    """TargetError for a ProcessManager of the user's, which no command carries out."""
    holder = sys.modules.get("milepost.process.manager")
    if holder is None:
        return
    kind = value if isinstance(value, type) else type(value)
    if issubclass(kind, holder.ProcessManager) and value is not holder.ProcessManager:
        raise TargetError(
            f"{called} is no Process but a ProcessManager, which is carried out by its program itself: start that. "
            "What changed code made is computed again when it is asked for; accept, plan and run are for a Process"
        )
