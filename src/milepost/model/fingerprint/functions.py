"""What a function is: its instructions, and what each name, closure, default and annotation in it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING

from milepost.model.fingerprint.annotations import annotations_of
from milepost.model.fingerprint.flow import Origin, flow_of
from milepost.model.fingerprint.imports import imported_module
from milepost.model.fingerprint.modules import is_user_globals
from milepost.model.fingerprint.wrappers import INNER
from milepost.model.fingerprint.writes import CLASSES, Place, place_written

if TYPE_CHECKING:
    from milepost.model.fingerprint.reach import Reach

# What a module says about itself: not the same in `python sales.py` and an import, and no data.
ABOUT_MODULES = frozenset({
    "__name__", "__file__", "__doc__", "__spec__", "__package__", "__loader__", "__path__", "__cached__",
    "__builtins__", "__annotations__", "__debug__", "__build_class__", "__import__", "__class__",
})  # fmt: skip
_ASK_FOR_ANY = frozenset({"__dict__", "__getattribute__"})


def function_facts(reach: Reach, function: FunctionType, name: str, *, is_hook: bool = False) -> list[str]:
    """Its instructions, and what each name in them stands for. `is_hook`: it runs when a class is made."""
    flow = flow_of(function.__code__)
    reach.functions.append(function)
    reads = ((".".join((read.kind, read.root, *read.chain)), read) for read in flow.reads)
    facts = [flow.digest.hex(), *(f"{text}={_resolved(reach, function, read)}" for text, read in reads)]
    facts += _closure_facts(reach, function, name)
    facts += _default_facts(reach, function, name)
    skipped = reach.skipped if _is_stage(name) else ()
    facts += annotations_of(reach, function, without_bounds=skipped)
    whole = dict.fromkeys(module for escape in flow.escapes if (module := _module_at(function, escape)))
    facts += [f"whole {reach.reference(module)}" for module in whole]
    wrapped = function.__dict__.get("__wrapped__")
    if wrapped is not None:
        facts.append(f"wraps={_wrapped(reach, wrapped, name)}")
    written = reach.hooked if is_hook else reach.written
    written |= {place for write in flow.writes if (place := _place_written(function, write))}
    return facts


def _module_at(function: FunctionType, origin: Origin) -> ModuleType | None:
    """The user's module that an origin is, if it is one."""
    namespace: dict[str, object] = function.__globals__
    found: object = None
    if origin.kind == "global":
        found = namespace.get(origin.root)
    elif origin.kind == "cell":
        found = _cell_content(function, origin.root)
    elif origin.kind == "import":
        found = imported_module(origin.root, origin.level, namespace)
    for step in origin.chain:
        found = _member(found, step) if isinstance(found, ModuleType) else None
    return found if isinstance(found, ModuleType) and is_user_globals(vars(found)) else None


def _member(module: ModuleType, name: str) -> object:
    """What a module has under a name; a user's package, its submodule."""
    if name in vars(module) or not hasattr(module, "__path__") or not is_user_globals(vars(module)):
        return vars(module).get(name)
    return imported_module(f"{module.__name__}.{name}", 0, vars(module))


def _is_stage(name: str) -> bool:
    """Whether a part is the function of the stage itself, under its decorators too."""
    return name == "code" or name.startswith("code:__wrapped__")


def _wrapped(reach: Reach, wrapped: object, name: str) -> str:
    if not _is_stage(name) or not isinstance(wrapped, FunctionType) or not is_user_globals(wrapped.__globals__):
        return reach.bound(wrapped)
    if id(wrapped) not in reach.names:  # the stage under its decorator: it too goes without its name
        reach.enter_function(
            wrapped, reach.name(wrapped, f"{name}:__wrapped__" if name == "code" else f"{name}.__wrapped__")
        )
    return reach.names[id(wrapped)][1]


def _closure_facts(reach: Reach, function: FunctionType, name: str) -> list[str]:
    facts = []
    wrapped = function.__dict__.get("__wrapped__")
    if wrapped is not None:
        _wrapped(reach, wrapped, name)
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        place, label = Place("cell", id(cell)), inner_name(name) + variable
        if is_empty(cell):
            fact = reach.missing(place, "closure", label)
        elif isinstance(cell.cell_contents, ModuleType) and place not in reach.written:
            fact = reach.module(cell.cell_contents)
        else:
            fact = reach.kept(cell.cell_contents, place, "closure", label)
        facts.append(f"closure {variable}={fact}")
    return facts


def _default_facts(reach: Reach, function: FunctionType, name: str) -> list[str]:
    code, given = function.__code__, function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(positional[len(positional) - len(given) :], given, strict=True))
    defaults |= function.__kwdefaults__ or {}
    skipped = reach.skipped if _is_stage(name) else frozenset()
    facts = []
    for parameter, value in sorted(defaults.items()):
        if parameter not in skipped:
            place = Place("default", id(function), parameter)
            label = inner_name(name) + parameter
            facts.append(f"default {parameter}={reach.kept(value, place, 'default', label)}")
    return facts


def _resolved(reach: Reach, function: FunctionType, origin: Origin) -> str:
    """What a name of the function stands for now."""
    chain, namespace = origin.chain, function.__globals__
    if origin.kind == "import":
        return _through_import(reach, origin, namespace)
    if origin.kind == "cell":
        found = _cell_content(function, origin.root)
        return _through(reach, found, chain) if isinstance(found, ModuleType) else ""
    if origin.root in ABOUT_MODULES:
        return "about the module"
    if origin.root not in namespace:
        if _is_builtin(namespace, origin.root):
            return "built in"
        place = Place("global", id(namespace), origin.root)
        return reach.missing(place, "global", f"{reach.label(namespace)}.{origin.root}")
    return _at(reach, namespace, origin.root, chain)


def _through_import(reach: Reach, origin: Origin, namespace: dict[str, object]) -> str:
    module = imported_module(origin.root, origin.level, namespace)
    if isinstance(module, str):  # not the user's, so not imported for this
        reach.package(module)
        return f"module:{module}"
    return "missing" if module is None else _through(reach, module, origin.chain)


def _through(reach: Reach, thing: object, chain: tuple[str, ...]) -> str:
    """`module.name.name`: as far as modules go."""
    if not isinstance(thing, ModuleType):
        return reach.bound(thing)
    if not chain or not is_user_globals(vars(thing)):
        return reach.module(thing)
    if chain[0] in ABOUT_MODULES:
        return "about the module"
    if chain[0] in _ASK_FOR_ANY:
        return reach.reference(thing)
    if chain[0] in vars(thing):
        return _at(reach, vars(thing), chain[0], chain[1:])
    submodule = _member(thing, chain[0])
    if isinstance(submodule, ModuleType):
        return _through(reach, submodule, chain[1:])
    if "__getattr__" in vars(thing):
        return f"{reach.label(vars(thing))}.{chain[0]} by {_at(reach, vars(thing), '__getattr__', ())}"
    place = Place("global", id(vars(thing)), chain[0])
    return reach.missing(place, "global", f"{reach.label(vars(thing))}.{chain[0]}")


def _at(reach: Reach, namespace: dict[str, object], name: str, chain: tuple[str, ...]) -> str:
    thing = namespace[name]
    if isinstance(thing, ModuleType):
        return _through(reach, thing, chain)
    if isinstance(thing, FunctionType) and chain and chain[0] in thing.__dict__ and chain[0] not in INNER:
        place = Place("attribute", id(thing), chain[0])
        reach.kept(thing.__dict__[chain[0]], place, "global", f"{reach.label(namespace)}.{name}.{chain[0]}")
    fact = reach.kept(thing, Place("global", id(namespace), name), "global", f"{reach.label(namespace)}.{name}")
    is_asked = isinstance(thing, type) and chain[:1] == ("__subclasses__",)
    return fact + reach.subclasses(thing) if is_asked else fact  # type: ignore[arg-type]


def _place_written(function: FunctionType, write: Origin) -> Place | None:
    namespace = function.__globals__
    if write.kind == "parameter":
        return place_written(write, None, Place("default", id(function), write.root)) if not write.by else None
    if write.kind == "classes":
        return CLASSES
    if write.kind == "rebound":
        return Place("global", id(namespace), write.root)
    if write.kind == "global" and write.root in namespace:
        return place_written(write, namespace[write.root], Place("global", id(namespace), write.root))
    if write.kind == "import":
        module = imported_module(write.root, write.level, namespace)
        if isinstance(module, ModuleType):
            return place_written(write, module, Place("module", id(module)))
    if "cell" in write.kind and write.root in function.__code__.co_freevars:
        cell = (function.__closure__ or ())[function.__code__.co_freevars.index(write.root)]
        place = Place("cell", id(cell))
        if write.kind == "rebound cell":
            return place
        return None if is_empty(cell) else place_written(write, cell.cell_contents, place)
    return None


def is_empty(cell: CellType) -> bool:
    """Whether nothing was assigned to a closure's variable yet."""
    try:
        cell.cell_contents  # noqa: B018 - asking is how an empty cell is found
    except ValueError:
        return True
    return False


def _cell_content(function: FunctionType, name: str) -> object:
    names = function.__code__.co_freevars
    cell = (function.__closure__ or ())[names.index(name)] if name in names else None
    return None if cell is None or is_empty(cell) else cell.cell_contents


def _is_builtin(namespace: Mapping[str, object], name: str) -> bool:
    builtins = namespace.get("__builtins__")
    known = vars(builtins) if isinstance(builtins, ModuleType) else builtins
    return isinstance(known, dict) and name in known


def inner_name(name: str) -> str:
    """How closures and defaults of a part are called: those of the stage itself by their name alone."""
    _, _, rest = name.partition(":")
    return f"{rest}." if rest else ""
