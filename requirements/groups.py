"""Print the requirements of one dependency group of pyproject.toml, a line each, for `make lock`."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def requirements(groups: dict[str, list[str | dict[str, str]]], name: str) -> Iterator[str]:
    """What the group asks for, included groups in place."""
    for entry in groups[name]:
        if isinstance(entry, dict):
            yield from requirements(groups, entry["include-group"])
        else:
            yield entry


if __name__ == "__main__":
    pyproject = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    sys.stdout.writelines(f"{line}\n" for line in requirements(pyproject["dependency-groups"], sys.argv[1]))
