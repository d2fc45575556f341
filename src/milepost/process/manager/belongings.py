"""What a manager has of its own: the methods that its computations call and the attributes that they read, as digests.

A computation's code is its function with all that this reaches, as everywhere; what it takes from `self` is not seen
there, so that is watched while it runs. An attribute that the code that ran writes to is state and does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from types import FunctionType
from typing import NamedTuple

import msgspec

from milepost.errors import UnkeyableError
from milepost.kernel.packages import version_of
from milepost.model.fingerprint.code import CodeParts, class_parts, code_parts, python_part, walk, with_texts
from milepost.model.fingerprint.flow import flow_of
from milepost.model.fingerprint.parts import Part, stage_key
from milepost.model.fingerprint.preview import preview
from milepost.model.fingerprint.reach import Reach
from milepost.model.fingerprint.values import digest
from milepost.model.fingerprint.writes import Place, is_changed_by, is_user_class, self_written
from milepost.model.redaction import MASK, is_secret, redact
from milepost.process.manager import paths

ABSENT = object()
_MADE = frozenset({"__init__", "__new__", "__init_subclass__", "__set_name__", "__del__", "__module__", "__doc__"})
_CALLABLE = (FunctionType, staticmethod, classmethod, property, cached_property)


class Digested(NamedTuple):
    """What one belonging counts as. `problem` says why it has no digest that other processes could know."""

    digest: str
    text: str | None = None
    problem: str | None = None
    held: object = None  # what has no digest: it counts by being this object


def class_attribute(cls: type, name: str) -> object:
    """What a class of the user's has under a name; ABSENT where none has it or ours has it."""
    for root in cls.__mro__:
        if name in vars(root):
            return vars(root)[name] if is_user_class(root) or not _is_ours(root) else ABSENT
    return ABSENT


def _is_ours(cls: type) -> bool:
    return cls is object or cls.__module__.startswith("milepost.")


def is_method(found: object) -> bool:
    """Whether a class's attribute is code that works on the instance."""
    return isinstance(found, _CALLABLE)


def computing_parts(function: Callable[..., object], cls: type) -> CodeParts:
    """The parts of `_compute_stage` itself and of the methods that Python calls without asking for them by name."""
    if str(getattr(function, "__module__", "")).startswith("milepost."):
        return CodeParts(parts=(Part(name="code", kind="code", digest="the decisions themselves"), python_part()))
    code = code_parts(function, version_of=version_of)
    parts = {part.name: part for part in code.parts}
    unkeyable = dict.fromkeys(code.unkeyable)
    for name, special in _special_methods(cls):
        found = code_parts(special, version_of=version_of)
        unkeyable |= dict.fromkeys(found.unkeyable)
        key = stage_key(found.parts)
        parts[f"code:self.{name}"] = Part(name=f"code:self.{name}", kind="code", digest=key)
    return CodeParts(parts=tuple(parts.values()), state=code.state, unkeyable=tuple(unkeyable), modules=code.modules)


def _special_methods(cls: type) -> Iterator[tuple[str, FunctionType]]:
    seen: set[str] = set()
    for root in filter(is_user_class, cls.__mro__):
        for name, thing in vars(root).copy().items():
            is_special = name.startswith("__") and name.endswith("__") and name not in _MADE
            if is_special and name not in seen and isinstance(thing, FunctionType):
                seen.add(name)
                yield name, thing


def method_digest(name: str, found: object) -> Digested:
    """What a method counts as: its code and all that this reaches."""
    try:
        return _digested(f"method {name}", _method_reach(found), type(found).__name__)
    except UnkeyableError as error:
        return Digested("", problem=str(error), held=found)


def method_parts(path: str, found: object, digest: str, *, has_texts: bool) -> list[Part]:
    """The method at `path` in detail, for `why`: its own code under that name, and what it reaches."""
    try:
        parts = tuple(_method_reach(found).parts.values())
    except UnkeyableError:
        parts = ()
    inner = found.func if isinstance(found, cached_property) else getattr(found, "fget", None) or found
    if has_texts and parts:
        parts = with_texts(parts, getattr(inner, "__func__", inner))
    named = [msgspec.structs.replace(part, name=path) if part.name == "code" else part for part in parts]
    if not any(part.name == path for part in named):
        named.append(Part(name=path, kind="code", digest=digest))
    return named


def _method_reach(found: object) -> Reach:
    def begin(reach: Reach) -> None:
        if isinstance(found, FunctionType):
            reach.begin(found)
        else:
            reach.reference(found.func if isinstance(found, cached_property) else found)

    return walk(begin, version_of)


def value_digest(name: str, value: object) -> Digested:
    """What an attribute counts as: its value, and the code of the classes and functions in it."""
    facts: list[str] = []

    def begin(reach: Reach) -> None:
        facts[:] = [reach.kept(value, Place("attribute", 0, name), "global", f"self.{name}")]

    found = _digested(f"self.{name}", walk(begin, version_of), "".join(facts))
    shown = MASK if is_secret(name, value) else redact(preview(value))
    return found._replace(text=shown, held=value if found.problem else None)


def class_digest(cls: type | None) -> Digested:
    """What the whole class counts as; one that is not there any more counts as missing."""
    if cls is None:
        return Digested("missing")
    found = class_parts(cls, version_of=version_of)
    return Digested(stage_key(found.parts), problem="; ".join(found.unkeyable) or None, held=cls)


def _digested(name: str, reach: Reach, fact: str) -> Digested:
    parts = [*reach.parts.values(), Part(name="fact", kind="code", digest=digest(fact).hex())]
    if reach.unkeyable:
        return Digested("", problem=f"{name} has no fingerprint: {'; '.join(reach.unkeyable)}")
    return Digested(stage_key(parts))


def written_attributes(cls: type, methods: list[str], values: dict[str, object]) -> set[str]:
    """The attributes that the code of these methods writes to. `values` are the instance's own."""
    written: set[str] = set()
    for name in methods:
        for function in _functions(class_attribute(cls, name)):
            code = function.__code__
            for write in flow_of(code).writes if code.co_argcount else ():
                if write.kind != "parameter" or write.root != code.co_varnames[0]:
                    continue
                place = self_written(write, cls, is_class=False)
                if place is not None and place.name and is_changed_by(values.get(place.name), place.by):
                    written.add(place.name)
    return written


def _functions(found: object) -> Iterator[FunctionType]:
    inner = [found]
    if isinstance(found, property):
        inner = [found.fget, found.fset, found.fdel]
    elif isinstance(found, cached_property):
        inner = [found.func]
    for one in inner:
        while hasattr(one, "__wrapped__"):
            if isinstance(one, FunctionType):
                yield one
            one = one.__wrapped__
        if isinstance(one, FunctionType):
            yield one


def read_path(cls: type, own: dict[str, object], name: str) -> str | None:
    """The path by which a read of an attribute counts; None for what is ours and counts elsewhere."""
    if name == "__class__":
        return f"{paths.CLASS}:self"
    if name in own:
        return paths.of_manager(paths.VALUE, name)
    found = class_attribute(cls, name)
    if found is ABSENT:
        is_ours = any(name in vars(root) for root in cls.__mro__)
        return None if is_ours else paths.of_manager(paths.VALUE, name)
    return paths.of_manager(paths.CODE if is_method(found) else paths.VALUE, name)
