"""Noticing what computations read of their manager, also in threads that they started."""

from __future__ import annotations

from types import FrameType
from typing import Any, Protocol

from milepost.process.manager import paths
from milepost.process.manager.belongings import ABSENT, read_path
from milepost.process.manager.computation import Computation, under_way
from milepost.process.manager.effects import Effects
from milepost.process.manager.touching import is_only_added_to
from milepost.process.manager.verifying import OURS, Belongings, is_looking, note_read

active: dict[int, set[Computation]] = {}  # id of a manager -> what it is computing


class Observer(Protocol):
    """Who knows what a manager's attributes count as, and what reused stages would have left in them."""

    belongings: Belongings
    effects: Effects

    def carry_out_owed(self, owner: Any, one: Computation, name: str) -> None:
        """Carry out the reused stages that leave an attribute which a computation is about to read."""


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


def observe(owner: object, observer: Observer, name: str, frame: FrameType | None) -> None:
    """`frame` asks for an attribute of the manager while that computes."""
    if name in OURS or is_looking.get():
        return
    for computation in concerned(owner):
        if name == "__dict__":
            own: dict[str, Any] = object.__getattribute__(owner, "__dict__")
            for each in [one for one in own if one not in OURS]:
                _observe(owner, observer, computation, each, None)
        else:
            _observe(owner, observer, computation, name, frame)


def _observe(owner: object, observer: Observer, one: Computation, name: str, frame: FrameType | None) -> None:
    own: dict[str, Any] = object.__getattribute__(owner, "__dict__")
    path = read_path(type(owner), own, name)
    if path is not None and paths.kind_of(path) == paths.VALUE:
        value = own.get(name, ABSENT)
        if is_only_added_to(frame, value):
            one.added_to.add(name)
            observer.effects.added(name)
            return
        if observer.effects.are_owed(name):
            observer.carry_out_owed(owner, one, name)
            path = read_path(type(owner), own, name)
        if type(own.get(name, ABSENT)) in SCALARS:
            one.scalars.add(name)
    if path is not None:
        note_read(one, observer.belongings, owner, path)
    one.settled.add(name)


SCALARS = frozenset({int, float, bool, complex, str, bytes, type(None)})
