"""The texts of parts, for `why` to show: source that is proven to be that of the code that ran, previews of values.

A source file may have been edited since it was imported. So it is compiled again, and its text is taken only where
that gives the very code that runs; else its instructions are shown.
"""

from __future__ import annotations

import ast
import linecache
import os
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import NamedTuple

from milepost.model.fingerprint.bytecode import code_digest, listing
from milepost.model.fingerprint.parts import Part
from milepost.model.fingerprint.preview import preview
from milepost.model.redaction import MASK, is_secret

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class _File(NamedTuple):
    """A source file as it is now."""

    lines: list[str]
    tree: ast.Module
    codes: dict[str, list[CodeType]]  # all code objects by qualified name


def text_of(things: Mapping[str, object]) -> Callable[[Part], str]:
    """What gives the text of a part; `things` are the functions, classes and values by the names of their parts."""
    files: dict[str, _File | None] = {}
    return lambda part: _text(things[part.name], part, files)


def _text(thing: object, part: Part, files: dict[str, _File | None]) -> str:
    if isinstance(thing, FunctionType):
        return _function_text(thing.__code__, files)
    if isinstance(thing, type) and part.kind == "class":
        return _class_text(thing, files)
    return MASK if is_secret(part.name.rpartition(".")[2], thing) else preview(thing)


def _function_text(code: CodeType, files: dict[str, _File | None]) -> str:
    file = _file(code.co_filename, files)
    same = _same_code(code, file) if file is not None else None
    if file is None or same is None:
        return "# instructions: the source is not at hand, or no longer that of this code\n" + listing(code)
    nodes = [node for node in ast.walk(file.tree) if isinstance(node, _Definition) and _is_of(node, same)]
    return _lines_of(nodes[0], file.lines) if nodes else listing(code)


def _file(name: str, files: dict[str, _File | None]) -> _File | None:
    if name not in files:
        linecache.checkcache(name)
        lines = linecache.getlines(name)
        try:
            with _parsing:
                tree = ast.parse("".join(lines))
            codes: dict[str, list[CodeType]] = {}
            for code in _codes(compile("".join(lines), name, "exec", dont_inherit=True)):
                codes.setdefault(code.co_qualname, []).append(code)
            files[name] = _File(lines, tree, codes) if lines else None
        except (SyntaxError, ValueError, RecursionError, SystemError):
            files[name] = None
    return files[name]


_parsing = threading.Lock()  # of two threads that parse at once Python refuses one by a SystemError (CPython 106905)


def _after_fork_in_child() -> None:
    global _parsing
    _parsing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _same_code(code: CodeType, file: _File) -> CodeType | None:
    """The code of the file as it is now that does what `code` does; of several the one on the nearest line."""
    wanted = code_digest(code)
    same = [other for other in file.codes.get(code.co_qualname, ()) if code_digest(other) == wanted]
    return min(same, key=lambda other: abs(other.co_firstlineno - code.co_firstlineno), default=None)


def _is_of(node: _Definition, code: CodeType) -> bool:
    """Whether a definition in the tree is the one that this code was compiled from."""
    if not isinstance(node, ast.Lambda):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        return node.name == code.co_name and first == code.co_firstlineno
    if code.co_name != "<lambda>":
        return False
    places = [(line, column) for line, _, column, _ in code.co_positions() if line and column]
    start = (node.body.lineno, node.body.col_offset)
    return min(places, default=None) == start


def _lines_of(node: _Definition | ast.ClassDef, lines: list[str]) -> str:
    if isinstance(node, ast.Lambda):
        return ast.get_source_segment("".join(lines), node) or ast.unparse(node)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip("\n") + "\n"


def _class_text(cls: type, files: dict[str, _File | None]) -> str:
    """The source of a class when all its methods are still those of the file; else what it holds."""
    methods = [code for code in map(_code_of, vars(cls).copy().values()) if code is not None and _is_from(code, cls)]
    file = _file(methods[0].co_filename, files) if methods else None
    if file is not None and all(_same_code(code, file) is not None for code in methods):
        lines = {code.co_firstlineno for code in (_same_code(method, file) for method in methods) if code is not None}
        for node in ast.walk(file.tree):
            if not isinstance(node, ast.ClassDef) or node.name != cls.__name__:
                continue
            if node.lineno < min(lines) and max(lines) <= (node.end_lineno or 0):
                return _lines_of(node, file.lines)
    return _contents(cls, files)


def _code_of(value: object) -> CodeType | None:
    function = getattr(value, "fget", None) or getattr(value, "__func__", None) or getattr(value, "func", None) or value
    return function.__code__ if isinstance(function, FunctionType) else None


def _is_from(code: CodeType, cls: type) -> bool:
    return code.co_qualname.startswith(f"{cls.__qualname__}.")


def _contents(cls: type, files: dict[str, _File | None]) -> str:
    """A class as it is in memory: its attributes, annotations and methods."""
    lines = [f"class {cls.__qualname__}({', '.join(base.__qualname__ for base in cls.__bases__)}):"]
    for name, kind in (vars(cls).get("__annotations__") or {}).items():
        lines.append(f"    {name}: {kind if isinstance(kind, str) else getattr(kind, '__qualname__', repr(kind))}")
    for name, value in vars(cls).copy().items():
        code = _code_of(value)
        if code is not None:
            lines.append(textwrap.indent(_function_text(code, files), "    ").rstrip())
        elif not name.startswith("__"):
            lines.append(f"    {name} = {preview(value)}")
    return "\n".join(lines) + "\n"
