"""What reached code writes to is state, what has no fingerprint is said, what belongs to others counts by version."""
# ruff: noqa: E501 - one case, one line

from __future__ import annotations

import pytest

from milepost.model.fingerprint.code import code_parts


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("N = 0\ndef stage(x):\n    global N\n    N += 1\n    return N", "global sales.N"),
        ("N = 0\ndef count():\n    global N\n    N += 1\ndef stage(x):\n    count()\n    return N", "global sales.N"),
        ("C = {}\ndef stage(x):\n    C[x] = 1\n    return C", "global sales.C"),
        ("C = {}\ndef stage(x):\n    C[x if x else 0] += 1\n    return C", "global sales.C"),
        ("C = {}\ndef stage(x):\n    del C[x]\n    return C", "global sales.C"),
        ("C = {}\ndef stage(x):\n    C.setdefault(x, []).append(1)\n    return C", "global sales.C"),
        ("C = {}\ndef stage(x):\n    C[x].append(1)\n    return C", "global sales.C"),
        ("C = []\ndef stage(x):\n    for y in x:\n        if y:\n            C.append(y)\n    return C", "global sales.C"),
        ("C = []\ndef stage(x):\n    kept = C\n    kept.append(x)\n    return C", "global sales.C"),
        ("C = []\ndef stage(x):\n    return [C.append(y) for y in x]", "global sales.C"),
        ("C = [1]\ndef stage(x):\n    C[0:1] = [x]\n    return C", "global sales.C"),
        ("import other\ndef stage(x):\n    other.C[x] = 1\n    other.N = 2\n    return other.N", "global other.N"),
        ("def stage(x):\n    import other\n    other.C[x] = 1\n    return other.C", "global other.C"),
        ("class A: n = 0\nA1 = A()\ndef stage(x):\n    A.n += 1\n    return A1.n", "class sales.A.n"),
        ("class A:\n    n = 0\n    @classmethod\n    def up(cls): cls.n += 1\ndef stage(x):\n    A.up()\n    return A.n", "class sales.A.n"),
        ("class A:\n    def __init__(self): self.n, self.m = 0, 1\n    def up(self): self.n += 1\na = A()\ndef stage(x):\n    a.up()\n    return a.m", "global sales.a.n"),
        ("class A:\n    def __init__(self): self.n = [1]\n    def up(self): self.n.append(2)\na = A()\ndef stage(x): return a.up()", "global sales.a.n"),
        ("class A: pass\na = A()\na.n = 0\ndef stage(x):\n    a.n += 1\n    return a", "global sales.a.n"),
        ("def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    return up\nstage = make()", "closure n"),
        ("def make():\n    seen = []\n    def up(x):\n        seen.append(x)\n        return seen\n    return up\nf = make()\ndef stage(x): return f(x)", "closure sales.make.<locals>.up.seen"),
        ("def f(x, seen={}):\n    seen[x] = 1\n    return seen\ndef stage(x): return f(x)", "default sales.f.seen"),
        ("import logging\nlog = logging.getLogger('x')\ndef stage(x): log.info(x)", "global sales.log (a Logger)"),
        ("import threading\nL = threading.Lock()\ndef stage(x):\n    with L: return x", "global sales.L (a lock)"),
        ("import contextvars\nV = contextvars.ContextVar('v')\ndef stage(x): return V.get()", "global sales.V (a ContextVar)"),
    ],
)  # fmt: skip
def test_what_reached_code_writes_to_is_state(world, source, state):
    """A global, closure or attribute that the reached code itself changes is not keyed, and that is said."""
    world.write(other="C, N = {}, 0", sales=source)
    found = world.parts()
    assert state in found.state
    assert found.unkeyable == ()
    kind, _, name = state.partition(" ")
    assert f"{kind}:{name}" not in {part.name for part in found.parts}


@pytest.mark.parametrize(
    ("source", "old", "new", "changed"),
    [
        ("C = {'a': 1}\ndef stage(x):\n    c = C\n    c = dict(c)\n    c[x] = 1\n    return c", "'a': 1", "'a': 2", "global:sales.C"),
        ("C = {'a': 1}\ndef stage(x):\n    C.get(x).append(1)\n    return sorted(C)", "'a': 1", "'a': 2", "global:sales.C"),
        ("import pandas as pd\nD = pd.DataFrame({'a': [1]})\ndef stage(x): return D.add(x).sort_index()", "[1]", "[2]", "global:sales.D"),
        ("import polars as pl\nD = pl.DataFrame({'a': [1]})\ndef stage(x): return D.sort('a').update(x)", "[1]", "[2]", "global:sales.D"),
        ("class A:\n    def __init__(self): self.n, self.m = 0, 1\n    def up(self): self.n += 1\na = A()\ndef stage(x):\n    a.up()\n    return a.m", "0, 1", "0, 2", "class:sales.A"),
        ("class A:\n    def __init__(self, m): self.n, self.m = 0, m\n    def up(self): self.n += 1\na = A(1)\ndef stage(x):\n    a.up()\n    return a.m", "A(1)", "A(2)", "global:sales.a"),
        ("class A:\n    def __init__(self, m): self.m = m\n    def update(self): return self.m\na = A(1)\ndef stage(x): return a.update()", "A(1)", "A(2)", "global:sales.a"),
        ("import other\nN = 1\ndef stage(x): return other.update(N)", "N = 1", "N = 2", "global:sales.N"),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_write_still_counts(world, source, old, new, changed):
    """Copies, methods that return a new object, attributes beside a written one: their values count."""
    world.write(other="def update(x): return x\n")
    assert changed in world.edit(source, old, new)


def test_running_the_stage_does_not_change_its_key(world):
    """What a stage leaves behind in its modules is no reason to run it again."""
    source = (
        "import functools\nC, LOG = {}, []\n@functools.lru_cache\ndef f(x): return x\n"
        "class A:\n    def __init__(self): self.n = 0\n    def up(self):\n        self.n += 1\n        return self.n\n"
        "a = A()\ndef stage(x):\n    import late\n    C[x] = f(x)\n    LOG.append(late.double(a.up()))\n    return LOG\n"
    )
    world.write(sales=source, late="def double(x): return 2 * x\n")
    module = world.load()
    before = code_parts(module.stage, version_of=lambda package: None)
    module.stage(3)
    assert before == code_parts(module.stage, version_of=lambda package: None)
    assert "code:late.double" in {part.name for part in before.parts}


def test_names_that_only_the_run_makes_do_not_change_the_key(world):
    """A global, cell, attribute or class attribute that is first set while the stage runs is state from the start."""
    world.write(
        other="",
        sales=(
            "import other\nclass A:\n    __slots__ = ('n', '__dict__')\n    def up(self):\n        A.made = 1\n"
            "        self.n = self.x = 2\na = A()\n"
            "def make():\n    def set_it():\n        nonlocal cell\n        cell = 1\n    def get_it(): return cell\n"
            "    if False: cell = 0\n    return set_it, get_it\nset_it, get_it = make()\n"
            "def stage(x):\n    global NEW\n    set_it()\n    NEW = get_it()\n    other.NEW = NEW\n    a.up()\n"
            "    return NEW, other.NEW, A.made, a.x\n"
        ),
    )
    module = world.load()
    before = code_parts(module.stage, version_of=lambda package: None)
    module.stage(1)
    after = code_parts(module.stage, version_of=lambda package: None)
    assert before.parts == after.parts
    assert {"global sales.NEW", "global other.NEW"} <= set(before.state)


def test_a_container_with_attributes_counts_by_its_content(world):
    """A user's dict whose own attributes are written still counts by what is in it."""
    source = (
        "class Table(dict):\n    def look(self, x):\n        self.hits = 1\n        return self[x]\n"
        "t = Table(a=1)\ndef stage(x): return t.look(x)\n"
    )
    assert world.edit(source, "a=1", "a=2") == {"global:sales.t"}
    own = (
        "class Model:\n    def __init__(self, v): self.v, self.n = v, 0\n    def up(self): self.n += 1\n"
        "    def __milepost_key__(self): return self.v\nm = Model(1)\ndef stage(x): return m.up()\n"
    )
    assert world.edit(own, "Model(1)", "Model(2)") == {"global:sales.m"}


def test_values_of_a_package_bring_its_version(world):
    """A global array or model counts with the version of the package whose methods it has."""
    world.write(sales="import numpy\nA = [{'x': numpy.zeros(2)}]\ndef stage(x): return A\n")
    assert {"package:numpy", "global:sales.A"} <= {part.name for part in world.parts().parts}


def test_a_global_that_cannot_be_keyed_is_said(world):
    """A global without a fingerprint is named with its place, and the stage is not reused."""
    world.write(
        sales="G = (n for n in range(3))\nopened = {'a': [open(__file__)]}\ndef stage(x): return list(G), opened\n"
    )
    module = world.load()
    with module.opened["a"][0]:
        found = code_parts(module.stage, version_of=lambda package: None)
    assert [text.partition(" has no fingerprint: ")[0] for text in found.unkeyable] == [
        "global sales.G",
        "global sales.opened['a'][0]",
    ]
    for name in ("G", "opened"):
        assert f"global:sales.{name}" not in {part.name for part in found.parts}


def test_packages_count_by_version_and_python_by_its_own(world):
    """A third-party package that is reached counts by its version, the standard library with Python."""
    source = "import numpy as np\nimport json, os.path\nfrom pandas import DataFrame\ndef stage(x):\n    import polars.selectors as cs\n    import PIL.Image\n    return np.abs(x), json.dumps(x), DataFrame, cs\n"
    world.write(sales=source)
    versions = {"numpy": "1", "pandas": "2", "polars": None, "PIL": "3"}
    function = world.load().stage
    old = {part.name: part for part in code_parts(function, version_of=versions.get).parts}
    assert set(old) == {"code", "python", "package:numpy", "package:pandas", "package:polars", "package:PIL"}
    assert old["package:numpy"].text == "1"
    new = {part.name: part for part in code_parts(function, version_of=(versions | {"numpy": "2"}).get).parts}
    assert {name for name in old if old[name] != new[name]} == {"package:numpy"}


def test_our_own_package_never_counts(world):
    """What Milepost itself does is no part of a key: a later version reuses results."""
    world.write(
        sales="from milepost import errors\nfrom milepost.errors import MilepostError\ndef stage(x: MilepostError): raise errors.Cancelled\n"
    )
    assert {part.name for part in world.parts().parts} == {"code", "python"}


def test_modules_without_a_package_and_in_packages(world):
    """Relative and late imports in the user's packages are followed; what cannot be imported counts as missing."""
    world.write(
        pack__in____init__="",
        pack__in__tools="def f(x): return deep(x)\nfrom .more import deep\n",
        pack__in__more="def deep(x): return 1\n",
        pack__in__job=(
            "def stage(x):\n    from . import tools\n    from .more import deep as d\n    import pack.late\n"
            "    try:\n        import nowhere_at_all\n    except ImportError: pass\n"
            "    return [tools.f(y) for y in d(x)], pack.late.g(x)\n"
        ),
        pack__in__late="def g(x): return 1\n",
    )
    found = code_parts(world.load("pack.job").stage, version_of=lambda package: None)
    names = {part.name for part in found.parts}
    assert {"code:pack.tools.f", "code:pack.more.deep", "code:pack.late.g"} <= names
    assert set(found.modules) == {"pack", "pack.job", "pack.tools", "pack.more", "pack.late"}
