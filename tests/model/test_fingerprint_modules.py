"""Whose code a module is."""

import sys
from types import ModuleType

from milepost.model.fingerprint.modules import is_user_module


def test_types_that_compiled_packages_share_are_nobodys_code(monkeypatch):
    """Cython keeps shared types in a module without a file; sent to a worker by value they break pandas there."""
    monkeypatch.setitem(sys.modules, "_cython_3_2_4", ModuleType("_cython_3_2_4"))
    assert not is_user_module("_cython_3_2_4")
