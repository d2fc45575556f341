"""What a code object does, as bytes: the same for the same instructions wherever and under whatever name they stand.

Left out: names of functions, file names, line numbers, docstrings, the order of constants, padding and caches of the
interpreter. Jumps and the exception table point at instructions, not at offsets: what is left out moves nothing.
"""

from __future__ import annotations

import opcode
import struct
import sys
from collections.abc import Iterator
from itertools import pairwise
from types import CodeType

from xxhash import xxh3_128_digest

_CACHE = opcode.opmap.get("CACHE", 0)
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
_NOP = opcode.opmap["NOP"]
_JUMPS = frozenset(opcode.hasjrel)
OP_NAMES = tuple(opcode.opname)
_BARE, _PLAIN, _CONSTANT, _NAME = range(4)
_KINDS = tuple(
    _CONSTANT if op in opcode.hasconst else _NAME if op in opcode.hasname else _PLAIN if op >= opcode.HAVE_ARGUMENT
    else _BARE
    for op in range(len(OP_NAMES))
)  # fmt: skip
_IS_FUNCTION = 0x02
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


# Where a jump to it points, the operation, its argument, the offset that it may jump to.
Instruction = tuple[int, int, int, int | None]


def decode(code: CodeType) -> list[Instruction]:
    """The instructions, without caches and prefixes."""
    raw = code.co_code
    found: list[Instruction] = []
    start, arg, end = 0, 0, len(raw)
    for offset in range(0, end, 2):
        op = raw[offset]
        if op == _CACHE:
            if not arg:  # behind its instruction, before the next
                start = offset + 2
            continue
        arg = arg << 8 | raw[offset + 1]
        if op == _EXTENDED:
            continue
        if op in _JUMPS:
            after = offset + 2
            while after < end and raw[after] == _CACHE:
                after += 2
            found.append((start, op, arg, _target(op, arg, after)))
        else:
            found.append((start, op, arg, None))
        start, arg = offset + 2, 0
    return found


def _target(op: int, arg: int, after: int) -> int:
    name = OP_NAMES[op]
    return after - 2 * arg if "BACKWARD" in name or name == "END_ASYNC_FOR" else after + 2 * arg


def name_index(op: int, arg: int) -> int:
    """Which of the code's names an instruction uses."""
    return arg >> _NAME_SHIFT.get(op, 0)


def code_digest(code: CodeType, instructions: list[Instruction] | None = None) -> bytes:
    """16 bytes that are equal for code that does the same by the same instructions."""
    instructions = decode(code) if instructions is None else instructions
    kept, position = _kept(code, instructions)
    body, names = _header(code), [constant(name) for name in code.co_names]
    for _, op, arg, target in kept:
        kind = _KINDS[op]
        if kind == _CONSTANT:
            body += b"%c" % op + constant(code.co_consts[arg])
        elif kind == _NAME:
            shift = _NAME_SHIFT.get(op, 0)
            body += b"%c%c" % (op, arg & (1 << shift) - 1) + names[arg >> shift]
        else:
            number = arg if target is None else position.get(target, len(kept))
            body += struct.pack(">BI", op, number if kind != _BARE else 0)
    for start, end, target, depth in _exceptions(code):
        places = [position.get(offset, len(kept)) for offset in (start, end, target)]
        if places[0] != places[1]:  # a stretch that guards nothing but padding is none
            body += b"\xffx" + struct.pack(">4I", *places, depth)
    return xxh3_128_digest(body)


def _kept(code: CodeType, instructions: list[Instruction]) -> tuple[list[Instruction], dict[int, int]]:
    """The instructions that count, and for each offset which of them stands there or next."""
    dropped = _about_the_text(code, instructions) if not code.co_flags & _IS_FUNCTION else frozenset()
    kept: list[Instruction] = []
    position = {}
    for instruction in instructions:
        position[instruction[0]] = len(kept)
        if instruction[1] != _NOP and instruction[0] not in dropped:
            kept.append(instruction)
    return kept, position


def _about_the_text(code: CodeType, instructions: list[Instruction]) -> frozenset[int]:
    """Where the body of a class sets its docstring, qualified name and line."""
    dropped = set()
    for before, (offset, op, arg, _) in pairwise(instructions):
        if op == _STORE_NAME and code.co_names[arg] in _ABOUT_THE_TEXT:
            dropped |= {offset, before[0]} if before[1] in _MADE_OF_NOTHING else {offset}
    return frozenset(dropped)


def _header(code: CodeType) -> bytearray:
    counts = (
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _MEANT_FLAGS,
    )  # fmt: skip
    return bytearray(struct.pack(">4I", *counts)) + constant((code.co_varnames, code.co_cellvars, code.co_freevars))


def constant(value: object) -> bytes:
    """A constant of the compiler with its type: 1, True, 1.0 and "1" differ, and so do 0.0 and -0.0."""
    kind = type(value)
    if kind is str:
        return _sized(b"s", value.encode("utf-8", "surrogatepass"))  # type: ignore[attr-defined]
    if value is None or kind is bool or value is Ellipsis:
        return _sized(b"k", repr(value).encode())
    if kind is int:
        return _sized(b"i", format(value, "x").encode())
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
    for _, op, arg, target in _kept(code, decode(code))[0]:
        shown = "" if target is not None else _argument_text(code, op, arg)
        lines.append(f"{pad}{OP_NAMES[op]} {shown}".rstrip())
    nested = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return "\n".join([*lines, *(listing(inner, depth + 1) for inner in nested)])


def _argument_text(code: CodeType, op: int, arg: int) -> str:
    kind = _KINDS[op]
    if kind == _CONSTANT:
        value = code.co_consts[arg]
        return "<code>" if isinstance(value, CodeType) else repr(value)
    if kind == _NAME:
        return code.co_names[name_index(op, arg)]
    return "" if kind == _BARE else str(arg)
