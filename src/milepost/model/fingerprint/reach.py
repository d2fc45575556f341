"""From one function to all code and data it reaches in the user's modules, and a part of the key for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType

from xxhash import xxh3_128_hexdigest

from milepost.errors import UnkeyableError
from milepost.model.fingerprint.annotations import annotations_of
from milepost.model.fingerprint.bytecode import constant
from milepost.model.fingerprint.classes import class_facts, classes_in, namespace_of
from milepost.model.fingerprint.flow import Origin, flow_of
from milepost.model.fingerprint.imports import imported_module
from milepost.model.fingerprint.modules import (
    globals_label,
    is_standard,
    is_user_globals,
    top_level,
)
from milepost.model.fingerprint.parts import Part
from milepost.model.fingerprint.values import digest
from milepost.model.fingerprint.writes import Place, is_changed_by, is_harmless, is_user_class, place_written

VersionOf = Callable[[str], str | None]
# What a module says about itself: not the same in `python sales.py` and an import, and no data.
_ABOUT_MODULES = frozenset({
    "__name__", "__file__", "__doc__", "__spec__", "__package__", "__loader__", "__path__", "__cached__",
    "__builtins__", "__annotations__", "__debug__", "__build_class__", "__import__", "__class__",
})  # fmt: skip
_CODE_TYPES = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, staticmethod, classmethod, property)
_SCALARS = frozenset({str, int, float, bool, type(None), bytes})
_INNER = ("__wrapped__", "py_func", "pyfunc")  # under which wrappers written in C keep the function


class Reach:
    """One walk. `state` are the places already known to be written by the code that will be reached."""

    def __init__(
        self, version_of: VersionOf, skip_defaults: Collection[str] = (), state: frozenset[Place] = frozenset()
    ) -> None:
        self.parts: dict[str, Part] = {}
        self.things: dict[str, object] = {}  # by the name of its part: what `source` makes texts of
        self.state: dict[str, None] = {}
        self.unkeyable: dict[str, None] = {}
        self.modules: dict[str, None] = {}
        self.written = set(state)
        self.counted: set[Place] = set()  # whose values are in a part
        self._instances: list[tuple[object, set[str]]] = []  # with the attributes that were left out
        self._version_of = version_of
        self._skipped = frozenset(skip_defaults)
        self._names: dict[int, tuple[object, str]] = {}  # holds the thing too, so that its id stays its own
        self._taken: set[str] = set()
        self._labels: dict[int, str] = {}
        self._code: deque[Callable[[], None]] = deque()
        self._values: deque[Callable[[], None]] = deque()

    def run(self) -> None:
        """Code first: then most of what is state is known before values are looked at."""
        while self._code or self._values:
            (self._code or self._values).popleft()()

    @property
    def is_contradictory(self) -> bool:
        """Whether a value was counted that turned out to be state."""
        if not self.written.isdisjoint(self.counted):
            return True
        return any(self._written_attributes(thing) != known for thing, known in self._instances)

    # The start

    def begin(self, thing: object, name: str = "code") -> None:
        """Reach from the function of a stage: its part is called "code", whatever its own name is."""
        thing = _unwrapped_stage(thing)
        if isinstance(thing, partial):
            self.begin(thing.func, name)
            self._value_part(f"closure:{_after(name)}partial", (thing.args, thing.keywords))
        elif isinstance(thing, MethodType):
            self.begin(thing.__func__, name)
            self._value_part(f"closure:{_after(name)}self", thing.__self__)
        elif isinstance(thing, FunctionType) and is_user_globals(thing.__globals__):
            self._enter_function(thing, name)
        elif _inner(thing) is not None:
            self.begin(_inner(thing), name)
        else:
            self._code.append(lambda: self._add(name, "code", [self._bound(thing)], thing))

    def _bound(self, thing: object) -> str:
        try:
            return self.reference(thing) if is_code(thing) else self.value(thing)
        except UnkeyableError as error:
            self.unkeyable[f"the function: {error}"] = None
            return "unkeyable"

    # Names

    def label(self, namespace: Mapping[str, object], name: str = "") -> str:
        """What a module is called in part names; of two with one label the second reached gets a number."""
        known = self._labels.get(id(namespace))
        if known is None:
            base = globals_label(namespace, name)
            used = set(self._labels.values())
            known = (
                base if base not in used else next(f"{base}~{n}" for n in range(2, 99_999) if f"{base}~{n}" not in used)
            )
            self._labels[id(namespace)] = known
            self.modules[known] = None
        return known

    def _name(self, thing: object, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}#{number}"
        self._taken.add(name)
        self._names[id(thing)] = thing, name
        return name

    def _add(self, name: str, kind: str, facts: Iterable[str], thing: object) -> None:
        body = b"".join(b"%d;%b" % (len(raw), raw) for raw in (fact.encode("utf-8", "surrogatepass") for fact in facts))
        self.parts[name] = Part(name, kind, xxh3_128_hexdigest(body))
        self.things[name] = thing

    # References: what stands in a digest for code, which has a part of its own

    def reference(self, thing: object) -> str:
        """The name of a function, class or module; reaches it. Raises UnkeyableError for what has no name."""
        thing = _unwrapped_stage(thing)
        known = self._names.get(id(thing))
        if known is not None:
            return known[1]
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, MethodType):
            return self._method(thing)
        if isinstance(thing, type):
            return self._class(thing)
        if isinstance(thing, ModuleType):
            return self._module(thing)
        if isinstance(thing, staticmethod | classmethod):
            return f"{type(thing).__name__} {self.reference(thing.__func__)}"
        if isinstance(thing, property):
            parts = (thing.fget, thing.fset, thing.fdel)
            return "property " + ",".join("" if part is None else self.reference(part) for part in parts)
        return self._foreign(thing)

    def _method(self, method: MethodType) -> str:
        """A bound method: one that its class has counts with the class."""
        owner, function = method.__self__, method.__func__
        cls = owner if isinstance(owner, type) else type(owner)
        name = getattr(function, "__name__", "")
        is_of_class = (
            is_user_class(cls) and getattr(getattr(cls, name, None), "__func__", getattr(cls, name, None)) is function
        )
        called = f"{self.reference(cls)}.{name}" if is_of_class else self.reference(function)
        return f"{called} of {self.reference(owner) if is_code(owner) else self.value(owner)}"

    def value(self, thing: object, name: str = "value") -> str:
        """The digest of a value, hexadecimal; reaches the classes and functions in it."""
        if type(thing) in _SCALARS:
            return constant(thing).hex()
        for cls in classes_in(thing):
            self.reference(cls)
        held = self._without_state(thing)
        return digest(thing if held is None else held, name=name, functions=self._hook).hex()

    def _hook(self, thing: object) -> bytes:
        return self.reference(thing).encode("utf-8", "surrogatepass")

    def _function(self, function: FunctionType) -> str:
        if not is_user_globals(function.__globals__):
            return self._foreign_function(function)
        name = self._name(function, f"code:{self.label(function.__globals__)}.{function.__qualname__}")
        self._enter_function(function, name)
        return name

    def _enter_function(self, function: FunctionType, name: str) -> None:
        self._names[id(function)] = function, name
        self._taken.add(name)
        self.label(function.__globals__)
        self._code.append(lambda: self._add(name, "code", self.function_facts(function, name), function))

    def _class(self, cls: type) -> str:
        if not is_user_class(cls):
            self.package(str(cls.__module__))
            return f"{cls.__module__}.{cls.__qualname__}"
        name = self._name(cls, f"class:{self.label(namespace_of(cls), str(cls.__module__))}.{cls.__qualname__}")
        self._code.append(lambda: self._add(name, "class", class_facts(self, cls, name), cls))
        return name

    def _module(self, module: ModuleType) -> str:
        if is_user_globals(vars(module)):
            return f"module:{self.label(vars(module))}"
        self.package(module.__name__)
        return f"module:{module.__name__}"

    def package(self, module: str) -> None:
        """A module that is not the user's: its package counts by version, Python and Milepost elsewhere."""
        top = top_level(module)
        name = f"package:{top}"
        if name in self.parts or is_standard(top):
            return
        version = self._version_of(top)
        self.parts[name] = Part(name, "package", xxh3_128_hexdigest(repr(version).encode()), version or "unknown")

    def _foreign_function(self, function: FunctionType) -> str:
        """A function of Python or a package: a name, and what a decorator of theirs holds of the user's."""
        module = str(function.__globals__.get("__name__") or function.__module__)
        self.package(module)
        name = f"{module}.{function.__qualname__}"
        self._names[id(function)] = function, name
        inner = [cell.cell_contents for cell in function.__closure__ or () if not _is_empty(cell)]
        inner += [function.__dict__[one] for one in ("__wrapped__", "registry") if one in function.__dict__]
        if not any(_is_users_code(thing) for thing in inner):
            return name
        facts = [self._if_keyable(thing) for thing in inner]
        full = f"{name}({','.join(facts)})"
        self._names[id(function)] = function, full
        return full

    def _if_keyable(self, thing: object) -> str:
        try:
            return self.reference(thing) if is_code(thing) else self.value(thing)
        except UnkeyableError:
            return type(thing).__qualname__  # a cache or lock of the decorator's own

    def _foreign(self, thing: object) -> str:
        """Things made by C code: wrappers around a function, built-in functions, ufuncs."""
        kind = type(thing)
        inner = _inner(thing)
        if inner is not None:
            self.package(str(kind.__module__))
            return f"{kind.__module__}.{kind.__qualname__} {self.reference(inner)}"
        name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
        if not isinstance(name, str):
            raise UnkeyableError(f"a {kind.__qualname__} has no fingerprint", path=kind.__qualname__)
        module = getattr(thing, "__module__", None)
        owner = getattr(thing, "__self__", None)
        if isinstance(owner, ModuleType):
            module = owner.__name__
        elif owner is not None:
            return f"{name} of {self.reference(owner) if is_code(owner) else self.value(owner)}"
        self.package(str(module or kind.__module__))
        return f"{module or kind.__module__}.{name}"

    # What a function is

    def function_facts(self, function: FunctionType, name: str) -> list[str]:
        """Its instructions, and what each name in them stands for."""
        flow = flow_of(function.__code__)
        reads = ((".".join((read.kind, read.root, *read.chain)), read) for read in flow.reads)
        facts = [flow.digest.hex(), *(f"{text}={self._resolved(function, read)}" for text, read in reads)]
        facts += self._closure_facts(function, name)
        facts += self._default_facts(function, name)
        facts += annotations_of(self, function)
        wrapped = function.__dict__.get("__wrapped__")
        if wrapped is not None:
            facts.append(f"wraps={self._wrapped(wrapped, name)}")
        self.written |= {place for write in flow.writes if (place := self._place_written(function, write))}
        return facts

    def _wrapped(self, wrapped: object, name: str) -> str:
        is_own = name == "code" or name.startswith("code:__wrapped__")
        if not is_own or not isinstance(wrapped, FunctionType) or not is_user_globals(wrapped.__globals__):
            return self._bound(wrapped)
        if id(wrapped) not in self._names:  # the stage under its decorator: it too goes without its name
            self._enter_function(
                wrapped, self._name(wrapped, f"{name}:__wrapped__" if name == "code" else f"{name}.__wrapped__")
            )
        return self._names[id(wrapped)][1]

    def _closure_facts(self, function: FunctionType, name: str) -> list[str]:
        facts = []
        wrapped = function.__dict__.get("__wrapped__")
        if wrapped is not None:
            self._wrapped(wrapped, name)
        for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
            if _is_empty(cell):
                facts.append(f"closure {variable} is empty")
            else:
                place = Place("cell", id(cell))
                facts.append(
                    f"closure {variable}={self._kept(cell.cell_contents, place, 'closure', _after(name) + variable)}"
                )
        return facts

    def _default_facts(self, function: FunctionType, name: str) -> list[str]:
        code, given = function.__code__, function.__defaults__ or ()
        positional = code.co_varnames[: code.co_argcount]
        defaults = dict(zip(positional[len(positional) - len(given) :], given, strict=True))
        defaults |= function.__kwdefaults__ or {}
        skipped = self._skipped if name == "code" or name.startswith("code:__wrapped__") else frozenset()
        facts = []
        for parameter, value in sorted(defaults.items()):
            if parameter not in skipped:
                place = Place("default", id(function), parameter)
                facts.append(f"default {parameter}={self._kept(value, place, 'default', _after(name) + parameter)}")
        return facts

    def _resolved(self, function: FunctionType, origin: Origin) -> str:
        """What a name of the function stands for now."""
        chain, namespace = origin.chain, function.__globals__
        if origin.kind == "import":
            return self._through_import(origin, namespace)
        if origin.kind == "cell":
            found = _cell_content(function, origin.root)
            return self._through(found, chain) if isinstance(found, ModuleType) else ""
        if origin.root in _ABOUT_MODULES:
            return "about the module"
        if origin.root not in namespace:
            return "built in" if _is_builtin(namespace, origin.root) else "missing"
        return self._at(namespace, origin.root, chain)

    def _through_import(self, origin: Origin, namespace: dict[str, object]) -> str:
        module = imported_module(origin.root, origin.level, namespace)
        if isinstance(module, str):  # not the user's, so not imported for this
            self.package(module)
            return f"module:{module}"
        return "missing" if module is None else self._through(module, origin.chain)

    def _through(self, thing: object, chain: tuple[str, ...]) -> str:
        """`module.name.name`: as far as modules go."""
        if not chain or not isinstance(thing, ModuleType) or not is_user_globals(vars(thing)):
            return self._bound(thing)
        if chain[0] in _ABOUT_MODULES:
            return "about the module"
        if chain[0] in vars(thing):
            return self._at(vars(thing), chain[0], chain[1:])
        submodule = (
            imported_module(f"{thing.__name__}.{chain[0]}", 0, vars(thing)) if hasattr(thing, "__path__") else None
        )
        return "missing" if submodule is None or isinstance(submodule, str) else self._through(submodule, chain[1:])

    def _at(self, namespace: dict[str, object], name: str, chain: tuple[str, ...]) -> str:
        thing = namespace[name]
        if isinstance(thing, ModuleType):
            return self._through(thing, chain)
        if isinstance(thing, FunctionType) and chain and chain[0] in thing.__dict__ and chain[0] not in _INNER:
            place = Place("attribute", id(thing), chain[0])
            self._kept(thing.__dict__[chain[0]], place, "global", f"{self.label(namespace)}.{name}.{chain[0]}")
        return self._kept(thing, Place("global", id(namespace), name), "global", f"{self.label(namespace)}.{name}")

    # Values

    def _kept(self, thing: object, place: Place, kind: str, name: str) -> str:
        """What a global, cell or default stands for: code by reference, data as a part of its own."""
        if is_code(thing) and place not in self.written:
            self.counted.add(place)
            return self._bound(thing)
        self._value_part(f"{kind}:{name}", thing, place)
        return f"{kind}:{name}"

    def _value_part(self, name: str, thing: object, place: Place | None = None) -> None:
        if name not in self._taken:
            self._taken.add(name)
            self._values.append(lambda: self._add_value(name, thing, place))

    def _add_value(self, name: str, thing: object, place: Place | None) -> None:
        kind, _, rest = name.partition(":")
        harmless = is_harmless(thing) if type(thing) not in _SCALARS else None
        if place in self.written or harmless:
            self.state[f"{kind} {rest}" + (f" (a {harmless})" if harmless else "")] = None
            return
        for cls in classes_in(thing):
            self.reference(cls)
        if self._code:  # what the methods of these classes write is known when they have been read
            self._values.append(lambda: self._add_value(name, thing, place))
            return
        if place is not None:
            self.counted.add(place)
        try:
            self._add(name, kind, [self.value(thing, rest)], thing)
        except UnkeyableError as error:
            self.unkeyable[f"{kind} {error}"] = None
            return
        for attribute in sorted(self._written_attributes(thing)):
            self.state[f"{kind} {rest}.{attribute}" if attribute else f"{kind} {rest}"] = None

    def _without_state(self, thing: object) -> object:
        """An instance of a user's class as a dict without the attributes that reached code writes; else None."""
        attributes = self._written_attributes(thing)
        if is_user_class(type(thing)):
            self._instances.append((thing, attributes))
        own = getattr(thing, "__dict__", None)
        if not attributes or own is None:
            return None
        held = {} if "" in attributes else {name: value for name, value in own.items() if name not in attributes}
        return (type(thing), held)

    def _written_attributes(self, thing: object) -> set[str]:
        if not is_user_class(type(thing)) or isinstance(thing, type):
            return set()
        own = getattr(thing, "__dict__", {})
        written = {place.name for place in self.written if place.kind == "attribute" and place.owner == id(thing)}
        roots = {id(cls) for cls in type(thing).__mro__}
        for place in self.written:
            if place.kind != "self" or place.owner not in roots:
                continue
            if is_changed_by(own.get(place.name) if place.name else thing, place.by):
                written.add(place.name)
        return written

    def _place_written(self, function: FunctionType, write: Origin) -> Place | None:
        namespace = function.__globals__
        if write.kind == "parameter":
            return place_written(write, None, Place("default", id(function), write.root)) if not write.by else None
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
            return None if _is_empty(cell) else place_written(write, cell.cell_contents, place)
        return None


def is_code(thing: object) -> bool:
    """Whether a thing counts by what it does rather than by value."""
    return isinstance(thing, _CODE_TYPES) or _inner(thing) is not None or _is_stage(thing)


def _is_stage(thing: object) -> bool:
    return getattr(type(thing), "__milepost_stage__", False) is True


def _unwrapped_stage(thing: object) -> object:
    while _is_stage(thing):
        thing = thing.__wrapped__  # type: ignore[attr-defined]
    return thing


def _inner(thing: object) -> object:
    """The function inside a wrapper that is none itself: of lru_cache, numba, numpy.vectorize."""
    if isinstance(thing, FunctionType | type | ModuleType) or type(thing).__module__ == "builtins":
        return None
    for name in _INNER:
        try:
            inner = getattr(thing, name, None)
        except Exception:  # a foreign object's attributes may raise anything
            inner = None
        if isinstance(inner, FunctionType | MethodType | partial) or _is_stage(inner):
            return inner
    return None


def _is_users_code(thing: object) -> bool:
    thing = _unwrapped_stage(thing)
    if isinstance(thing, FunctionType):
        return is_user_globals(thing.__globals__)
    if isinstance(thing, MethodType):
        return _is_users_code(thing.__func__)
    return isinstance(thing, type) and is_user_class(thing)


def _is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asking is how an empty cell is found
    except ValueError:
        return True
    return False


def _cell_content(function: FunctionType, name: str) -> object:
    names = function.__code__.co_freevars
    cell = (function.__closure__ or ())[names.index(name)] if name in names else None
    return None if cell is None or _is_empty(cell) else cell.cell_contents


def _is_builtin(namespace: Mapping[str, object], name: str) -> bool:
    builtins = namespace.get("__builtins__")
    known = vars(builtins) if isinstance(builtins, ModuleType) else builtins
    return isinstance(known, dict) and name in known


def _after(name: str) -> str:
    """How closures and defaults of a part are called: those of the stage itself by their name alone."""
    _, _, rest = name.partition(":")
    return f"{rest}." if rest else ""
