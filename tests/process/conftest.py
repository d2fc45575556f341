import importlib.util
import sys
import textwrap

import pytest

from milepost import Workspace
from milepost.process.targets import load_target


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with Workspace.open(tmp_path / ".milepost") as opened:
        yield opened


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Write a module and load its process as a fresh OS process would: nothing of an earlier version is left."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(source, name="job", **others):
        for other, text in {**others, name: source}.items():
            path = tmp_path / f"{other}.py"
            path.write_text(textwrap.dedent(text))
            sys.modules.pop(other, None)
            cached = importlib.util.cache_from_source(str(path))
            if cached:
                import contextlib
                import os

                with contextlib.suppress(FileNotFoundError):
                    os.unlink(cached)
        return load_target(str(tmp_path / f"{name}.py"))

    yield load
    for name in list(sys.modules):
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]
