"""Whether an attribute of `self` is looked at, or only added to: a counter raised, a list appended to."""

from __future__ import annotations

from types import CodeType, FrameType

from milepost.model.fingerprint.bytecode import OP_NAMES, decode, name_index

_ADDS = frozenset({"append", "extend", "add", "update", "appendleft", "extendleft", "write", "writelines", "clear"})
_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_GROWING = frozenset({int, float, bool, complex, str, list, set, tuple, bytes})
_PLAIN = ("builtins", "collections", "_io")
_AUGMENTED = "+="
_MANY = 10_000

_known: dict[tuple[int, int], tuple[CodeType, str]] = {}  # holds the code too, so that its id stays its own


def is_only_added_to(frame: FrameType | None, value: object) -> bool:
    """Whether the instruction at hand of `frame` reads an attribute for nothing but adding to it.

    That is `self.seen.append(…)` and its like on the everyday containers, and `self.count += …`.
    """
    if frame is None:
        return False
    place = id(frame.f_code), frame.f_lasti
    known = _known.get(place)
    if known is None:
        if len(_known) >= _MANY:
            _known.clear()  # a program that makes code as it goes
        known = _known[place] = frame.f_code, _use(frame.f_code, frame.f_lasti)
    use = known[1]
    if use == _AUGMENTED:
        return type(value) in _GROWING
    return use in _ADDS and type(value).__module__ in _PLAIN and hasattr(value, use)


def _use(code: CodeType, position: int) -> str:
    """What becomes of an attribute that is loaded: "+=", the name that it is asked for, or ""."""
    instructions = decode(code)
    at = next((place for place, one in enumerate(instructions) if one[0] > position), len(instructions)) - 1
    if at < 1 or OP_NAMES[instructions[at][1]] not in _LOADS:
        return ""
    if OP_NAMES[instructions[at - 1][1]] == "COPY":
        return _AUGMENTED
    if at + 1 == len(instructions) or OP_NAMES[instructions[at + 1][1]] not in _LOADS:
        return ""
    _, op, arg, _ = instructions[at + 1]
    return code.co_names[name_index(op, arg)]
