"""The order of stages: what needs what, what may start next, and why an order cannot be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from milepost.errors import DefinitionError
from milepost.model.nearest import did_you_mean


class Graph:
    """Stages and the stages they need, in the order they were given.

    Example:
        >>> graph = Graph({"orders": [], "clean": ["orders"], "report": ["clean"]})
        >>> graph.order
        ('orders', 'clean', 'report')
        >>> graph.next_stages(done={"orders"}, begun=())
        ['clean']
    """

    def __init__(self, needs: Mapping[str, Sequence[str]]) -> None:
        self.needs = {name: tuple(dict.fromkeys(wanted)) for name, wanted in needs.items()}
        self._refuse_unknown()
        self.order = self._ordered()

    def next_stages(self, done: Collection[str], begun: Collection[str]) -> list[str]:
        """The stages that may start now: all they need is done and they have not begun."""
        return [
            name
            for name in self.order
            if name not in done and name not in begun and all(need in done for need in self.needs[name])
        ]

    def upstream(self, name: str) -> set[str]:
        """All stages that this one needs, near and far."""
        return self._reach([name], self.needs)

    def downstream(self, name: str) -> set[str]:
        """All stages that need this one, near and far."""
        needed_by: dict[str, list[str]] = {stage: [] for stage in self.needs}
        for stage, wanted in self.needs.items():
            for need in wanted:
                needed_by[need].append(stage)
        return self._reach([name], needed_by)

    @staticmethod
    def _reach(start: Iterable[str], edges: Mapping[str, Sequence[str]]) -> set[str]:
        seen: set[str] = set()
        waiting = [edge for name in start for edge in edges[name]]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(edges[name])
        return seen

    def _refuse_unknown(self) -> None:
        for name, wanted in self.needs.items():
            for need in wanted:
                if need not in self.needs:
                    raise DefinitionError(
                        f"stage {name!r} needs {need!r}, which is no stage of this process."
                        + did_you_mean(need, self.needs)
                    )

    def _ordered(self) -> tuple[str, ...]:
        done: dict[str, None] = {}
        left = list(self.needs)
        while left:
            ready = [name for name in left if all(need in done for need in self.needs[name])]
            if not ready:
                raise DefinitionError(f"stages need each other in a circle: {self._circle(left)}")
            done.update(dict.fromkeys(ready))
            left = [name for name in left if name not in done]
        return tuple(done)

    def _circle(self, left: Sequence[str]) -> str:
        path = [left[0]]
        while True:
            need = next(need for need in self.needs[path[-1]] if need in left)
            if need in path:
                return " → ".join([*path[path.index(need) :], need])
            path.append(need)
