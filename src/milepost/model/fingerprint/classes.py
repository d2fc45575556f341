"""What a user's class is: bases, methods, attributes by value, declared fields; and which classes a value holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cached_property, partialmethod
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING

from milepost.errors import UnkeyableError
from milepost.model.fingerprint.annotations import annotation_facts
from milepost.model.fingerprint.fields import declared_fields
from milepost.model.fingerprint.flow import flow_of
from milepost.model.fingerprint.functions import function_facts
from milepost.model.fingerprint.modules import is_standard, is_user_globals, module_label
from milepost.model.fingerprint.wrappers import is_code
from milepost.model.fingerprint.writes import Place, is_harmless, is_user_class, self_written

if TYPE_CHECKING:
    from milepost.model.fingerprint.reach import Reach

# Dunder attributes that are data of the user's; the others are made by Python or by what made the class.
_MEANT = frozenset({"__slots__", "__match_args__", "__hash__"})
_MADE_FILES = ("<string>", "<attrs generated")  # where dataclasses and attrs say their methods come from
_DESCRIPTORS = (MemberDescriptorType, GetSetDescriptorType)
# While an object is being made its attributes are no state.
_MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__setstate__", "__init_subclass__", "__set_name__"})
_HOOKS = frozenset({"__init_subclass__", "__set_name__"})
_METACLASS_HOOKS = _HOOKS | {"__new__", "__init__", "__prepare__"}
_PLAIN = frozenset({int, float, str, bytes, bool, complex, type(None), bytearray, range, slice})
_DEPTH = 20
_STATE = "state"


def class_facts(reach: Reach, cls: type, name: str) -> list[str]:
    """Everything that an instance's behaviour comes from. `name` is that of the class's part."""
    facts = [f"base {reach.reference(base)}" for base in cls.__bases__]
    if type(cls) is not type:
        facts.append(f"metaclass {reach.reference(type(cls))}")
    own = vars(cls)
    annotations = own.get("__annotations__")
    if isinstance(annotations, Mapping):
        facts += annotation_facts(reach, annotations, namespace_of(cls))
    members = own.get("_member_map_")
    is_made = "__dataclass_fields__" in own or "__attrs_attrs__" in own or isinstance(own.get("_fields"), tuple)
    for field, value in declared_fields(cls):
        facts.append(f"field {field}={_attribute(reach, cls, name, field, value)}")
    for attribute in sorted(own):
        if members is not None and (attribute in members or _is_sunder(attribute)):
            continue
        value = own[attribute]
        if is_made and _is_made(value):
            continue
        if _counts(attribute, value):
            fact = _attribute(reach, cls, name, attribute, value)
            if fact is not _STATE:  # what is only made while the code runs must not count by being there
                facts.append(f"{attribute}={fact}")
    return facts


def _is_sunder(name: str) -> bool:
    return name.startswith("_") and name.endswith("_") and not name.startswith("__")


def _is_made(value: object) -> bool:
    """Whether a method was written by what made the class, out of fields that we count."""
    function = getattr(value, "__func__", value)
    function = getattr(function, "__wrapped__", function)
    if not isinstance(function, FunctionType):
        return type(value).__name__ == "_tuplegetter"
    made_by = str(function.__globals__.get("__name__"))
    return function.__code__.co_filename.startswith(_MADE_FILES) or made_by.startswith("namedtuple_")


def _counts(attribute: str, value: object) -> bool:
    if isinstance(value, _DESCRIPTORS) or attribute == "_abc_impl":
        return False
    is_dunder = attribute.startswith("__") and attribute.endswith("__")
    is_method = isinstance(value, FunctionType | classmethod | staticmethod | property)
    return not is_dunder or is_method or attribute in _MEANT


def _attribute(reach: Reach, cls: type, name: str, attribute: str, value: object) -> str:
    if isinstance(value, FunctionType) and is_user_globals(value.__globals__):
        return _method(reach, cls, name, attribute, value, is_class=False)
    if isinstance(value, staticmethod | classmethod):
        inner = value.__func__
        if isinstance(inner, FunctionType) and is_user_globals(inner.__globals__):
            is_class = isinstance(value, classmethod)
            return f"{type(value).__name__} " + _method(reach, cls, name, attribute, inner, is_class=is_class)
    inner_functions = _functions_in(value)
    if inner_functions is not None:
        facts = [_attribute(reach, cls, name, f"{attribute}.{role}", one) for role, one in inner_functions]
        return f"{type(value).__name__}({','.join(facts)})"
    return _data(reach, cls, name, attribute, value)


def _functions_in(value: object) -> list[tuple[str, object]] | None:
    if isinstance(value, property):
        roles = (("fget", value.fget), ("fset", value.fset), ("fdel", value.fdel))
        return [(role, one) for role, one in roles if one is not None]
    if isinstance(value, cached_property | partialmethod):
        found: list[tuple[str, object]] = [("func", value.func)]
        if isinstance(value, partialmethod):
            found += [("args", value.args), ("keywords", value.keywords)]
        return found
    return None


def _method(reach: Reach, cls: type, name: str, attribute: str, function: FunctionType, *, is_class: bool) -> str:
    code = function.__code__
    if code.co_argcount and code.co_name not in _MAKERS:
        for write in flow_of(code).writes:
            if write.kind == "parameter" and write.root == code.co_varnames[0]:
                place = self_written(write, cls, is_class=is_class)
                if place is not None:
                    reach.written.add(place)
    is_hook = attribute in (_METACLASS_HOOKS if issubclass(cls, type) else _HOOKS)
    facts = function_facts(reach, function, f"{name}.{attribute}", is_hook=is_hook)
    if "__subclasses__" in code.co_names:
        facts.append(reach.subclasses(cls))
    return "(" + ";".join(f"{len(fact)}:{fact}" for fact in facts) + ")"


def _data(reach: Reach, cls: type, name: str, attribute: str, value: object) -> str:
    place = Place("attribute", id(cls), attribute)
    label = f"{name.replace(':', ' ')}.{attribute}"
    harmless = is_harmless(value) if type(value) not in _PLAIN else None
    if place in reach.written or harmless:
        reach.state[label + (f" (a {harmless})" if harmless else "")] = None
        reach.hold(value)
        return _STATE
    reach.counted.add(place)
    try:
        return reach.reference(value) if is_code(value) else reach.value(value)
    except UnkeyableError as error:
        reach.unkeyable[f"{label}: {error}"] = None
        return "unkeyable"


def namespace_of(cls: type) -> dict[str, object]:
    """The globals that a class's methods see; those of its module when it has none."""
    for value in vars(cls).copy().values():  # another thread may add to it, as to copy an instance does
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType) and function.__module__ == cls.__module__ and not _is_made(function):
            return function.__globals__
    module = sys.modules.get(cls.__module__)
    return _unknown.setdefault(cls.__module__, {"__name__": cls.__module__}) if module is None else vars(module)


_unknown: dict[str, dict[str, object]] = {}


def classes_in(value: object) -> list[type]:
    """The classes, other than Python's, of which `value` holds instances, in the order they are met."""
    found: dict[type, None] = {}
    _collect(value, found, set(), 0)
    return list(found)


def _collect(value: object, found: dict[type, None], seen: set[int], depth: int) -> None:
    cls = type(value)
    if cls in _PLAIN or depth > _DEPTH or id(value) in seen:
        return
    seen.add(id(value))
    if not isinstance(value, type) and cls not in found and not _is_pythons(cls):
        found[cls] = None
    if is_user_class(cls):
        _collect_all(list(held_by(value)), found, seen, depth)
    if isinstance(value, dict):
        _collect_all(list(value.keys()), found, seen, depth)
        _collect_all(list(value.values()), found, seen, depth)
    elif isinstance(value, list | tuple):
        _collect_all(value, found, seen, depth)
    elif isinstance(value, set | frozenset):  # its own order is none: one of each class, by name
        some = {type(element): element for element in value}
        _collect_all([some[one] for one in sorted(some, key=str)], found, seen, depth)


def _is_pythons(cls: type) -> bool:
    return not is_user_class(cls) and is_standard(str(cls.__module__))


def _collect_all(
    values: list[object] | tuple[object, ...], found: dict[type, None], seen: set[int], depth: int
) -> None:
    if _PLAIN.issuperset(map(type, values)):
        return
    for value in values:
        if type(value) not in _PLAIN:
            _collect(value, found, seen, depth + 1)


def held_by(value: object) -> Iterator[object]:
    """What the attributes of an instance are."""
    yield from list(getattr(value, "__dict__", {}).values())
    for root in type(value).__mro__:
        for name in vars(root).get("__slots__", ()) if "__slots__" in vars(root) else ():
            yield getattr(value, name, None)
    for name in getattr(type(value), "__struct_fields__", ()):
        yield getattr(value, name, None)


def class_name(cls: type) -> str:
    """How stored values name a class: "module:qualname".

    Example:
        >>> class_name(dict)
        'builtins:dict'
    """
    return f"{module_label(cls.__module__)}:{cls.__qualname__}"


def find_class(name: str) -> type | None:
    """The class that `class_name` named, if its module is loaded: what stored data name is never imported."""
    module, _, qualname = name.partition(":")
    candidates = [module] if module_label(module) == module else []
    if module_label("__main__") == module:
        candidates.insert(0, "__main__")
    for candidate in candidates or [known for known in sys.modules.copy() if known.startswith(f"{module}__")]:
        found: object = sys.modules.get(candidate)
        for step in qualname.split("."):
            found = getattr(found, step, None)
        if isinstance(found, type):
            return found
    return None
