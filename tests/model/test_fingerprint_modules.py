"""Whose code a module is."""

import sys
from types import ModuleType

import numpy  # noqa: F401 - the package of a module that is made here

from milepost.model.fingerprint.modules import is_user_module


def test_types_that_compiled_packages_share_are_nobodys_code(monkeypatch):
    """Cython keeps shared types in a module without a file; sent to a worker by value they break pandas there."""
    monkeypatch.setitem(sys.modules, "_cython_3_2_4", ModuleType("_cython_3_2_4"))
    assert not is_user_module("_cython_3_2_4")


def test_modules_that_compiled_packages_make_in_memory_are_theirs(monkeypatch):
    """A submodule without a file belongs to whom its package belongs, at any depth."""
    for name in ("numpy.made", "numpy.made.inner", "mine", "mine.made"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert [is_user_module(name) for name in ("numpy.made", "numpy.made.inner", "mine", "mine.made")] == [
        False,
        False,
        True,
        True,
    ]
