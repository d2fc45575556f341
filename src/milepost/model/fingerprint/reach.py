"""From one function to all code and data it reaches in the user's modules, and a part of the key for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import FunctionType, MethodType, ModuleType

from xxhash import xxh3_128_hexdigest

from milepost.errors import UnkeyableError
from milepost.model.fingerprint.annotations import is_bound
from milepost.model.fingerprint.bytecode import constant
from milepost.model.fingerprint.classes import class_facts, classes_in, namespace_of
from milepost.model.fingerprint.functions import function_facts, inner_name, is_empty
from milepost.model.fingerprint.held import custom_state, has_hidden_state, state_items
from milepost.model.fingerprint.modules import (
    globals_label,
    is_standard,
    is_user_globals,
    top_level,
)
from milepost.model.fingerprint.parts import Part
from milepost.model.fingerprint.values import digest
from milepost.model.fingerprint.whole import Nested, code_held, module_members, subclasses_of
from milepost.model.fingerprint.wrappers import inner_of, is_code, is_users_code, unwrapped_stage
from milepost.model.fingerprint.writes import CLASSES, Place, is_changed_by, is_harmless, is_user_class

VersionOf = Callable[[str], str | None]
_SCALARS = frozenset({str, int, float, bool, type(None), bytes})


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
        self.hooked: set[Place] = set()  # written where a class is made: before the stage runs, if it makes none
        self.counted: set[Place] = set()  # whose values are in a part
        self.functions: list[FunctionType] = []
        self._instances: list[tuple[object, set[str]]] = []  # with the attributes that were left out
        self._version_of = version_of
        self.skipped = frozenset(skip_defaults)
        self.names: dict[int, tuple[object, str]] = {}  # holds the thing too, so that its id stays its own
        self._taken: set[str] = set()
        self._labels: dict[int, str] = {}
        self._code: deque[Callable[[], None]] = deque()
        self._values: deque[Callable[[], None]] = deque()
        self._last: deque[Callable[[], None]] = deque()  # what asks first which code is reached anyway
        self._whole: set[int] = set()  # modules of which all counts
        self._optional: set[str] = set()  # values of such modules that no code is seen to read

    def run(self) -> None:
        """Code first: then most of what is state is known before values are looked at."""
        while self._code or self._values or self._last:
            (self._code or self._values or self._last).popleft()()
        if CLASSES in self.written:
            self.written |= self.hooked

    @property
    def is_contradictory(self) -> bool:
        """Whether a value was counted that turned out to be state."""
        if not self.written.isdisjoint(self.counted):
            return True
        return any(self._written_attributes(thing) != known for thing, known in self._instances)

    # The start

    def begin(self, thing: object, name: str = "code") -> None:
        """Reach from the function of a stage: its part is called "code", whatever its own name is."""
        thing = unwrapped_stage(thing)
        if isinstance(thing, partial):
            self.begin(thing.func, name)
            self._value_part(f"closure:{inner_name(name)}partial", (thing.args, thing.keywords))
        elif isinstance(thing, MethodType):
            self.begin(thing.__func__, name)
            self._value_part(f"closure:{inner_name(name)}self", thing.__self__)
        elif isinstance(thing, FunctionType) and is_user_globals(thing.__globals__):
            self.enter_function(thing, name)
        elif inner_of(thing) is not None:
            self.begin(inner_of(thing), name)
        else:
            self._code.append(lambda: self._add(name, "code", [self.bound(thing)], thing))

    def bound(self, thing: object, name: str = "the function") -> str:
        """A reference to code, or the digest of a value; what has neither makes the stage unkeyable."""
        try:
            return self.reference(thing) if is_code(thing) else self.value(thing)
        except UnkeyableError as error:
            self.unkeyable[f"{name}: {error}"] = None
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

    def name(self, thing: object, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}#{number}"
        self._taken.add(name)
        self.names[id(thing)] = thing, name
        return name

    def _add(self, name: str, kind: str, facts: Iterable[str], thing: object) -> None:
        body = b"".join(b"%d;%b" % (len(raw), raw) for raw in (fact.encode("utf-8", "surrogatepass") for fact in facts))
        self.parts[name] = Part(name, kind, xxh3_128_hexdigest(body))
        self.things[name] = thing

    # References: what stands in a digest for code, which has a part of its own

    def reference(self, thing: object) -> str:
        """The name of a function, class or module; reaches it. Raises UnkeyableError for what has no name."""
        thing = unwrapped_stage(thing)
        known = self.names.get(id(thing))
        if known is not None:
            return known[1]
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, MethodType):
            return self._method(thing)
        if isinstance(thing, type):
            return self._class(thing)
        if isinstance(thing, ModuleType):
            return self._whole_module(thing)
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
        name = self.name(function, f"code:{self.label(function.__globals__)}.{function.__qualname__}")
        self.enter_function(function, name)
        return name

    def enter_function(self, function: FunctionType, name: str) -> None:
        self.names[id(function)] = function, name
        self._taken.add(name)
        self.label(function.__globals__)
        self._code.append(lambda: self._add(name, "code", function_facts(self, function, name), function))

    def _class(self, cls: type) -> str:
        if not is_user_class(cls):
            if not is_bound(cls):
                self.package(str(cls.__module__))
            return f"{cls.__module__}.{cls.__qualname__}"
        name = self.name(cls, f"class:{self.label(namespace_of(cls), str(cls.__module__))}.{cls.__qualname__}")
        self._code.append(lambda: self._add(name, "class", class_facts(self, cls, name), cls))
        return name

    def _whole_module(self, module: ModuleType) -> str:
        """A module used as a value: of the user's all counts, for what it will be asked is not seen."""
        name = self.module(module)
        if is_user_globals(vars(module)) and id(module) not in self._whole:
            self._whole.add(id(module))
            self._last.append(lambda: self._add_module(name, module))
        return name

    def _add_module(self, name: str, module: ModuleType) -> None:
        known: dict[str, object] = {}
        for member, thing in module_members(module):
            place = Place("global", id(vars(module)), member)
            if place in self.written:
                self.hold(thing)
            else:
                self.counted.add(place)  # that the name is there counts too
                label = f"{self.label(vars(module))}.{member}"
                known[member] = self.kept(thing, place, "global", label, is_optional=True)
        self._add(name, "code", [f"{member}={fact}" for member, fact in known.items()], known)

    def subclasses(self, cls: type) -> str:
        """The user's classes below a class that reached code asks for them."""
        return f" over {','.join(map(self.reference, subclasses_of(cls)))}"

    def hold(self, thing: object) -> None:
        """Reach the code that state holds: its value does not count, but what a registry was given runs."""
        self._last.append(lambda: self._reach_held(thing))

    def _reach_held(self, thing: object) -> None:
        for code in code_held(thing, lambda: Nested(self.functions)):
            self._if_keyable(code)

    def module(self, module: ModuleType) -> str:
        """The name of a module that is only asked for names, each of which counts for itself."""
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
        self.names[id(function)] = function, name
        inner = [cell.cell_contents for cell in function.__closure__ or () if not is_empty(cell)]
        inner += [function.__dict__[one] for one in ("__wrapped__", "registry") if one in function.__dict__]
        if not any(is_users_code(thing) for thing in inner):
            return name
        facts = [self._if_keyable(thing) for thing in inner]
        full = f"{name}({','.join(facts)})"
        self.names[id(function)] = function, full
        return full

    def _if_keyable(self, thing: object) -> str:
        try:
            return self.reference(thing) if is_code(thing) else self.value(thing)
        except UnkeyableError:
            return type(thing).__qualname__  # a cache or lock of the decorator's own

    def _foreign(self, thing: object) -> str:
        """Things made by C code: wrappers around a function, built-in functions, ufuncs."""
        kind = type(thing)
        inner = inner_of(thing)
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

    # Values

    def kept(self, thing: object, place: Place, kind: str, name: str, *, is_optional: bool = False) -> str:
        """What a global, cell or default stands for: code by reference, data as a part of its own."""
        if is_code(thing) and place not in self.written:
            self.counted.add(place)
            return self._if_keyable(thing) if is_optional else self.bound(thing, f"{kind} {name}")
        if not is_optional:
            self._optional.discard(f"{kind}:{name}")
        elif f"{kind}:{name}" not in self._taken:
            self._optional.add(f"{kind}:{name}")
        self._value_part(f"{kind}:{name}", thing, place)
        return f"{kind}:{name}"

    def missing(self, place: Place, kind: str, name: str) -> str:
        """What a name without a value stands for: nothing, or state that reached code is going to make."""
        if place not in self.written:
            self.counted.add(place)
            return "missing"
        self.state[f"{kind} {name}"] = None
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
            self.hold(thing)
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
            if name not in self._optional:
                self.unkeyable[f"{kind} {error}"] = None
            return
        for attribute in sorted(self._written_attributes(thing)):
            self.state[f"{kind} {rest}.{attribute}" if attribute else f"{kind} {rest}"] = None

    def _without_state(self, thing: object) -> object:
        """An instance of a user's class as a dict without the attributes that reached code writes; else None."""
        attributes = self._written_attributes(thing)
        if is_user_class(type(thing)):
            self._instances.append((thing, attributes))
        if not attributes or not _is_fields_alone(type(thing)):
            return None
        held = {name: value for name, value in state_items(thing) if name not in attributes}
        self.hold([value for name, value in state_items(thing) if name in attributes or "" in attributes])
        return type(thing), {} if "" in attributes else held

    def _written_attributes(self, thing: object) -> set[str]:
        if not is_user_class(type(thing)) or isinstance(thing, type) or not _is_fields_alone(type(thing)):
            return set()
        own = dict(state_items(thing))
        written = {place.name for place in self.written if place.kind == "attribute" and place.owner == id(thing)}
        roots = {id(cls) for cls in type(thing).__mro__}
        for place in self.written:
            if place.kind != "self" or place.owner not in roots:
                continue
            if is_changed_by(own.get(place.name) if place.name else thing, place.by):
                written.add(place.name)
        return written


def _is_fields_alone(cls: type) -> bool:
    """Whether an instance is its attributes: the class neither says itself what counts nor is a container."""
    return not (hasattr(cls, "__milepost_key__") or custom_state(cls) or has_hidden_state(cls))
