"""Code that is found through data counts: what registries hold, and modules that are handed around."""
# ruff: noqa: E501 - one case, one line

from __future__ import annotations

import pytest

from milepost.model.fingerprint.code import code_parts, with_texts

HOOK = "R = {}\nclass Base:\n    def __init_subclass__(cls, key, **more): R[key] = cls\n"
TWO = "class A(Base, key='a'):\n    def f(self): return 1\nclass B(Base, key='b'):\n    def f(self): return 3\ndef stage(x): return R['a']().f()\n"
BOX = "class Registry:\n    def __init__(self): self.items = {}\n    def add(self, f):\n        self.items[f.__name__] = f\n        return f\n    def get(self, name): return self.items[name]\nR = Registry()\n"


@pytest.mark.parametrize(
    ("source", "old", "new", "part"),
    [
        (HOOK + TWO, "return 1", "return 2", "class:sales.A"),
        (HOOK + TWO, "key='a'):\n    def f(self): return 1\nclass B(Base, key='b')", "key='b'):\n    def f(self): return 1\nclass B(Base, key='a')", "global:sales.R"),
        ("R = {}\ndef keep(cls): R[cls.__name__] = cls\nclass Base:\n    def __init_subclass__(cls): keep(cls)\nclass A(Base):\n    def f(self): return 1\ndef stage(x): return R['A']().f(), Base", "return 1", "return 2", "class:sales.A"),
        ("R = {}\nclass Meta(type):\n    def __init__(cls, name, bases, own): R[name] = cls\nclass Base(metaclass=Meta): pass\nclass A(Base):\n    def f(self): return 1\ndef stage(x): return R['A']().f()", "return 1", "return 2", "class:sales.A"),
        ("R = {}\ndef register(f):\n    R[f.__name__] = f\n    return f\n@register\ndef a(x): return 1\ndef stage(x): return R['a'](x)", "return 1", "return 2", "code:sales.a"),
        ("R = {}\ndef register(f):\n    R[f.__name__] = f\n    return f\n@register\ndef a(x): return 1\ndef stage(x):\n    register(x)\n    return R['a'](x)", "return 1", "return 2", "code:sales.a"),
        ("class Base:\n    known = {}\n    @classmethod\n    def add(cls, one):\n        cls.known[one.__name__] = one\n        return one\n@Base.add\ndef a(x): return 1\ndef stage(x): return Base.known['a'](x)", "return 1", "return 2", "code:sales.a"),
        (BOX + "@R.add\ndef a(x): return 1\ndef stage(x): return R.get('a')(x)", "return 1", "return 2", "code:sales.a"),
        (BOX + "from functools import partial\ndef a(n, x): return 1\nR.items['a'] = [partial(a, 1)]\ndef stage(x): return R.get('a')[0](x)", "return 1", "return 2", "code:sales.a"),
        (BOX + "class A:\n    def f(self): return 1\nR.items['a'] = A()\ndef stage(x): return R.get('a').f()", "return 1", "return 2", "class:sales.A"),
        (BOX + "class A:\n    def f(self): return 1\nR.items['a'] = A().f\ndef stage(x): return R.get('a')()", "return 1", "return 2", "class:sales.A"),
        (BOX + "import functools\ndef timed(f):\n    @functools.wraps(f)\n    def timing(*args): return f(*args)\n    return timing\n@R.add\n@timed\ndef a(x): return 1\ndef stage(x): return R.get('a')(x), timed", "return 1", "return 2", "code:sales.a"),
        (BOX + "import functools\n@R.add\n@functools.lru_cache\ndef a(x): return 1\ndef stage(x): return R.get('a')(x)", "return 1", "return 2", "code:sales.a"),
        ("import weakref\nR = weakref.WeakValueDictionary()\nclass A:\n    def f(self): return 1\nR['A'] = A\ndef stage(x): return R['A']().f()", "return 1", "return 2", "class:sales.A"),
        ("import threading\ndef a(x): return 1\nR = threading.local()\nR.f = a\ndef stage(x): return R.f(x)", "return 1", "return 2", "code:sales.a"),
        ("from contextvars import ContextVar\ndef a(x): return 1\nV = ContextVar('V', default=a)\ndef stage(x): return V.get()(x)", "return 1", "return 2", "code:sales.a"),
        ("from concurrent.futures import ThreadPoolExecutor\ndef a(): return 1\npool = ThreadPoolExecutor(1, initializer=a)\ndef stage(x): return pool.submit(x)", "return 1", "return 2", "code:sales.a"),
        ("from collections import UserDict\nR = UserDict()\ndef add(f): R[f.__name__] = f\ndef a(x): return 1\nadd(a)\ndef stage(x): return R['a'](x), add", "return 1", "return 2", "code:sales.a"),
        ("class Field:\n    names = {}\n    def __set_name__(self, owner, name): Field.names[name] = owner\nclass A:\n    x = Field()\n    def f(self): return 1\ndef stage(x): return Field.names['x']().f()", "return 1", "return 2", "class:sales.A"),
        ("class Base: pass\nclass A(Base):\n    def f(self): return 1\ndef stage(x): return [k().f() for k in Base.__subclasses__()]", "return 1", "return 2", "class:sales.A"),
        ("class Base:\n    @classmethod\n    def all(cls): return [k() for k in cls.__subclasses__()]\nclass A(Base): pass\nclass B(A):\n    def f(self): return 1\ndef stage(x): return Base.all()", "return 1", "return 2", "class:sales.B"),
        ("import threading\nclass Gate(threading.Event):\n    def rate(self): return 1\ngate = Gate()\ndef stage(x): return gate.rate()", "return 1", "return 2", "class:sales.Gate"),
        ("def f(x, known={}):\n    known[x] = 1\n    return known['a'](x)\ndef a(x): return 1\nf.__defaults__[0]['a'] = a\ndef stage(x): return f(x)", "return 1", "return 2", "code:sales.a"),
        ("def make():\n    known = {}\n    def add(f): known[f.__name__] = f\n    def get(n): return known[n], add\n    return add, get\nadd, get = make()\ndef a(x): return 1\nadd(a)\ndef stage(x): return get('a')[0](x)", "return 1", "return 2", "code:sales.a"),
    ],
)  # fmt: skip
def test_the_code_in_a_registry_counts(world, source, old, new, part):
    """Functions and classes that a registry holds count, whoever wrote them there and however it is kept."""
    assert part in world.edit(source, old, new)


@pytest.mark.parametrize(
    "body",
    [
        "C[x] = Row(x)\n    return C",
        "C[x] = lambda: x\n    return C",
        "C[x] = made(x)\n    return C",
        "C[x] = made(made(x))\n    return C",
        "C.setdefault(x, []).append(numpy_of(x))\n    return C",
        "class Local(Base): pass\n    return R",
        "class Local(Base):\n        def f(self): return x\n    return R",
        "C[x] = known(x).f\n    return C",
    ],
)
def test_a_memo_does_not_change_the_key(world, body):
    """Whatever a stage remembers while it runs, its key stays: what made it counts already."""
    source = (
        "import json\nfrom other import numpy_of\nC, R = {}, {}\nclass Row:\n    def __init__(self, x): self.x = x\n"
        "class Base:\n    def __init_subclass__(cls): R[cls.__name__] = cls\n"
        "class Known:\n    def f(self): return 1\ndef known(x): return Known()\n"
        f"def made(x):\n    def inner(): return x\n    return inner\ndef stage(x):\n    {body}\n"
    )
    world.write(sales=source, other="def numpy_of(x):\n    return __import__('numpy').zeros(2)\n")
    module = world.load()
    before = code_parts(module.stage, version_of=lambda package: "1")
    module.stage(3)
    assert before == code_parts(module.stage, version_of=lambda package: "1")


CFG = (
    "X = 1\ndef h(): return deep()\ndef deep(): return 1\nclass Row:\n    def f(self): return 1\nG = (n for n in [])\n"
)


@pytest.mark.parametrize(
    "source",
    [
        "import cfg\ndef call(m): return m.h()\ndef stage(x): return call(cfg)",
        "import cfg\ndef call(m): return m.h()\ndef stage(x): return call(m=cfg)",
        "import cfg\ndef call(m): return m.h()\ndef stage(x): return call(*[cfg])",
        "import cfg\nD = {'c': cfg}\ndef stage(x): return D['c'].h()",
        "import cfg\ndef stage(x):\n    y = cfg\n    return y.h()",
        "import cfg, json\ndef stage(x): return (cfg if x else json).h()",
        "import cfg\ndef stage(x): return (x or cfg).h()",
        "import cfg\ndef stage(x):\n    for m in [cfg]: x = m.h()\n    return x",
        "import cfg\ndef stage(x): return getattr(cfg, 'h')()",
        "import cfg\ndef stage(x): return getattr(cfg, x)()",
        "import cfg\ndef stage(x): return cfg.__dict__[x]()",
        "import cfg\ndef stage(x): return vars(cfg)[x]()",
        "import cfg\ndef stage(x): return cfg.__getattribute__(x)()",
        "import cfg\ndef get(): return cfg\ndef stage(x): return get().h()",
        "def get():\n    import cfg\n    return cfg\ndef stage(x): return get().h()",
        "def get():\n    import cfg as c\n    yield c\ndef stage(x): return next(get()).h()",
        "import cfg\nclass A:\n    m = cfg\ndef stage(x): return A.m.h()",
        "import cfg\nclass A:\n    def __init__(self): self.m = cfg\ndef stage(x): return A().m.h()",
        "import cfg\nclass A: pass\na = A()\na.m = cfg\ndef stage(x): return a.m.h()",
        "import cfg\ndef f(x, m=cfg): return m.h()\ndef stage(x): return f(x)",
        "import cfg\nfrom functools import partial\nf = partial(lambda m: m.h(), cfg)\ndef stage(x): return f()",
        "def make():\n    import cfg\n    def inner(x):\n        return [m.h() for m in [cfg]]\n    return inner\nstage = make()",
        "def make(m):\n    def inner(x): return m.h()\n    return inner\nimport cfg\nstage = make(cfg)",
        "import cfg\ndef f(x, m):\n    for i in x:\n        if i: m.h()\n        m = cfg\ndef stage(x): return f(x, 1)",
        "import cfg\ndef stage(x):\n    for i in x:\n        if i: m.h()\n        m = n\n        n = x and cfg\n",
        "import cfg\ndef stage(x):\n    for i in x:\n        if i: m.h()\n        m = n\n        n = cfg\n",
        "import cfg\nasync def call(m): return m.h()\nasync def stage(x):\n    async with x as y: return await call(cfg)",
        "import cfg\nM = None\ndef stage(x):\n    global M\n    M = cfg\n    return M.h()",
        "import cfg\nM = [cfg]\ndef stage(x):\n    M.append(x)\n    return M[0].h()",
        "import cfg\ndef stage(x):\n    match x:\n        case [1, m]: y = cfg\n        case _: y = m = cfg\n    return (lambda: y)().h()",
        "import pack.mid\ndef call(m): return m.cfg.h()\ndef stage(x): return call(pack.mid)",
        "import pack.mid\ndef call(m): return m.mid.cfg.h()\ndef stage(x): return call(pack)",
    ],
)  # fmt: skip
def test_a_module_used_as_a_value_counts_whole(world, source):
    """What a module is asked for where we cannot see it counts, whichever way the module went there."""
    world.write(sales=source, pack__in____init__="", pack__in__mid="import cfg\n")
    after = CFG.replace("deep(): return 1", "deep(): return 2")
    assert world.changed({"cfg": CFG}, {"cfg": after}) == {"code:cfg.deep"}
    assert world.parts().unkeyable == ()


def test_what_a_whole_module_is(world):
    """Its functions, classes, data, and which name stands for which; not what has no fingerprint."""
    world.write(sales="import cfg\ndef stage(x): return x(cfg)")
    for old, new, part in [
        ("X = 1", "X = 2", "global:cfg.X"),
        ("f(self): return 1", "f(self): return 2", "class:cfg.Row"),
        ("def h(): return deep()\ndef deep(): return 1", "def h(): return deep()\ndef deep(): return 1\ndef _own(): pass", "code:cfg._own"),
        ("for n in []", "for n in [1]", None),
    ]:  # fmt: skip
        changed = world.changed({"cfg": CFG}, {"cfg": CFG.replace(old, new)})
        assert part in changed if part else not changed
    shown = {part.name: part.text for part in with_texts(world.parts().parts, world.load().stage)}
    assert "code:cfg.deep" in shown["module:cfg"]
    swap = "def a(): return 1\ndef b(): return 2\nc, d = a, b\n"
    assert world.changed({"cfg": swap}, {"cfg": swap.replace("= a, b", "= b, a")}) == {"module:cfg"}


@pytest.mark.parametrize(
    "source",
    [
        "import cfg\ndef stage(x): return cfg.h()",
        "import cfg\ndef stage(x):\n    y = cfg\n    return y.h()",
        "import cfg\ndef stage(x): return getattr(cfg, 'h')() if hasattr(cfg, 'h') else getattr(cfg, 'X', 1)",
        "import cfg\ndef stage(x): return cfg is not None and cfg.h()",
        "def stage(x):\n    try: import cfg\n    except ImportError: cfg = None\n    return cfg.h() if cfg else isinstance(x, cfg.Row)",
        "def stage(x):\n    import cfg\n    return [cfg.h() for _ in x]",
        "def stage(x):\n    from cfg import h\n    return h()",
        "def stage(x):\n    import pack.cfg2\n    import pack.cfg2 as c\n    return pack.cfg2.h() + c.h()",
        "def make():\n    import cfg\n    def inner(x): return cfg.h()\n    return inner\nstage = make()",
        "import cfg\ndef stage(x):\n    if cfg is None: return cfg.X\n    try: return cfg.h()\n    except cfg.Row: return 1\n    finally: cfg.X = 2",
    ],
)  # fmt: skip
def test_a_module_that_is_only_asked_for_names_counts_by_those(world, source):
    """`module.name` reaches that name alone, also under another name, in a function, or by getattr of a constant."""
    more = CFG + "def other(): return 1\n"
    world.write(sales=source, pack__in____init__="", pack__in__cfg2="def h(): return 1\n")
    assert world.changed({"cfg": more}, {"cfg": more.replace("other(): return 1", "other(): return 2")}) == set()


def test_a_modules_own_getattr_counts(world):
    """A name that a module makes up when it is asked for counts by the function that makes it."""
    cfg = "def __getattr__(name): return 1\n"
    for source in ("cfg.X", "getattr(cfg, 'X')", "cfg.__getattr__('X')"):
        world.write(sales=f"import cfg\ndef stage(x): return {source}")
        assert world.changed({"cfg": cfg}, {"cfg": cfg.replace("1", "2")}) == {"code:cfg.__getattr__"}


def test_running_a_stage_that_fills_a_whole_module_does_not_change_its_key(world):
    """Names that the run makes in a module used as a value are state."""
    world.write(
        sales="import cfg\ndef call(m, x): return m.h(x)\ndef stage(x): return call(cfg, x)\n",
        cfg="C = {}\ndef h(x):\n    global NEW\n    NEW = x\n    C[x] = 1\n    return C\n",
    )
    module = world.load()
    before = code_parts(module.stage, version_of=lambda package: "1")
    module.stage(3)
    assert before == code_parts(module.stage, version_of=lambda package: "1")


def test_bounds_of_helpers_and_fields_count(world):
    """A bound that code of the user's may check counts by value: of a helper's parameter, of a dataclass's field."""
    helper = "from typing import Annotated\nfrom milepost import Meta\ndef f(x: Annotated[int, Meta(le=1)]): return x\ndef stage(x): return f(x)\n"
    assert world.edit(helper, "le=1", "le=2") == {"code:sales.f"}
    field = "from dataclasses import dataclass\nfrom typing import Annotated\nfrom milepost import Meta\n@dataclass\nclass A:\n    v: Annotated[int, Meta(le=1)] = 0\ndef stage(x): return A()\n"
    assert world.edit(field, "le=1", "le=2") == {"class:sales.A"}
    item = "from typing import Annotated\nfrom pydantic import Field\ndef f(x: list[Annotated[int, Field(le=1)]]): return x\ndef stage(x): return f(x)\n"
    assert world.edit(item, "le=1", "le=2") == {"code:sales.f"}


def test_bounds_of_decisions_do_not_count(world):
    """A decision was checked before the stage runs: its value counts, not what else it could have been."""
    source = "from typing import Annotated\nfrom milepost import Meta\ndef stage(a, x: Annotated[int, Meta(le=1), 'a'] = 1): return x\n"
    digests = set()
    for old, new in [("", ""), ("le=1", "le=2"), ("Meta(le=1), ", "")]:
        world.write(sales=source.replace(old, new))
        digests.add(world.parts(skip_defaults={"x"}).parts)
    assert len(digests) == 1
    world.write(sales=source.replace("'a'", "'b'"))
    assert world.parts(skip_defaults={"x"}).parts not in digests


def test_a_renamed_variable_counts(world):
    """`locals()` shows the names of variables, so they are part of the code."""
    assert world.edit("def stage(x):\n    y = x\n    return y\n", "y", "z") == {"code"}
