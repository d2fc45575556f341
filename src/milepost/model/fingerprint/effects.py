"""How many values each instruction takes from the interpreter's stack and puts back, as far as we need to follow it.

An instruction that is not named here makes us forget the whole stack: what we then miss is a write, never a read.
"""

from __future__ import annotations

from collections.abc import Callable

Effect = Callable[[int], tuple[int, int]]

_FIXED = {
    (0, 0): "NOP RESUME PRECALL KW_NAMES MAKE_CELL COPY_FREE_VARS SETUP_ANNOTATIONS CACHE JUMP_FORWARD JUMP_BACKWARD "
    "JUMP_BACKWARD_NO_INTERRUPT DELETE_FAST DELETE_NAME DELETE_GLOBAL DELETE_DEREF GEN_START NOT_TAKEN RETURN_CONST "
    "ASYNC_GEN_WRAP",
    (0, 1): "LOAD_BUILD_CLASS LOAD_ASSERTION_ERROR LOAD_CLOSURE LOAD_LOCALS PUSH_NULL "
    "RETURN_GENERATOR LOAD_COMMON_CONSTANT",
    (1, 0): "POP_TOP STORE_NAME RETURN_VALUE LIST_APPEND SET_ADD LIST_EXTEND SET_UPDATE DICT_UPDATE DICT_MERGE "
    "POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_TRUE "
    "POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_TRUE "
    "POP_JUMP_BACKWARD_IF_FALSE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE END_FOR POP_ITER",
    (1, 1): "UNARY_POSITIVE UNARY_NEGATIVE UNARY_NOT UNARY_INVERT LIST_TO_TUPLE GET_ITER GET_AITER GET_YIELD_FROM_ITER "
    "GET_AWAITABLE YIELD_VALUE FORMAT_SIMPLE CONVERT_VALUE CALL_INTRINSIC_1 TO_BOOL",
    (2, 0): "MAP_ADD",
    (
        2,
        1,
    ): "BINARY_OP COMPARE_OP IS_OP CONTAINS_OP IMPORT_NAME FORMAT_WITH_SPEC CALL_INTRINSIC_2 SET_FUNCTION_ATTRIBUTE",
    (3, 1): "BINARY_SLICE",
}
COUNTED: dict[str, Effect] = {
    "BEFORE_WITH": lambda _: (1, 2),
    "BEFORE_ASYNC_WITH": lambda _: (1, 2),
    "GET_LEN": lambda _: (1, 2),
    "BUILD_TUPLE": lambda count: (count, 1),
    "BUILD_LIST": lambda count: (count, 1),
    "BUILD_SET": lambda count: (count, 1),
    "BUILD_STRING": lambda count: (count, 1),
    "BUILD_SLICE": lambda count: (count, 1),
    "BUILD_MAP": lambda count: (2 * count, 1),
    "BUILD_CONST_KEY_MAP": lambda count: (count + 1, 1),
    "CALL": lambda count: (count + 2, 1),
    "CALL_KW": lambda count: (count + 3, 1),
    "CALL_FUNCTION_EX": lambda flags: (3 + (flags & 1), 1),
    "FORMAT_VALUE": lambda flags: (2 if flags & 4 else 1, 1),
    "MAKE_FUNCTION": lambda flags: (1 + flags.bit_count(), 1),
    "UNPACK_SEQUENCE": lambda count: (1, count),
    "UNPACK_EX": lambda counts: (1, (counts & 0xFF) + (counts >> 8) + 1),
    "LOAD_SUPER_ATTR": lambda flags: (3, 1 + (flags & 1)),
}


FIXED: dict[str, tuple[int, int]] = {
    name: counts for counts, names in _FIXED.items() for name in names.split()
} | dict.fromkeys(("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP", "FOR_ITER"), (0, 0))  # they depend on the way taken
ENDS_HERE = frozenset({
    "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "RETURN_VALUE", "RETURN_CONST",
    "RAISE_VARARGS", "RERAISE",
})  # fmt: skip
