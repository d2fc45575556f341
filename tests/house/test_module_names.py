"""Test modules can be collected together: pytest imports each by its bare name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_modules_of_the_tests_have_the_same_name() -> None:
    """Two modules of one name refuse to be collected in one run; the folder is no part of a module's name."""
    modules = [path for path in TESTS.rglob("*.py") if path.name not in {"conftest.py", "__init__.py"}]
    counted = Counter(path.name for path in modules)
    twice = sorted(str(path.relative_to(TESTS)) for path in modules if counted[path.name] > 1)

    assert modules
    assert not twice, f"rename all but one of each: {', '.join(twice)}"
