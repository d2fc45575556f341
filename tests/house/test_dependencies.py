"""What an install brings, and that each part of it has its reason."""

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CORE = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
EXTRAS = {
    extra: [Requirement(line) for line in lines]
    for extra, lines in PYPROJECT["project"]["optional-dependencies"].items()
}
SOURCES = sorted((ROOT / "src" / "milepost").rglob("*.py"))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def brought(requirements: list[Requirement]) -> set[str]:
    """The names of all packages that these requirements install here, themselves included."""
    found: set[str] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = plain(requirement.name)
        if name in found:
            continue
        found.add(name)
        waiting += [(Requirement(line), "") for line in distribution(name).requires or ()]
    return found


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    return {plain(name): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.M)}


def test_the_core_installs_at_most_18_packages():
    """Milepost and all that its core brings are at most 18 packages."""
    packages = brought(CORE) | {"milepost"}
    assert len(packages) <= 18, sorted(packages)


def test_the_core_takes_at_most_32_megabytes():
    """What the core brings takes at most 32 MB on disk, byte code left out."""
    total = 0
    for name in brought(CORE):
        files = distribution(name).files or ()
        total += sum(
            Path(file.locate()).stat().st_size for file in files if file.suffix != ".pyc" and file.locate().exists()
        )
    assert total <= 32_000_000, f"{total / 1e6:.1f} MB"


@pytest.mark.parametrize("requirement", CORE, ids=lambda requirement: requirement.name)
def test_each_dependency_is_used_and_has_a_reason(requirement):
    """A core dependency is imported somewhere in the package, and its reason is written down."""
    homes = packages_distributions()
    modules = {module for module, names in homes.items() if plain(requirement.name) in map(plain, names)}
    used = {requirement.name.partition(".")[0]} | modules
    if requirement.marker is None or requirement.marker.evaluate():
        assert used & set().union(*map(imported, SOURCES)), f"{requirement.name} is imported nowhere"
    reasons = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text(encoding="utf-8")
    assert requirement.name in reasons


# Kinds of values that users may bring: looked up in sys.modules, or imported in the function that was given one.
GUESTS = {
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "sqlalchemy",
    "apprise",
    "pydantic",
    "attr",
    "attrs",
    "IPython",
    "dask",
    "torch",
    "scipy",
    "matplotlib",
    "compression",
}


def own_sources() -> list[Path]:
    """The package's files but the demo's flights.py, which is the user's own and needs the extra."""
    return [path for path in SOURCES if path.name != "flights.py"]


def test_nothing_is_imported_that_is_not_declared():
    """What a file imports is the standard library, ourselves, a declared dependency or a guest; testing/ has pytest."""
    declared = {plain(r.name).partition("-")[0] for r in CORE} | {"milepost"} | GUESTS | set(sys.stdlib_module_names)
    strange = {
        path: imported(path) - declared - ({"pytest", "hypothesis"} if "testing" in path.parts else set())
        for path in own_sources()
    }
    assert {path: names for path, names in strange.items() if names} == {}


def test_guests_are_never_imported_at_the_top_of_a_file():
    """numpy, pandas and their like are imported only inside a function that was given one of their values."""
    for path in own_sources():
        top = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Import)]
        froms = [n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.ImportFrom)]
        names = {alias.name for node in top for alias in node.names} | {node.module or "" for node in froms}
        assert not {name.partition(".")[0] for name in names} & GUESTS, path


@pytest.mark.parametrize("lock", ["demo.txt", "dev.txt"])
def test_the_locks_pin_what_is_declared(lock):
    """Every dependency is pinned with hashes, in a version that pyproject.toml allows, without a machine's paths."""
    pinned = pins(lock)
    for requirement in [*CORE, *EXTRAS["demo"]]:
        assert requirement.specifier.contains(pinned[plain(requirement.name)]), requirement
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "file:" not in text and "/opt/" not in text and "index-url" not in text and "find-links" not in text


def test_the_two_locks_agree():
    """Whatever the demo pins, development pins in the same version: one environment holds both."""
    demo, dev = pins("demo.txt"), pins("dev.txt")
    assert demo == {name: dev[name] for name in demo}
