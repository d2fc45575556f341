"""What a function reads and writes outside itself: one pass over its bytecode with a symbolic stack.

Followed are globals, cells, imports and the first argument, through attributes, subscripts and local names that are
assigned once. Not followed: what goes through calls, containers and names that are assigned several times.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType
from typing import NamedTuple

from milepost.model.fingerprint.bytecode import Instruction, code_digest, decode, handler_offsets, name_of
from milepost.model.fingerprint.effects import EFFECTS, ENDS_HERE

MUTATORS = frozenset(
    "append add update extend setdefault pop clear remove discard insert appendleft popleft extendleft rotate popitem "
    "sort reverse write writelines put put_nowait get_nowait intersection_update difference_update "
    "symmetric_difference_update move_to_end subtract fill resize".split()
)
ELEMENT = "[]"  # stands in a chain for any subscript
_NEW_OBJECT = ("__init__", "__new__", "__post_init__", "__setstate__", "__init_subclass__", "__set_name__")


class Origin(NamedTuple):
    """Where a value comes from: `root` of `kind`, then attributes. `is_sure` unless it may be something else too."""

    kind: str  # "global", "cell", "self", "import"
    root: str
    chain: tuple[str, ...] = ()
    level: int = 0  # of a relative import
    is_sure: bool = True

    def then(self, attribute: str) -> Origin:
        """An attribute or element of it."""
        return self if self.chain[-1:] == (ELEMENT,) else self._replace(chain=(*self.chain, attribute))


Value = tuple[Origin, ...]
UNKNOWN: Value = ()


class Flow(NamedTuple):
    """What a code object does, and to what."""

    digest: bytes
    reads: tuple[Origin, ...]  # globals and imports with the attributes taken of them, in order
    writes: tuple[Origin, ...]  # what is assigned, mutated or deleted
    cells: tuple[str, ...]  # free variables


_flows: dict[int, tuple[CodeType, Flow]] = {}  # holds the code too, so that its id stays its own


def flow_of(code: CodeType) -> Flow:
    """The flow of `code` and all code inside it, computed once."""
    known = _flows.get(id(code))
    if known is None:
        reads, writes = _trace(code, {})
        flow = Flow(code_digest(code), reads, writes, code.co_freevars)
        known = _flows[id(code)] = code, flow
    return known[1]


def _trace(code: CodeType, cells: Mapping[str, Value]) -> tuple[tuple[Origin, ...], tuple[Origin, ...]]:
    """Reads and writes of `code`; `cells` are what the enclosing functions put into theirs."""
    instructions = decode(code)
    tracer = _Tracer(code, instructions, cells)
    tracer.run()
    if tracer.found_aliases:
        tracer = _Tracer(code, instructions, cells, tracer.aliases)
        tracer.run()
    reads, writes = dict.fromkeys(tracer.reads), dict.fromkeys(tracer.writes)
    own_cells = {name: tracer.aliases.get(name, UNKNOWN) for name in code.co_cellvars}
    inside = {**cells, **own_cells}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            more_reads, more_writes = _trace(constant, inside)
            reads |= dict.fromkeys(more_reads)
            writes |= dict.fromkeys(
                write for write in more_writes if write.kind != "cell" or write.root not in code.co_cellvars
            )
    return tuple(reads), tuple(writes)


class _Tracer:
    """One pass over one code object."""

    def __init__(
        self,
        code: CodeType,
        instructions: list[Instruction],
        cells: Mapping[str, Value],
        aliases: Mapping[str, Value] | None = None,
    ) -> None:
        self.code = code
        self.reads: list[Origin] = []
        self.writes: list[Origin] = []
        self.aliases: dict[str, Value] = dict(aliases or {})
        self.found_aliases = False
        self._instructions = instructions
        self._cells = cells
        self._stack: list[Value] = []
        self._at: dict[int, tuple[Value, ...]] = {}  # the stack that a forward jump brings along
        self._locals = code.co_varnames + tuple(name for name in code.co_cellvars if name not in code.co_varnames)
        self._locals += code.co_freevars
        self._stored = _times_stored(instructions, self._locals)
        self._consts: list[object] = []
        self._name_self()

    def _name_self(self) -> None:
        code = self.code
        if code.co_argcount and code.co_name not in _NEW_OBJECT and "." in code.co_qualname:
            name = code.co_varnames[0]
            if not self._stored.get(name):
                self.aliases[name] = (Origin("self", name),)

    def run(self) -> None:
        """Go through all instructions once."""
        handlers = handler_offsets(self.code)
        targets = {instruction.target for instruction in self._instructions if instruction.target is not None}
        is_reached = True
        for instruction in self._instructions:
            if instruction.offset in handlers:
                self._stack = []
            elif instruction.offset in targets:
                self._join(instruction.offset, is_reached)
            elif not is_reached:
                self._stack = []
            name = instruction.name
            self._step(name, instruction)
            is_reached = name not in ENDS_HERE
            if name == "LOAD_CONST":
                self._consts = [*self._consts[-1:], self.code.co_consts[instruction.arg]]
            elif name == "LOAD_SMALL_INT":
                self._consts = [*self._consts[-1:], instruction.arg]

    def _join(self, offset: int, is_reached: bool) -> None:
        brought = self._at.get(offset)
        if brought is None:
            return  # the head of a loop: what jumps back finds the stack as it is
        if not is_reached:
            self._stack = list(brought)
        elif len(brought) == len(self._stack):
            self._stack = [
                here if here == there else UNKNOWN for here, there in zip(self._stack, brought, strict=True)
            ]
        else:
            self._stack = []

    def _step(self, name: str, instruction: Instruction) -> None:
        handle = _HANDLERS.get(name)
        if handle is not None:
            handle(self, instruction)
        elif name in EFFECTS:
            taken, put = EFFECTS[name](instruction.arg)
            self._take(taken)
            self._stack += [UNKNOWN] * put
        elif name not in ("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP", "FOR_ITER"):
            self._stack = []
        if instruction.target is not None:
            self._note_jump(name, instruction)

    def _note_jump(self, name: str, instruction: Instruction) -> None:
        if name == "FOR_ITER":
            self._at[instruction.target or 0] = tuple(self._stack[:-1])
            self._stack.append(UNKNOWN)
        elif name.startswith("JUMP_IF_"):
            self._at[instruction.target or 0] = tuple(self._stack)
            self._take(1)
        elif "BACKWARD" not in name:
            self._at[instruction.target or 0] = tuple(self._stack)

    def _take(self, count: int) -> list[Value]:
        """The topmost values, the lowest first; what we forgot is unknown."""
        if count == 0:
            return []
        missing = max(0, count - len(self._stack))
        taken = [UNKNOWN] * missing + self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _write(self, value: Value, attribute: str | None = None) -> None:
        for origin in value:
            if origin.is_sure:
                self.writes.append(origin if attribute is None else origin.then(attribute))

    # Loads

    def load_global(self, instruction: Instruction) -> None:
        """LOAD_GLOBAL, LOAD_NAME."""
        origin = Origin("global", name_of(self.code, instruction))
        self.reads.append(origin)
        if instruction.name == "LOAD_GLOBAL" and instruction.arg & 1:
            self._stack.append(UNKNOWN)
        self._stack.append((origin,))

    def load_local(self, instruction: Instruction) -> None:
        """LOAD_FAST in its variants, LOAD_DEREF, LOAD_CLASSDEREF."""
        name = self._locals[instruction.arg]
        if name in self.code.co_freevars:
            self._stack.append(self._cells.get(name, (Origin("cell", name),)))
        else:
            self._stack.append(self.aliases.get(name, UNKNOWN))

    def load_attribute(self, instruction: Instruction) -> None:
        """LOAD_ATTR, LOAD_METHOD."""
        attribute = name_of(self.code, instruction)
        (owner,) = self._take(1)
        is_method = instruction.name == "LOAD_METHOD" or (
            self.code.co_names[instruction.arg : instruction.arg + 1] != (attribute,) and instruction.arg & 1
        )
        if attribute in MUTATORS:
            self._write(owner)
        value = tuple(origin.then(attribute) for origin in owner)
        self.reads += [origin for origin in value if origin.kind in ("global", "import", "cell")]
        self._stack.append(value)
        if is_method:
            self._stack.append(UNKNOWN)

    def load_element(self, _: Instruction) -> None:
        """BINARY_SUBSCR."""
        owner, _key = self._take(2)
        self._stack.append(tuple(origin.then(ELEMENT) for origin in owner))

    def import_name(self, instruction: Instruction) -> None:
        """IMPORT_NAME: with a list of names it gives the module itself, without one its topmost package."""
        self._take(2)
        level, names = self._consts if len(self._consts) == 2 else (0, None)
        path, depth = name_of(self.code, instruction), level if isinstance(level, int) else 0
        self.reads.append(Origin("import", path, (), depth))
        self._stack.append((Origin("import", path if names or depth else path.partition(".")[0], (), depth),))

    def import_from(self, instruction: Instruction) -> None:
        """IMPORT_FROM."""
        owner = self._stack[-1] if self._stack else UNKNOWN
        value = tuple(origin.then(name_of(self.code, instruction)) for origin in owner)
        self.reads += value
        self._stack.append(value)

    # Stores

    def store_local(self, instruction: Instruction) -> None:
        """STORE_FAST, STORE_DEREF."""
        (value,) = self._take(1)
        name = self._locals[instruction.arg]
        if name in self.code.co_freevars:
            self.writes.append(Origin("cell", name))
            return
        is_sure = self._stored.get(name, 0) == 1 and name not in self._parameters()
        marked = tuple(origin._replace(is_sure=origin.is_sure and is_sure) for origin in value)
        known = self.aliases.get(name, UNKNOWN)
        fresh = tuple(origin for origin in marked if origin not in known)
        if fresh:
            self.aliases[name] = known + fresh
            self.found_aliases = True

    def _parameters(self) -> tuple[str, ...]:
        code = self.code
        stars = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + stars]

    def store_global(self, instruction: Instruction) -> None:
        """STORE_GLOBAL, DELETE_GLOBAL."""
        if instruction.name == "STORE_GLOBAL":
            self._take(1)
        self.writes.append(Origin("global", name_of(self.code, instruction)))

    def delete_cell(self, instruction: Instruction) -> None:
        """DELETE_DEREF."""
        name = self._locals[instruction.arg]
        if name in self.code.co_freevars:
            self.writes.append(Origin("cell", name))

    def store_attribute(self, instruction: Instruction) -> None:
        """STORE_ATTR, DELETE_ATTR."""
        owner = self._take(1)[0]
        self._write(owner, name_of(self.code, instruction))
        if instruction.name == "STORE_ATTR":
            self._take(1)

    def store_element(self, instruction: Instruction) -> None:
        """STORE_SUBSCR, DELETE_SUBSCR, STORE_SLICE: the container lies below its key."""
        taken = self._take({"STORE_SUBSCR": 3, "DELETE_SUBSCR": 2, "STORE_SLICE": 4}[instruction.name])
        self._write(taken[0] if instruction.name == "DELETE_SUBSCR" else taken[1])

    # The stack itself

    def copy(self, instruction: Instruction) -> None:
        """COPY."""
        depth = instruction.arg
        self._stack.append(self._stack[-depth] if len(self._stack) >= depth else UNKNOWN)

    def swap(self, instruction: Instruction) -> None:
        """SWAP."""
        depth = instruction.arg
        if len(self._stack) < depth:
            self._stack = [UNKNOWN] * (depth - len(self._stack)) + self._stack
        self._stack[-1], self._stack[-depth] = self._stack[-depth], self._stack[-1]


def _times_stored(instructions: list[Instruction], names: tuple[str, ...]) -> dict[str, int]:
    """How often each local name is assigned or deleted."""
    counts: dict[str, int] = {}
    for instruction in instructions:
        if instruction.name in ("STORE_FAST", "DELETE_FAST", "STORE_DEREF", "DELETE_DEREF"):
            name = names[instruction.arg]
            counts[name] = counts.get(name, 0) + 1
        elif instruction.name in ("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST", "STORE_FAST_MAYBE_NULL"):
            for place in (instruction.arg >> 4, instruction.arg & 15):
                counts[names[place]] = counts.get(names[place], 0) + 2  # rarely an alias: not followed
    return counts


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
}
