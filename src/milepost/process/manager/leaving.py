"""What one computation leaves on its manager: the attributes that it assigned to or changed."""

from __future__ import annotations

from typing import Any

from milepost.process.manager import paths
from milepost.process.manager.belongings import written_attributes
from milepost.process.manager.computation import Computation
from milepost.process.manager.verifying import OURS, Belongings


class Leaving:
    """Looks at the manager's attributes before and after a computation."""

    def __init__(self, owner: object, one: Computation, belongings: Belongings) -> None:
        self._owner = owner
        self._one = one
        self._belongings = belongings
        self._before = {name: id(value) for name, value in self._own.items()}

    @property
    def _own(self) -> dict[str, Any]:
        own: dict[str, Any] = object.__getattribute__(self._owner, "__dict__")
        return own

    def note(self) -> None:
        """Note what was left, and let go of reads that are state: counters, and what was only added to."""
        one, own = self._one, dict(self._own)
        looked_at = {path.partition(".")[2]: path for path in one.reads if paths.kind_of(path) == paths.VALUE}
        changed = {name for name in own if self._before.get(name) != id(own[name])} | self._before.keys() - own.keys()
        changed |= self._written() | one.added_to
        changed |= {name for name, path in looked_at.items() if self._digest(name) != one.reads[path]}
        changed -= OURS
        one.left = {name: self._digest(name) for name in sorted(changed)}
        one.drop(looked_at[name] for name in changed & one.scalars & looked_at.keys())
        one.state += [
            f"self.{name}" for name in sorted(changed & (one.added_to | one.scalars)) if not self._counts(name)
        ]

    def _counts(self, name: str) -> bool:
        return self._one.has_read(paths.of_manager(paths.VALUE, name))

    def _digest(self, name: str) -> str:
        return self._belongings.digest(self._owner, paths.of_manager(paths.VALUE, name)).digest

    def _written(self) -> set[str]:
        methods = [path.partition(".")[2] for path in self._one.reads if paths.kind_of(path) == paths.CODE]
        return written_attributes(type(self._owner), ["_compute_stage", *methods], self._own)
