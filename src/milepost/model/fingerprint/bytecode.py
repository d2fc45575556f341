"""What a code object does, as bytes: the same for the same instructions wherever and under whatever name they stand.

Left out: names of functions, file names, line numbers, docstrings, the order of constants, padding and caches of the
interpreter. Jumps and the exception table point at instructions, not at offsets, so that what is left out moves nothing.
"""

from __future__ import annotations

import opcode
import struct
import sys
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from xxhash import xxh3_128_digest

_CACHE = opcode.opmap.get("CACHE", 0)
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
_NOP = opcode.opmap["NOP"]
_CONSTANTS = frozenset(opcode.hasconst)
_NAMES = frozenset(opcode.hasname)
_JUMPS = frozenset(opcode.hasjrel)
_NO_ARGUMENT = opcode.HAVE_ARGUMENT
_NAMES_OF = tuple(opcode.opname)
# Generators, coroutines and star arguments are what a function is; the other flags say how it was compiled.
_MEANT_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
# How many low bits of an argument are no part of the index of the name.
_NAME_SHIFT = {opcode.opmap["LOAD_GLOBAL"]: 1}
if sys.version_info >= (3, 12):
    _NAME_SHIFT |= {opcode.opmap["LOAD_ATTR"]: 1, opcode.opmap["LOAD_SUPER_ATTR"]: 2}
# What a class body says about where it stands; `__doc__` too counts for nothing.
_ABOUT_THE_TEXT = frozenset({"__doc__", "__qualname__", "__firstlineno__", "__static_attributes__"})
_STORE_NAME = opcode.opmap["STORE_NAME"]
_MADE_OF_NOTHING = frozenset(
    opcode.opmap[name] for name in ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_CONST_IMMORTAL") if name in opcode.opmap
)


class Instruction(NamedTuple):
    """One instruction. `offset` is where a jump to it points, `target` the offset that it may jump to."""

    offset: int
    op: int
    arg: int
    target: int | None

    @property
    def name(self) -> str:
        """What the interpreter calls it."""
        return _NAMES_OF[self.op]


def decode(code: CodeType) -> list[Instruction]:
    """The instructions, without caches and prefixes."""
    raw, end = code.co_code, len(code.co_code)
    found, offset, start, arg = [], 0, 0, 0
    while offset < end:
        op, arg = raw[offset], arg << 8 | raw[offset + 1]
        offset += 2
        if op == _EXTENDED:
            continue
        while offset < end and raw[offset] == _CACHE:
            offset += 2
        target = _target(op, arg, offset) if op in _JUMPS else None
        found.append(Instruction(start, op, arg, target))
        start, arg = offset, 0
    return found


def _target(op: int, arg: int, after: int) -> int:
    name = _NAMES_OF[op]
    return after - 2 * arg if "BACKWARD" in name or name == "END_ASYNC_FOR" else after + 2 * arg


def name_of(code: CodeType, instruction: Instruction) -> str:
    """The name that an instruction uses."""
    return code.co_names[instruction.arg >> _NAME_SHIFT.get(instruction.op, 0)]


def code_digest(code: CodeType) -> bytes:
    """16 bytes that are equal for code that does the same by the same instructions."""
    kept = _kept(code, decode(code))
    body = bytearray(_header(code))
    position: dict[int, int] = {}
    count = 0
    for instruction, is_kept in kept:
        position[instruction.offset] = count
        count += is_kept
    for instruction, is_kept in kept:
        if is_kept:
            body += _encoded(code, instruction, position)
    for start, end, target, depth in _exceptions(code):
        places = [position.get(offset, count) for offset in (start, end, target)]
        if places[0] != places[1]:  # a stretch that guards nothing but padding is none
            body += b"x" + struct.pack(">4I", *places, depth)
    return xxh3_128_digest(body)


def _kept(code: CodeType, instructions: list[Instruction]) -> list[tuple[Instruction, bool]]:
    kept = [instruction.op != _NOP for instruction in instructions]
    if not code.co_flags & 0x02:  # the body of a class
        for place, instruction in enumerate(instructions[1:]):
            if instruction.op == _STORE_NAME and code.co_names[instruction.arg] in _ABOUT_THE_TEXT:
                kept[place + 1] = False
                kept[place] = kept[place] and instructions[place].op not in _MADE_OF_NOTHING
    return list(zip(instructions, kept, strict=True))


def _header(code: CodeType) -> bytes:
    counts = (
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _MEANT_FLAGS,
    )  # fmt: skip
    return struct.pack(">4I", *counts) + constant((code.co_varnames, code.co_cellvars, code.co_freevars))


def _encoded(code: CodeType, instruction: Instruction, position: dict[int, int]) -> bytes:
    op, arg = instruction.op, instruction.arg
    head = op.to_bytes(2, "big")
    if op < _NO_ARGUMENT:
        return head + b"-"
    if op in _CONSTANTS:
        return head + b"c" + constant(code.co_consts[arg])
    if op in _NAMES:
        shift = _NAME_SHIFT.get(op, 0)
        return head + b"n%d" % (arg & (1 << shift) - 1) + constant(code.co_names[arg >> shift])
    if instruction.target is not None:
        return head + b"j%d;" % position.get(instruction.target, -1)
    return head + b"a%d;" % arg


def constant(value: object) -> bytes:
    """A constant of the compiler with its type: 1, True, 1.0 and "1" differ, and so do 0.0 and -0.0."""
    kind = type(value)
    if kind is str:
        return _sized(b"s", value.encode("utf-8", "surrogatepass"))  # type: ignore[attr-defined]
    if value is None or kind is bool or value is Ellipsis:
        return _sized(b"k", repr(value).encode())
    if kind is int:
        return _sized(b"i", b"%x" % value)  # type: ignore[operator]
    if kind is bytes:
        return _sized(b"b", value)  # type: ignore[arg-type]
    if kind is CodeType:
        return b"C" + code_digest(value)  # type: ignore[arg-type]
    return _compound(value)


def _compound(value: object) -> bytes:
    if isinstance(value, float):
        return b"f" + struct.pack(">d", value)
    if isinstance(value, complex):
        return b"z" + struct.pack(">2d", value.real, value.imag)
    if isinstance(value, tuple):
        return b"(%d;" % len(value) + b"".join(map(constant, value))
    if isinstance(value, frozenset):
        return b"{%d;" % len(value) + b"".join(sorted(map(constant, value)))
    if isinstance(value, slice):
        return b":" + b"".join(map(constant, (value.start, value.stop, value.step)))
    raise TypeError(f"the compiler made a constant of type {type(value).__name__}, which we do not know")


def _sized(tag: bytes, raw: bytes) -> bytes:
    return tag + b"%d;" % len(raw) + raw


def _exceptions(code: CodeType) -> Iterator[tuple[int, int, int, int]]:
    """Start, end, handler (offsets) and depth of each guarded stretch."""
    numbers = _varints(code.co_exceptiontable)
    for start, length, target, depth in zip(numbers, numbers, numbers, numbers, strict=True):
        yield 2 * start, 2 * (start + length), 2 * target, depth


def _varints(table: bytes) -> Iterator[int]:
    number = 0
    for byte in table:
        number = number << 6 | byte & 63
        if not byte & 64:
            yield number
            number = 0


def handler_offsets(code: CodeType) -> frozenset[int]:
    """Where exception handlers begin."""
    return frozenset(target for _, _, target, _ in _exceptions(code)) if code.co_exceptiontable else frozenset()


def listing(code: CodeType, depth: int = 0) -> str:
    """The instructions as text: what `why` shows when the source is not at hand."""
    lines, pad = [f"{'    ' * depth}({', '.join(code.co_varnames)})"], "    " * (depth + 1)
    for instruction, is_kept in _kept(code, decode(code)):
        if is_kept:
            lines.append(f"{pad}{instruction.name} {_argument_text(code, instruction)}".rstrip())
    nested = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return "\n".join([*lines, *(listing(inner, depth + 1) for inner in nested)])


def _argument_text(code: CodeType, instruction: Instruction) -> str:
    if instruction.op < _NO_ARGUMENT or instruction.target is not None:
        return ""
    if instruction.op in _CONSTANTS:
        value = code.co_consts[instruction.arg]
        return "<code>" if isinstance(value, CodeType) else repr(value)
    return name_of(code, instruction) if instruction.op in _NAMES else str(instruction.arg)
