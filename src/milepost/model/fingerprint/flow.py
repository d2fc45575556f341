"""What a function reads and writes outside itself: one pass over its bytecode with a symbolic stack.

Followed are globals, cells, imports and parameters, through attributes, subscripts and local names that are
assigned once. Not followed: what goes through calls and containers; what goes there is noted as escaping.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import NamedTuple

from milepost.model.fingerprint.bytecode import (
    OP_NAMES,
    Instruction,
    code_digest,
    decode,
    handler_offsets,
    name_index,
)
from milepost.model.fingerprint.effects import COUNTED, ENDS_HERE, FIXED

MUTATORS = frozenset({
    "append", "add", "update", "extend", "setdefault", "pop", "clear", "remove", "discard", "insert",
    "appendleft", "popleft", "extendleft", "rotate", "popitem", "sort", "reverse", "write", "writelines",
    "put", "put_nowait", "get_nowait", "intersection_update", "difference_update",
    "symmetric_difference_update", "move_to_end", "subtract", "fill", "resize",
})  # fmt: skip
ELEMENT = "[]"  # stands in a chain for any subscript
_ATTRIBUTES_ARE_METHODS = sys.version_info >= (3, 12)


class Origin(NamedTuple):
    """Where a value comes from: `root` of `kind`, then attributes. `is_sure` unless it may be something else too."""

    kind: str  # "global", "cell", "parameter", "import"; in writes also "rebound" (a global), "rebound cell", "classes"
    root: str
    chain: tuple[str, ...] = ()
    level: int = 0  # of a relative import
    is_sure: bool = True
    by: str = ""  # of a write: the method called, which may change it or not

    def then(self, attribute: str) -> Origin:
        """An attribute or element of it."""
        return self if self.chain[-1:] == (ELEMENT,) else self._replace(chain=(*self.chain, attribute))


Value = tuple[Origin, ...]
UNKNOWN: Value = ()
CONSTANT = "constant"  # the kind of a text in the code
_HELD = frozenset({"global", "import", "cell"})
_ASKING: tuple[Value, ...] = ((Origin("global", "getattr"),), (Origin("global", "hasattr"),))
_PASSES = 4  # over code that gives names to what other names stand for


class Flow(NamedTuple):
    """What a code object does, and to what."""

    digest: bytes
    reads: tuple[Origin, ...]  # globals and imports with the attributes taken of them, in order
    writes: tuple[Origin, ...]  # what is assigned, mutated or deleted; of kind "classes": that a class is made
    escapes: tuple[Origin, ...]  # what is used otherwise than by asking it for a name: what becomes of it is unknown


_flows: dict[int, tuple[CodeType, Flow]] = {}  # holds the code too, so that its id stays its own


def flow_of(code: CodeType) -> Flow:
    """The flow of `code` and all code inside it, computed once."""
    known = _flows.get(id(code))
    if known is None:
        parameters: dict[str, Value] = {name: (Origin("parameter", name),) for name in parameters_of(code)}
        reads, writes, escapes = _trace(code, {}, parameters)
        flow = Flow(code_digest(code), tuple(reads), tuple(writes), tuple(escapes))
        known = _flows[id(code)] = code, flow
    return known[1]


def parameters_of(code: CodeType) -> tuple[str, ...]:
    """The names of all parameters, stars included."""
    stars = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + stars]


_Origins = dict[Origin, None]


def _trace(
    code: CodeType, cells: Mapping[str, Value], known: Mapping[str, Value]
) -> tuple[_Origins, _Origins, _Origins]:
    """Reads, writes and escapes of `code`; `cells` are what the enclosing functions put into theirs."""
    instructions = _single(decode(code))
    tracer = _Tracer(code, instructions, cells, known)
    tracer.run()
    for _ in range(_PASSES):
        if not tracer.found_aliases:
            break
        tracer = _Tracer(code, instructions, cells, tracer.aliases)
        tracer.run()
    reads, writes, escapes = map(dict.fromkeys, (tracer.reads, tracer.writes, tracer.escapes))
    own_cells = {name: tracer.aliases.get(name, UNKNOWN) for name in code.co_cellvars}
    inside = {**cells, **own_cells}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            more_reads, more_writes, more_escapes = _trace(constant, inside, {})
            reads |= more_reads
            escapes |= more_escapes
            writes |= dict.fromkeys(
                write for write in more_writes if "cell" not in write.kind or write.root not in code.co_cellvars
            )
    return reads, writes, escapes


class _Tracer:
    """One pass over one code object."""

    def __init__(
        self,
        code: CodeType,
        instructions: list[Instruction],
        cells: Mapping[str, Value],
        aliases: Mapping[str, Value],
    ) -> None:
        self.code = code
        self.reads: list[Origin] = []
        self.writes: list[Origin] = []
        self.escapes: list[Origin] = []
        self.aliases = dict(aliases)
        self.found_aliases = False
        self._instructions = instructions
        self._cells = cells
        self._stack: list[Value] = []
        self._at: dict[int, tuple[Value, ...]] = {}  # the stack that a forward jump brings along
        self._locals = code.co_varnames + tuple(name for name in code.co_cellvars if name not in code.co_varnames)
        self._locals += code.co_freevars
        self._parameters = parameters_of(code)
        self._stored = _times_stored(instructions, self._locals)
        for name in self._parameters:
            if name in self.aliases and self._stored.get(name):  # it is not only what was given
                self.aliases[name] = tuple(one for one in self.aliases[name] if one[:2] != ("parameter", name))
        self._handlers = handler_offsets(code)
        self._consts: list[object] = []

    def run(self) -> None:
        """Go through all instructions once."""
        meetings = self._handlers | {target for *_, target in self._instructions if target is not None}
        is_reached, stack = True, self._stack
        for offset, op, arg, target in self._instructions:
            if offset in meetings or not is_reached:
                self._join(offset, is_reached)
            step = _STEPS[op]
            if isinstance(step, tuple):
                if step[0]:
                    if op in _ONLY_LOOKS:
                        del stack[-step[0] :]
                    else:
                        self._spend(step[0])
                if step[1]:
                    stack.append(UNKNOWN)
            elif step is None:
                self._spend(len(stack))
            else:
                step(self, op, arg)
            if target is not None:
                self._note_jump(op, target)
            is_reached = op not in _ENDS_HERE

    def _join(self, offset: int, is_reached: bool) -> None:
        """Where paths meet only that counts in which they agree."""
        brought = self._at.get(offset)
        if brought is None and is_reached and offset not in self._handlers:
            return  # the head of a loop: what jumps back finds the stack as it is
        stack = self._stack
        if brought is None or (is_reached and len(brought) != len(stack)):
            self._escape(brought or ())
            self._spend(len(stack) if is_reached else 0)
            del stack[:]
        elif not is_reached:
            stack[:] = brought
        else:
            pairs = list(zip(stack, brought, strict=True))
            self._escape(one for pair in pairs if pair[0] != pair[1] for one in pair)
            stack[:] = [here if here == there else UNKNOWN for here, there in pairs]

    def _note_jump(self, op: int, target: int) -> None:
        name = OP_NAMES[op]
        if name == "FOR_ITER":
            self._at[target] = tuple(self._stack[:-1])
            self._stack.append(UNKNOWN)
        elif name.startswith("JUMP_IF_"):
            self._at[target] = tuple(self._stack)
            self._take(1)
        elif "BACKWARD" not in name:
            self._at[target] = tuple(self._stack)

    def _take(self, count: int) -> list[Value]:
        """The topmost values, the lowest first; what we forgot is unknown."""
        missing = count - len(self._stack)
        taken = self._stack[-count:]
        del self._stack[-count:]
        return [UNKNOWN] * missing + taken if missing > 0 else taken

    def _spend(self, count: int) -> None:
        """Use the topmost values up: what becomes of them is not followed."""
        if count:
            self._escape(self._stack[-count:])
            del self._stack[-count:]

    def _escape(self, values: Iterable[Value]) -> None:
        self.escapes += [origin for value in values for origin in value if origin.kind in _HELD]

    def counted(self, op: int, arg: int) -> None:
        """An instruction whose argument says how many values it takes."""
        taken, put = COUNTED[OP_NAMES[op]](arg)
        self._spend(taken)
        self._stack += [UNKNOWN] * put

    def call(self, op: int, arg: int) -> None:
        """CALL: `getattr` or `hasattr` of a text in the code asks for a name as a dot does."""
        called = self._stack[-arg - 1 :]
        if arg not in (2, 3) or len(called) <= arg or called[0] not in _ASKING:
            return self.counted(op, arg)
        (name, *more), default = called[2] or (None,), called[3:]
        if name is None or more or name.kind != CONSTANT or name.chain:
            return self.counted(op, arg)
        self._escape(default)
        self._take(arg + 2)
        return self._ask(called[1], name.root)

    def constant(self, op: int, arg: int) -> None:
        """LOAD_CONST, LOAD_SMALL_INT: remembered for imports."""
        value = self.code.co_consts[arg] if OP_NAMES[op] == "LOAD_CONST" else arg
        self._consts = [*self._consts[-1:], value]
        self._stack.append((Origin(CONSTANT, value),) if isinstance(value, str) else UNKNOWN)

    def build_class(self, _op: int, _arg: int) -> None:
        """LOAD_BUILD_CLASS."""
        self.writes.append(Origin("classes", ""))
        self._stack.append(UNKNOWN)

    def _write(self, value: Value, attribute: str | None = None, by: str = "") -> None:
        for origin in value:
            if origin.is_sure:
                written = origin if attribute is None else origin.then(attribute)
                self.writes.append(written._replace(by=by))

    def _name(self, op: int, arg: int) -> str:
        return self.code.co_names[name_index(op, arg)]

    # Loads

    def load_global(self, op: int, arg: int) -> None:
        """LOAD_GLOBAL, LOAD_NAME."""
        origin = Origin("global", self._name(op, arg))
        self.reads.append(origin)
        if OP_NAMES[op] == "LOAD_GLOBAL" and arg & 1:
            self._stack.append(UNKNOWN)
        self._stack.append((origin,))

    def load_local(self, op: int, arg: int) -> None:
        """LOAD_FAST in its variants, LOAD_DEREF, LOAD_CLASSDEREF."""
        name = self._locals[arg]
        if name in self.code.co_freevars:
            self._stack.append(self._cells.get(name, (Origin("cell", name),)))
        else:
            self._stack.append(self.aliases.get(name, UNKNOWN))

    def load_attribute(self, op: int, arg: int) -> None:
        """LOAD_ATTR, LOAD_METHOD."""
        attribute = self._name(op, arg)
        (owner,) = self._take(1)
        is_method = OP_NAMES[op] == "LOAD_METHOD" or (_ATTRIBUTES_ARE_METHODS and arg & 1)
        self._ask(owner, attribute)
        if is_method:
            self._stack.append(UNKNOWN)

    def _ask(self, owner: Value, attribute: str) -> None:
        if attribute in MUTATORS:
            self._write(owner, by=attribute)
        value = tuple(origin.then(attribute) for origin in owner if origin.kind != CONSTANT)
        self.reads += [origin for origin in value if origin.kind in _HELD]
        self._stack.append(value)

    def load_element(self, _op: int, _arg: int) -> None:
        """BINARY_SUBSCR."""
        owner, _key = self._take(2)
        self._stack.append(tuple(origin.then(ELEMENT) for origin in owner))

    def import_name(self, op: int, arg: int) -> None:
        """IMPORT_NAME: with a list of names it gives the module itself, without one its topmost package."""
        self._take(2)
        level, names = self._consts if len(self._consts) == 2 else (0, None)
        path, depth = self._name(op, arg), level if isinstance(level, int) else 0
        self.reads.append(Origin("import", path, (), depth))
        self._stack.append((Origin("import", path if names or depth else path.partition(".")[0], (), depth),))

    def import_from(self, op: int, arg: int) -> None:
        """IMPORT_FROM."""
        owner = self._stack[-1] if self._stack else UNKNOWN
        value = tuple(origin.then(self._name(op, arg)) for origin in owner)
        self.reads += value
        self._stack.append(value)

    # Stores

    def store_local(self, op: int, arg: int) -> None:
        """STORE_FAST, STORE_DEREF."""
        (value,) = self._take(1)
        name = self._locals[arg]
        if name in self.code.co_freevars:
            self.writes.append(Origin("rebound cell", name))
            self._escape((value,))
            return
        is_sure = self._stored.get(name, 0) == 1 and name not in self._parameters
        marked = tuple(
            origin._replace(is_sure=origin.is_sure and is_sure) for origin in value if origin.kind != CONSTANT
        )
        known = self.aliases.get(name, UNKNOWN)
        fresh = tuple(origin for origin in marked if origin not in known)
        if fresh:
            self.aliases[name] = known + fresh
            self.found_aliases = True

    def store_global(self, op: int, arg: int) -> None:
        """STORE_GLOBAL, DELETE_GLOBAL."""
        if OP_NAMES[op] == "STORE_GLOBAL":
            self._spend(1)
        self.writes.append(Origin("rebound", self._name(op, arg)))

    def delete_cell(self, op: int, arg: int) -> None:
        """DELETE_DEREF."""
        name = self._locals[arg]
        if name in self.code.co_freevars:
            self.writes.append(Origin("rebound cell", name))

    def store_attribute(self, op: int, arg: int) -> None:
        """STORE_ATTR, DELETE_ATTR."""
        owner = self._take(1)[0]
        self._write(owner, self._name(op, arg))
        if OP_NAMES[op] == "STORE_ATTR":
            self._spend(1)

    def store_element(self, op: int, arg: int) -> None:
        """STORE_SUBSCR, DELETE_SUBSCR, STORE_SLICE: the container lies below its key."""
        taken = self._take({"STORE_SUBSCR": 3, "DELETE_SUBSCR": 2, "STORE_SLICE": 4}[OP_NAMES[op]])
        self._escape(taken)
        self._write(taken[0] if OP_NAMES[op] == "DELETE_SUBSCR" else taken[1])

    # The stack itself

    def copy(self, op: int, arg: int) -> None:
        """COPY."""
        depth = arg
        self._stack.append(self._stack[-depth] if len(self._stack) >= depth else UNKNOWN)

    def swap(self, op: int, arg: int) -> None:
        """SWAP."""
        depth = arg
        if len(self._stack) < depth:
            self._stack = [UNKNOWN] * (depth - len(self._stack)) + self._stack
        self._stack[-1], self._stack[-depth] = self._stack[-depth], self._stack[-1]


# Two instructions on local names in one.
_PAIRS = {
    opcode.opmap[name]: (opcode.opmap[first], opcode.opmap[second])
    for name, first, second in (
        ("LOAD_FAST_LOAD_FAST", "LOAD_FAST", "LOAD_FAST"),
        ("LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_FAST", "LOAD_FAST"),
        ("STORE_FAST_LOAD_FAST", "STORE_FAST", "LOAD_FAST"),
        ("STORE_FAST_STORE_FAST", "STORE_FAST", "STORE_FAST"),
    )
    if name in opcode.opmap
}


def _single(instructions: list[Instruction]) -> list[Instruction]:
    """The same instructions with pairs taken apart."""
    if not _PAIRS:
        return instructions
    apart: list[Instruction] = []
    for instruction in instructions:
        offset, op, arg, _ = instruction
        pair = _PAIRS.get(op)
        apart += [instruction] if pair is None else [(offset, pair[0], arg >> 4, None), (-1, pair[1], arg & 15, None)]
    return apart


def _times_stored(instructions: list[Instruction], names: tuple[str, ...]) -> dict[str, int]:
    """How often each local name is assigned or deleted."""
    counts: dict[str, int] = {}
    for _, op, arg, _ in instructions:
        if op in _STORES:
            counts[names[arg]] = counts.get(names[arg], 0) + 1
    return counts


_STORES = frozenset(opcode.opmap[name] for name in ("STORE_FAST", "DELETE_FAST", "STORE_DEREF", "DELETE_DEREF"))
_ONLY_LOOKS = frozenset(
    op for op, name in enumerate(OP_NAMES) if name in ("POP_TOP", "IS_OP") or name[:8] == "POP_JUMP"
)
_ENDS_HERE = frozenset(opcode.opmap[name] for name in ENDS_HERE if name in opcode.opmap)
_HANDLERS = {
    "LOAD_GLOBAL": _Tracer.load_global,
    "LOAD_NAME": _Tracer.load_global,
    "LOAD_FAST": _Tracer.load_local,
    "LOAD_FAST_CHECK": _Tracer.load_local,
    "LOAD_FAST_BORROW": _Tracer.load_local,
    "LOAD_FAST_AND_CLEAR": _Tracer.load_local,
    "LOAD_DEREF": _Tracer.load_local,
    "LOAD_CLASSDEREF": _Tracer.load_local,
    "LOAD_ATTR": _Tracer.load_attribute,
    "LOAD_METHOD": _Tracer.load_attribute,
    "BINARY_SUBSCR": _Tracer.load_element,
    "IMPORT_NAME": _Tracer.import_name,
    "IMPORT_FROM": _Tracer.import_from,
    "STORE_FAST": _Tracer.store_local,
    "STORE_DEREF": _Tracer.store_local,
    "STORE_GLOBAL": _Tracer.store_global,
    "DELETE_GLOBAL": _Tracer.store_global,
    "DELETE_DEREF": _Tracer.delete_cell,
    "STORE_ATTR": _Tracer.store_attribute,
    "DELETE_ATTR": _Tracer.store_attribute,
    "STORE_SUBSCR": _Tracer.store_element,
    "DELETE_SUBSCR": _Tracer.store_element,
    "STORE_SLICE": _Tracer.store_element,
    "COPY": _Tracer.copy,
    "SWAP": _Tracer.swap,
    "LOAD_CONST": _Tracer.constant,
    "LOAD_SMALL_INT": _Tracer.constant,
    "LOAD_BUILD_CLASS": _Tracer.build_class,
    **dict.fromkeys(COUNTED, _Tracer.counted),
    "CALL": _Tracer.call,
}
_STEPS = tuple(_HANDLERS.get(name) or FIXED.get(name) for name in OP_NAMES)
