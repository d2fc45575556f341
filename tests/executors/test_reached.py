"""Workers get the modules that a process reaches, and no others."""

import sys
from types import ModuleType

import pytest

from milepost.executors.reached import reached_modules


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        made = ModuleType(name)
        made.__file__ = str(tmp_path / f"{name}.py")
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(source, made.__file__, "exec"), vars(made))
        return made

    return make


def test_what_a_module_holds_names_or_imports_in_a_function_is_reached(module):
    module("far", "def last(): return 1\n")
    module("late", "VALUE = 1\n")
    module("kinds", "class Row:\n    pass\n")
    module("rows", "from kinds import Row\nEMPTY = Row()\n")
    module("tools", "from far import last\nfrom rows import EMPTY\n")
    module("apart", "def other(): return 2\n")
    stages = module("stages", "import tools\ndef work():\n    import late\n    return late.VALUE\n")
    reached = set(reached_modules([stages.work]))
    assert {"stages", "tools", "far", "late", "kinds"} <= reached
    assert "apart" not in reached


def test_installed_modules_and_our_own_are_not_taken(module):
    stages = module("stages", "import json, msgspec, milepost\nfrom milepost import Process\ndef work(): return 1\n")
    assert {"stages", "__main__"} == set(reached_modules([stages.work]))
