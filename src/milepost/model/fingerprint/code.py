"""The fingerprint of code: the parts for a function or class and for everything that it reaches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable

import msgspec

from milepost.model.fingerprint.classes import class_name, find_class
from milepost.model.fingerprint.modules import is_user_module, module_label
from milepost.model.fingerprint.parts import Part
from milepost.model.fingerprint.reach import Reach, VersionOf

__all__ = [
    "CodeParts",
    "class_name",
    "class_parts",
    "code_parts",
    "find_class",
    "is_user_module",
    "module_label",
    "with_texts",
]

_ROUNDS = 20  # each finds at least one more place that is state; real code needs one or two


class CodeParts(msgspec.Struct, frozen=True):
    """What a stage's code depends on.

    `state` names what reached code writes to (not keyed), `unkeyable` says why the stage cannot be reused, `modules`
    are the labels of the user modules reached.
    """

    parts: tuple[Part, ...]
    state: tuple[str, ...] = ()
    unkeyable: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def code_parts(
    function: Callable[..., object], *, skip_defaults: Collection[str] = (), version_of: VersionOf
) -> CodeParts:
    """The parts of a function: "code" for itself, "code:sales.round_up", "global:sales.RATE" … for what it reaches.

    `skip_defaults` names parameters whose values are keyed elsewhere (a stage's decisions). `version_of` gives the
    version of an installed package by its top-level name. Imports user modules that the function would import.

    Example:
        >>> def double(x):
        ...     return 2 * x
        >>> [part.name for part in code_parts(double, version_of=lambda package: None).parts]
        ['code', 'python']
    """
    return _finished(walk(lambda reach: reach.begin(function), version_of, skip_defaults))


def class_parts(cls: type, *, version_of: VersionOf) -> CodeParts:
    """The parts of a class, for those who work with its instances: "class:sales.Row" and what its methods reach."""
    return _finished(walk(lambda reach: reach.reference(cls), version_of))


def with_texts(parts: Iterable[Part], *reached_from: object) -> tuple[Part, ...]:
    """The same parts with their texts, found by walking again from the functions and classes they came from.

    Slow beside planning: it reads and compiles sources. For parts that are about to be stored.
    """
    from milepost.model.fingerprint.source import text_of

    def begin(reach: Reach) -> None:
        for thing in reached_from:
            if isinstance(thing, type):
                reach.reference(thing)
            else:
                reach.begin(thing)

    things = walk(begin, lambda package: None).things
    texts = text_of(things)
    return tuple(
        msgspec.structs.replace(part, text=texts(part)) if part.text is None and part.name in things else part
        for part in parts
    )


def walk(begin: Callable[[Reach], object], version_of: VersionOf, skip_defaults: Collection[str] = ()) -> Reach:
    """Reach until no value was counted that the reached code writes to."""
    reach = Reach(version_of, skip_defaults)
    for _ in range(_ROUNDS):
        begin(reach)
        reach.run()
        if not reach.is_contradictory:
            break
        reach = Reach(version_of, skip_defaults, frozenset(reach.written))
    return reach


def python_part() -> Part:
    """Python's minor version: what its standard library does may change with it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Part("python", "python", version, version)


def _finished(reach: Reach) -> CodeParts:
    return CodeParts(
        parts=(*reach.parts.values(), python_part()),
        state=tuple(reach.state),
        unkeyable=tuple(reach.unkeyable),
        modules=tuple(reach.modules),
    )
