"""The examples in the docstrings of src are true."""

import doctest
import importlib
import io
import pkgutil
from contextlib import redirect_stdout

import pytest

import milepost

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(milepost.__path__, "milepost.")
    if found.name != "milepost.__main__" and not found.name.startswith("milepost.cli.demo.")
)


def examples(name):
    """The docstrings of a module that have examples."""
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder().find(module, name) if test.examples]


@pytest.mark.parametrize("name", [name for name in MODULES if examples(name)])
def test_examples_of(name, tmp_path, monkeypatch):
    """Each does what its docstring shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for test in examples(name):
        printed = io.StringIO()
        with redirect_stdout(printed):
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            failed = runner.run(test, out=printed.write, clear_globs=False).failed
        assert not failed, printed.getvalue()
