"""What an edit of the user's code changes in a fingerprint, and what it does not."""
# ruff: noqa: E501 - one case, one line

from __future__ import annotations

import textwrap

import pytest

SALES = '''
import helpers
from helpers import round_up

RATE = 0.25
NAMES = ["a", "b"]


def tax(amount, base=1):
    """The tax."""
    return amount * RATE + base


class Row:
    limit = 3

    def __init__(self, value):
        self.value = value

    def doubled(self):
        return 2 * self.value


def scaled(factor):
    def scale(x):
        return factor * x
    return scale


scale = scaled(3)


def stage(orders, threshold: float = 0.75, kinds={"x", "y"}):
    """Clean the orders."""
    # a comment
    total = 0
    for order in orders:
        if order in ("a", "b") or order in {"p", "q", "r"}:
            total += tax(order) + Row(order).doubled() + scale(order)
    return round_up(total) + helpers.lower(total), NAMES
'''
HELPERS = """
def round_up(x):
    return int(x) + 1

def lower(x):
    return deep(x) - 1

def deep(x):
    return x

def unused(x):
    return x
"""


@pytest.fixture
def sales(world):
    world.write(helpers=HELPERS)
    return world


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Clean the orders."""', '"""Clean them."""'),
        ('    """Clean the orders."""\n', ""),
        ('"""The tax."""', '"""Another."""\n    # and more'),
        ("# a comment", "# another comment\n\n"),
        ("RATE = 0.25", "# moved\n\n\nRATE = 0.25"),
        ("total += tax(order) + Row", "total += (\n                tax(order)) + Row"),
        ("    limit = 3", '    """A row."""\n\n    limit = 3'),
        ("return 2 * self.value", '"Twice."\n        return 2 * self.value'),
        ('NAMES = ["a", "b"]', 'NAMES = ["a"] + ["b"]\nUNUSED = 7'),
    ],
)
def test_what_cannot_change_a_result_changes_no_part(sales, old, new):
    """Comments, docstrings, blank lines, line breaks and names that are not used do not count."""
    assert sales.edit(SALES, old, new) == set()


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("total = 0", "total = 1", "code"),
        ("total = 0", "total = 0.0", "code"),
        ("total = 0", "total = False", "code"),
        ("total = 0", "total = '0'", "code"),
        ('{"p", "q", "r"}', '{"p", "q", "s"}', "code"),
        ('in ("a", "b")', 'in ("b", "a")', "code"),
        ("threshold: float", "threshold: int", "code"),
        ("amount * RATE + base", "amount * RATE - base", "code:sales.tax"),
        ("base=1", "base=2", "default:sales.tax.base"),
        ('kinds={"x", "y"}', 'kinds={"x"}', "default:kinds"),
        ("RATE = 0.25", "RATE = 0.5", "global:sales.RATE"),
        ('NAMES = ["a", "b"]', 'NAMES = ["b", "a"]', "global:sales.NAMES"),
        ("limit = 3", "limit = 4", "class:sales.Row"),
        ("2 * self.value", "3 * self.value", "class:sales.Row"),
        ("scaled(3)", "scaled(4)", "closure:sales.scaled.<locals>.scale.factor"),
        ("factor * x", "factor + x", "code:sales.scaled.<locals>.scale"),
    ],
)
def test_an_edit_changes_exactly_the_part_it_belongs_to(sales, old, new, part):
    """Whatever can change a result counts, and `why` can say which it was."""
    assert sales.edit(SALES, old, new) == {part}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("int(x) + 1", "int(x) + 2", {"code:helpers.round_up"}),
        ("    return x\n\ndef unused", "    return -x\n\ndef unused", {"code:helpers.deep"}),
        ("def unused(x):\n    return x", "def unused(x):\n    return 7", set()),
    ],
)
def test_helpers_in_other_modules_count_as_deep_as_they_are_reached(sales, old, new, changed):
    """A helper of a helper counts, through `from` imports and through `module.name`; one that is not used does not."""
    sales.write(sales=SALES)
    assert sales.changed({"helpers": HELPERS}, {"helpers": HELPERS.replace(old, new)}) == changed


def test_the_names_of_stage_and_process_do_not_count(world):
    """A stage that is renamed is reused, and so is a decorated one, whose function carries its name too."""
    source = """
    import functools

    def timed(function):
        @functools.wraps(function)
        def timing(*args):
            return function(*args)
        return timing

    @timed
    def stage(x, rate=2):
        class Local:
            "A class of its own."
            y = 1
        return [a for a in x], Local, lambda z: stage
    """
    source = textwrap.dedent(source)
    assert len(world.key(sales=source)) == 35
    renamed = source.replace("def stage", "def renamed").replace("lambda z: stage", "lambda z: renamed")
    names = {part.name for part in world.parts().parts}
    assert {"code", "code:__wrapped__", "default:__wrapped__.rate"} <= names
    plain = "def stage(x):\n    class Local:\n        y = 1\n    return Local"
    world.write(sales=renamed + "\nstage = renamed\n")
    assert not any("renamed" in part.name for part in world.parts().parts)
    assert world.key(sales=plain) == world.key(sales=plain.replace("def stage", "def other") + "\nstage = other")


def test_defaults_of_decisions_are_keyed_elsewhere(world):
    """The default of a decision parameter does not count: the decision's value does."""
    source = "def stage(x, threshold=0.75, *, limit=3):\n    return x\n"
    world.write(sales=source)
    names = {part.name for part in world.parts(skip_defaults={"threshold"}).parts}
    assert names == {"code", "default:limit", "python"}


def test_a_name_that_comes_to_stand_for_something_else_counts(world):
    """Swapping two helpers, or one imported function for another, changes the code that uses them."""
    source = "from math import floor as cut\ndef a(x): return 1\ndef b(x): return 2\nf, g = a, b\ndef stage(x): return f(x) - g(cut(x))\n"
    assert world.edit(source, "f, g = a, b", "f, g = b, a") == {"code"}
    assert world.edit(source, "floor as cut", "ceil as cut") == {"code"}
    third = "from numpy import min as cut\ndef stage(x): return cut(x)\n"
    assert world.edit(third, "min as", "max as") == {"code"}


def test_a_builtin_that_is_replaced_counts(world):
    """A global that hides a builtin of the same name is another function."""
    assert "code:sales.sum" in world.edit(
        "def stage(x): return sum(x)\n", "def stage", "def sum(x): return 7\ndef stage"
    )


@pytest.mark.parametrize(
    ("source", "old", "new", "part"),
    [
        ("f = lambda x: x + 1; g = lambda x: x + 2\ndef stage(x): return f(x) * g(x)", "x + 2", "x + 3", "code:sales.<lambda>#2"),
        ("f, g = (lambda x: x), (lambda x: 1)\ndef stage(x): return g(x)", "lambda x: 1", "lambda x: 2", "code:sales.<lambda>"),
        ("import functools\ndef f(a, b): return a\np = functools.partial(f, 1)\ndef stage(x): return p(x)", "(f, 1)", "(f, 2)", "global:sales.p"),
        ("import functools\ndef f(a, b): return a\np = functools.partial(f, 1)\ndef stage(x): return p(x)", "return a", "return b", "code:sales.f"),
        ("import functools\n@functools.lru_cache\ndef f(a): return a\ndef stage(x): return f(x)", "return a", "return -a", "code:sales.f"),
        ("class A:\n    def m(self): return 1\nm = A().m\ndef stage(x): return m()", "return 1", "return 2", "class:sales.A"),
        ("class A:\n    def __init__(self, v): self.v = v\n    def m(self): return self.v\nm = A(1).m\ndef stage(x): return m()", "A(1)", "A(2)", "code"),
        ("class A:\n    @classmethod\n    def m(cls): return 1\ndef stage(x): return A.m()", "return 1", "return 2", "class:sales.A"),
        ("class A:\n    @staticmethod\n    def m(): return 1\ndef stage(x): return A.m()", "return 1", "return 2", "class:sales.A"),
        ("class A:\n    @property\n    def m(self): return 1\ndef stage(x): return A().m", "return 1", "return 2", "class:sales.A"),
        ("from functools import cached_property\nclass A:\n    @cached_property\n    def m(self): return 1\ndef stage(x): return A().m", "return 1", "return 2", "class:sales.A"),
        ("class B:\n    def m(self): return 1\nclass A(B):\n    def n(self): return self.m()\ndef stage(x): return A().n()", "return 1", "return 2", "class:sales.B"),
        ("class M(type):\n    def m(cls): return 1\nclass A(metaclass=M): pass\ndef stage(x): return A.m()", "return 1", "return 2", "class:sales.M"),
        ("class A:\n    class B:\n        x = 1\ndef stage(x): return A.B.x", "x = 1", "x = 2", "class:sales.A.B"),
        ("class A:\n    def __call__(self, x): return 1\na = A()\ndef stage(x): return a(x)", "return 1", "return 2", "class:sales.A"),
        ("class A:\n    def __init__(self, v): self.v = v\na = A(1)\ndef stage(x): return a.v", "A(1)", "A(2)", "global:sales.a"),
        ("class A:\n    def m(self): return 1\nrows = [{'x': (A(),)}]\ndef stage(x): return rows[0]", "return 1", "return 2", "class:sales.A"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    v: int = 1\ndef stage(x): return A()", "= 1", "= 2", "class:sales.A"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    v: int = 1\ndef stage(x): return A()", "v: int", "v: float", "class:sales.A"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    v: int = 1\ndef stage(x): return A()", "@dataclass", "@dataclass(frozen=True)", "class:sales.A"),
        ("from dataclasses import dataclass, field\n@dataclass\nclass A:\n    v: list = field(default_factory=list)\ndef stage(x): return A()", "default_factory=list", "default_factory=dict", "class:sales.A"),
        ("from enum import Enum\nclass A(Enum):\n    X = 1\n    Y = 2\ndef stage(x): return A.X", "Y = 2", "Y = 3", "class:sales.A"),
        ("import msgspec\nclass A(msgspec.Struct):\n    v: int = 1\ndef stage(x): return A()", "= 1", "= 2", "class:sales.A"),
        ("from typing import NamedTuple\nclass A(NamedTuple):\n    v: int = 1\ndef stage(x): return A()", "= 1", "= 2", "class:sales.A"),
        ("from pydantic import BaseModel, Field\nclass A(BaseModel):\n    v: int = Field(1, ge=0)\ndef stage(x): return A()", "ge=0", "ge=1", "class:sales.A"),
        ("from pydantic import BaseModel, field_validator\nclass A(BaseModel):\n    v: int = 1\n    @field_validator('v')\n    def check(cls, v): return v\ndef stage(x): return A()", "return v", "return -v", "class:sales.A"),
        ("class A:\n    v = 1\ndef f(x: A): return x\ndef stage(x): return f(x)", "v = 1", "v = 2", "class:sales.A"),
        ("from __future__ import annotations\nclass A:\n    v = 1\ndef stage(x: list[A] | None): return x", "v = 1", "v = 2", "class:sales.A"),
        ("from typing import Annotated\ndef stage(x: Annotated[int, 'low']): return x", "'low'", "'high'", "code"),
        ("from typing import Literal\ndef stage(x: Literal[1]): return x", "Literal[1]", "Literal[True]", "code"),
        ("async def f(x): return 1\nasync def stage(x): return await f(x)", "return 1", "return 2", "code:sales.f"),
        ("def f(x):\n    yield 1\ndef stage(x): return list(f(x))", "yield 1", "yield 2", "code:sales.f"),
        ("def f(x): return 1\ndef stage(x): return [[f(y) for y in z] for z in x]", "return 1", "return 2", "code:sales.f"),
        ("def even(x): return odd(x - 1)\ndef odd(x): return even(x - 1)\ndef stage(x): return even(x)", "even(x - 1)", "even(x - 2)", "code:sales.odd"),
        ("ns = {}\nexec('def f(x): return 1', ns)\nf = ns['f']\ndef stage(x): return f(x)", "return 1", "return 2", "code:exec.f"),
        ("import contextlib\n@contextlib.contextmanager\ndef f():\n    yield 1\ndef stage(x):\n    with f() as y: return y", "yield 1", "yield 2", "code:sales.f"),
        ("import functools\n@functools.singledispatch\ndef f(x): return 0\n@f.register\ndef _(x: int): return 1\ndef stage(x): return f(x)", "return 1", "return 2", "code:sales._"),
        ("import re\np = re.compile('a')\ndef stage(x): return p.match(x)", "'a'", "'b'", "global:sales.p"),
        ("def f(x): return 1\nclass A:\n    @staticmethod\n    def m(): return f(1)\ndef stage(x, a=A): return a.m()", "return 1", "return 2", "code:sales.f"),
        ("def f(x): return x\nf.rate = 1\ndef stage(x): return f.rate", "rate = 1", "rate = 2", "global:sales.f.rate"),
        ("def f(x): return 1\nTABLE = {'f': f}\ndef stage(x): return TABLE['f'](x)", "return 1", "return 2", "code:sales.f"),
        ("import numpy as np\ndef f(x): return 1\nv = np.vectorize(f)\ndef stage(x): return v(x)", "return 1", "return 2", "code:sales.f"),
    ],
)  # fmt: skip
def test_code_of_every_form_counts(world, source, old, new, part):
    """Methods, closures, partials, lambdas, decorated and nested functions, classes of every make, code from exec."""
    world.write(sales=source)
    assert world.parts().unkeyable == ()
    assert world.edit(source, old, new) == {part}


def test_a_decorators_own_code_and_what_it_wraps_count(world):
    """Of a decorated helper both the wrapper and the function inside count, and what the decorator was given."""
    source = (
        "import functools\ndef times(n):\n    def decorate(f):\n        @functools.wraps(f)\n        def wrapper(*a):\n"
        "            return n * f(*a)\n        return wrapper\n    return decorate\n"
        "@times(2)\ndef helper(x): return x + 1\ndef stage(x): return helper(x)\n"
    )
    assert world.edit(source, "n * f(*a)", "n + f(*a)") == {"code:sales.helper"}
    assert world.edit(source, "x + 1", "x + 2") == {"code:sales.helper#2"}
    assert world.edit(source, "@times(2)", "@times(3)") == {"closure:sales.helper.n"}


def test_a_stage_that_calls_another_stages_function(world):
    """The function of another stage counts as a helper; what its decorator was told does not."""
    source = (
        "from milepost import stage as made\n@made(workers=2)\ndef first(x): return 1\ndef stage(x): return first(x)\n"
    )
    assert world.edit(source, "return 1", "return 2") == {"code:sales.first"}
    assert world.edit(source, "workers=2", "workers=3, retries=4") == set()


def test_one_long_list_of_constants_moves_nothing(world):
    """A constant more or less, beyond the 256 that one byte can number, changes only the code that has it."""
    body = "".join(f"    x = x + {1000 + n}\n" for n in range(300))
    source = f"def stage(x):\n    while x:\n{body.replace('    x', '        x')}    return x\n"
    assert world.edit(source, "def stage(x):\n", 'def stage(x):\n    "A docstring is a constant too."\n') == set()
    assert world.edit(source, "x + 1299", "x + 1298") == {"code"}


@pytest.mark.parametrize(
    ("one", "other"), [("0.0", "-0.0"), ("1", "True"), ("1", "1.0"), ("b'a'", "'a'"), ("(1,)", "(True,)"), ("...", "None"), ("1j", "1.0"), ("-0.0j", "0.0j"), ("x in {1}", "x in {True}")]
)  # fmt: skip
def test_constants_count_with_their_type(world, one, other):
    """1, True and 1.0 are three constants, and so are 0.0 and -0.0."""
    assert world.key(sales=f"def stage(x): return {one}") != world.key(sales=f"def stage(x): return {other}")
