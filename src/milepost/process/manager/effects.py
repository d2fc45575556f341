"""What computations leave on their manager, and what is left to be done when one was reused instead.

A stage may assign to an attribute that a later stage reads. What it leaves is recorded with its trace, so that those
who read it are found by the digest that it would have; when one of them has to be computed, the reused stage is carried
out first, for what it leaves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from milepost.process.manager.naming import StageId

Actual = Callable[[str], str]  # the digest that an attribute has


class Effects:
    """Of the stages that were reused: what they would have left. Attributes go by name."""

    def __init__(self) -> None:
        self._carried_out: dict[StageId, str | None] = {}  # the key that each stage was last carried out with
        self._owed: dict[str, list[StageId]] = {}  # attribute -> the reused stages that leave it, in order
        self._instead: dict[str, tuple[str, str]] = {}  # attribute -> the digest it has, and the one it would have
        self.out_of_order: set[str] = set()
        self._lock = threading.RLock()

    def reused(self, stage: StageId, key: str | None, left: Mapping[str, str], actual: Actual) -> None:
        """A stage was found. `left`: the digests of what it leaves."""
        with self._lock:
            if self._carried_out.get(stage) == key or not left:
                return
            for name, digest in left.items():
                owed = self._owed.setdefault(name, [])
                if stage in owed:
                    owed.remove(stage)
                owed.append(stage)
                self._instead[name] = actual(name), digest

    def digest(self, name: str, actual: str) -> str:
        """The digest that an attribute would have if nothing had been reused. One set from outside is what it is."""
        with self._lock:
            known = self._instead.get(name)
            if known is None:
                return actual
            if known[0] == actual:
                return known[1]
            del self._instead[name]
            self._owed.pop(name, None)
            return actual

    def begins(self, stage: StageId) -> None:
        """A stage is carried out: it owes nothing any more."""
        with self._lock:
            self._carried_out[stage] = None
            for name, owed in list(self._owed.items()):
                if stage in owed:
                    owed.remove(stage)
                    if not owed:
                        del self._owed[name]
                        self._instead.pop(name, None)

    def ended(self, stage: StageId, key: str, left: Mapping[str, str], *, stands: Collection[str]) -> None:
        """A stage was carried out with this key and left these digests.

        What it left is newer than what reused stages owe, but for the attributes in `stands`: these are still owed.
        """
        with self._lock:
            self._carried_out[stage] = key
            for name, digest in left.items():
                if name in stands and name in self._instead:
                    self._instead[name] = digest, self._instead[name][1]
                elif name not in stands:
                    self._owed.pop(name, None)
                    self._instead.pop(name, None)

    def added(self, name: str) -> None:
        """An attribute is added to before what reused stages leave in it: the order is not that of the stages."""
        if name in self._owed:
            self.out_of_order.add(name)

    def are_owed(self, name: str) -> bool:
        """Whether a reused stage leaves this attribute."""
        return name in self._owed

    def take(self, name: str, actual: str) -> list[StageId]:
        """The stages to carry out before an attribute is read, in order; they are not asked of anybody else."""
        with self._lock:
            self.digest(name, actual)  # one set from outside owes nothing
            self._instead.pop(name, None)
            return self._owed.pop(name, [])
