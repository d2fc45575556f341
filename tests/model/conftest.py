"""Real modules, written to a folder and imported, for tests of what counts in a fingerprint of code."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from milepost.model.fingerprint.code import CodeParts, code_parts
from milepost.model.fingerprint.parts import stage_key


class World:
    """A folder of the user's modules; writing one again is an edit followed by a new start of Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()

    def write(self, **sources: str) -> None:
        for name, source in sources.items():
            path = self.folder / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(textwrap.dedent(source))
            self.names.add(name.split("__in__")[0])

    def load(self, name: str = "sales") -> ModuleType:
        for loaded in list(sys.modules):
            if loaded.partition(".")[0] in self.names:
                del sys.modules[loaded]
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def parts(self, name: str = "stage", **options: object) -> CodeParts:
        return code_parts(getattr(self.load(), name), version_of=lambda package: "1.0", **options)

    def key(self, **sources: str) -> str:
        self.write(**sources)
        return stage_key(self.parts().parts)

    def changed(self, before: dict[str, str], after: dict[str, str]) -> set[str]:
        """The names of the parts that an edit changes."""
        self.write(**before)
        old = {part.name: part.digest for part in self.parts().parts}
        self.write(**after)
        new = {part.name: part.digest for part in self.parts().parts}
        return {name for name in old | new if old.get(name) != new.get(name)}

    def edit(self, source: str, old: str, new: str) -> set[str]:
        assert old in source
        return self.changed({"sales": source}, {"sales": source.replace(old, new)})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file written twice in a second looks unchanged
    monkeypatch.syspath_prepend(str(tmp_path))
    made = World(tmp_path)
    yield made
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] in made.names:
            del sys.modules[loaded]
