"""Noticing what computations read of their manager, also in threads that they started."""

from __future__ import annotations

from typing import Any

from milepost.process.manager.belongings import read_path
from milepost.process.manager.computation import Computation, under_way
from milepost.process.manager.verifying import OURS, Belongings, is_looking, note_read

active: dict[int, set[Computation]] = {}  # id of a manager -> what it is computing


def innermost(owner: object) -> Computation | None:
    """The computation of this manager in which this code runs."""
    here, mine = under_way.get(), active.get(id(owner), ())
    return next((one for one in here.chain() if one in mine), None) if here is not None else None


def concerned(owner: object) -> list[Computation]:
    """Those that a read here belongs to: the one that this code runs in; where that cannot be told, all under way."""
    if under_way.get() is not None:
        found = innermost(owner)
        return [] if found is None else [found]
    return [one for one in list(active.get(id(owner), ())) if one.is_computing]


def observe(owner: object, belongings: Belongings, name: str) -> None:
    """An attribute of the manager is asked for while it computes."""
    if name in OURS or is_looking.get():
        return
    own: dict[str, Any] = object.__getattribute__(owner, "__dict__")
    names = [one for one in own if one not in OURS] if name == "__dict__" else [name]
    for computation in concerned(owner):
        for each in names:
            path = read_path(type(owner), own, each)
            if path is not None:
                note_read(computation, belongings, owner, path)
