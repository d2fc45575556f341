"""The results of a run's stages, loaded when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from milepost.process.planner import Upstream
from milepost.store.objects import Objects


class Results(Mapping[str, object]):
    """Stage → result. Each access decodes a copy of its own, so what one consumer changes no other sees."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[str, Upstream] = {}

    def __getitem__(self, stage: str) -> object:
        known = self._known[stage]
        return known.value if known.address is None else self._objects.get(known.address)

    def __contains__(self, stage: object) -> bool:
        return stage in self._known  # without loading what it is

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<results of {', '.join(self._known) or 'nothing yet'}>"

    def put(self, stage: str, upstream: Upstream) -> None:
        """A stage has its result."""
        self._known[stage] = upstream

    def forget(self, stages: Iterable[str]) -> None:
        """Results that were found and cannot be read."""
        for stage in stages:
            del self._known[stage]

    def upstream(self, stage: str) -> Upstream:
        """The result as its consumers' keys see it."""
        return self._known[stage]
