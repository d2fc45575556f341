"""The same code has the same fingerprint wherever it runs: script, import, notebook, other process, other hash seed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from milepost.model.fingerprint.code import (
    class_name,
    class_parts,
    code_parts,
    find_class,
    is_user_module,
    module_label,
)
from milepost.model.fingerprint.parts import stage_key

SALES = """
import functools
from dataclasses import dataclass

WORDS = {"x", "y", "z"}
TABLE = {"a": {1, 2, 3}, "b": frozenset({"p", "q"})}

@dataclass
class Row:
    value: int = 1
    def doubled(self): return 2 * self.value

def helper(x, row: Row = Row(3)):
    return [w for w in x if w in {"a", "b", "c"}] + [row, __name__]

def stage(x: "Row", kinds={"k", "l"}):
    import late
    return helper(x), WORDS, TABLE, late.f(x), Row

if __name__ == "__main__":
    from milepost.model.fingerprint.code import code_parts
    from milepost.model.fingerprint.parts import stage_key
    found = code_parts(stage, version_of=lambda package: "1")
    print(stage_key(found.parts), sorted(found.modules))
"""


RUN = """
import sales
from milepost.model.fingerprint.code import code_parts
from milepost.model.fingerprint.parts import stage_key
found = code_parts(sales.stage, version_of=lambda package: "1")
print(stage_key(found.parts), sorted(found.modules))
"""


@pytest.fixture
def script(world):
    world.write(
        sales=SALES,
        late="def f(x): return x\n",
        run=RUN,
    )
    return world.folder / "sales.py"


def printed(*command: str, cwd: object, seed: str = "0") -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_a_script_an_import_and_another_hash_seed_agree(world, script):
    """`python sales.py`, `python -m sales` and an import give one key, whatever PYTHONHASHSEED and folder."""
    own = code_parts(world.load().stage, version_of=lambda package: "1")
    expected = f"{stage_key(own.parts)} {sorted(own.modules)}\n"
    folder = script.parent
    assert {
        printed("sales.py", cwd=folder, seed="1"),
        printed(str(script), cwd="/", seed="2"),
        printed("-m", "sales", cwd=folder, seed="3"),
        printed("run.py", cwd=folder, seed="4"),
    } == {expected}


def test_a_file_loaded_under_another_name_agrees(world, script, monkeypatch):
    """A module loaded from its path goes by the stem of its file."""
    expected = stage_key(code_parts(world.load().stage, version_of=lambda package: "1").parts)
    spec = importlib.util.spec_from_file_location("sales__milepost", script)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "sales__milepost", module)
    spec.loader.exec_module(module)
    assert stage_key(code_parts(module.stage, version_of=lambda package: "1").parts) == expected
    assert module_label("sales__milepost") == "sales"
    assert class_name(module.Row) == "sales:Row"


def test_a_project_that_moves_keeps_its_keys(world, tmp_path):
    """No path of this machine is in a key."""
    key = world.key(sales=SALES, late="def f(x): return x\n")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("sales.py", "late.py"):
        (tmp_path / name).rename(moved / name)
    sys.path.insert(0, str(moved))
    try:
        assert stage_key(world.parts().parts) == key
    finally:
        sys.path.remove(str(moved))


def test_two_modules_with_one_name_do_not_collide(world, tmp_path):
    """Two files of the same stem in different folders stay two modules, always numbered alike."""
    loaded = []
    for number in (1, 2):
        folder = tmp_path / f"folder{number}"
        folder.mkdir()
        (folder / "tools.py").write_text(f"RATE = {number}\ndef f(x): return RATE + x * {number}\n")
        spec = importlib.util.spec_from_file_location(f"tools_{number}", folder / "tools.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded.append(module)
    one, two = (module.f for module in loaded)

    def stage(x):
        return one(x) + two(x)

    names = [part.name for part in code_parts(stage, version_of=lambda package: None).parts]
    assert [name for name in names if "tools" in name] == [
        "code:tools.f", "code:tools~2.f", "global:tools.RATE", "global:tools~2.RATE",
    ]  # fmt: skip


def test_the_key_is_of_the_code_that_runs(world):
    """Editing the file while the old code is loaded changes nothing; loading it again does."""
    world.write(sales="def stage(x): return 1\n")
    loaded = world.load().stage
    before = stage_key(code_parts(loaded, version_of=lambda package: None).parts)
    world.write(sales="def stage(x): return 2\n")
    assert stage_key(code_parts(loaded, version_of=lambda package: None).parts) == before
    assert stage_key(world.parts().parts) != before


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    made = InteractiveShell()
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_a_notebook_cell_that_is_defined_again(shell):
    """In a notebook an edited cell counts, the same cell run again or with another comment does not."""

    def key(*cells: str) -> tuple[str, set[str]]:
        for cell in cells:
            assert shell.run_cell(cell).success
        found = code_parts(shell.user_ns["stage"], version_of=lambda package: None)
        return stage_key(found.parts), {part.name for part in found.parts}

    stage = "def stage(x):\n    return helper(x)"
    first, names = key("def helper(x):\n    return x + 1", stage)
    assert "code:__main__.helper" in names
    assert key("# again\n\ndef helper(x):\n    'With a word.'\n    return x + 1")[0] == first
    assert key("def helper(x):\n    return x + 2")[0] != first
    assert key("def helper(x):\n    return x + 1", "%time " + "1", stage)[0] == first


def test_stored_classes_are_found_by_name(world):
    """A class that a stored value names is found in what is loaded, and its code counts for who takes the value."""
    world.write(sales="class Row:\n    class Cell:\n        def m(self): return f()\ndef f(): return 1\n")
    module = world.load()
    assert class_name(module.Row.Cell) == "sales:Row.Cell"
    assert find_class("sales:Row.Cell") is module.Row.Cell
    assert find_class("sales:Row.Gone") is None
    assert find_class("never_loaded:Row") is None
    names = [part.name for part in class_parts(module.Row.Cell, version_of=lambda package: None).parts]
    assert names == ["class:sales.Row.Cell", "code:sales.f", "python"]


def test_whose_code_a_module_is(world):
    """Python's, installed and our own modules are not the user's; everything else is, imported or not."""
    world.write(mine="", unloaded="")
    world.load("mine")
    assert [name for name in ("mine", "unloaded", "__main__") if is_user_module(name)] == [
        "mine",
        "unloaded",
        "__main__",
    ]
    others = ("json", "sys", "os.path", "numpy", "polars", "milepost", "milepost.errors", "no_such_module", "_thread")
    assert [name for name in others if is_user_module(name)] == []


def test_what_is_no_function_of_the_users_has_parts_too(world):
    """Built-in functions, classes, callable objects and partials may be stages."""
    import functools
    import json

    class Model:
        def __call__(self, x):
            return x

    def parts(thing: object) -> set[str]:
        found = code_parts(thing, version_of=lambda package: None)
        assert found.unkeyable == ()
        return {part.name.partition(":")[0] for part in found.parts}

    assert parts(len) == {"code", "python"}
    assert parts(json.dumps) == {"code", "python"}
    assert parts(Model()) == {"code", "class", "python"}
    assert parts(Model) == {"code", "class", "python"}
    assert parts(functools.partial(parts, 1)) >= {"code", "closure", "python"}
    assert stage_key(code_parts(len, version_of=lambda p: None).parts) != stage_key(
        code_parts(max, version_of=lambda p: None).parts
    )
