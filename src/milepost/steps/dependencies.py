"""Which steps of a document come after which, and how often each is tried, as declared; what is still missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from milepost.errors import DependencyError
from milepost.model.status import ProcessingStatus
from milepost.steps.checking import count, shown, step_name

LONGEST_CIRCLE = 12  # that is shown in full
Latest = Callable[[str, str], ProcessingStatus | None]  # of a document and a step


class Dependencies:
    """What was declared. Steps that are in no declaration need nothing."""

    def __init__(self) -> None:
        self._after: dict[str, tuple[str, ...]] = {}
        self._most_attempts: dict[str, int] = {}

    def declare(self, step: str, after: Iterable[str], most_attempts: int | None = None) -> None:
        """`step` comes after these, and is tried so often. DependencyError for a circle; then nothing changed."""
        step, needs = step_name(step), _names(after)
        most = None if most_attempts is None else count(most_attempts, "most_attempts", least=1)
        declared = {**self._after, step: needs}
        circle = _circle(declared, step)
        if circle:
            raise DependencyError(
                f"step {step!r} would wait for itself: {' after '.join(_ends(circle))}; take one of them out",
                circle=circle,
            )
        self._after = declared
        if most is not None:
            self._most_attempts[step] = most

    def is_last(self, step: str, attempt: int) -> bool:
        """Whether this attempt of a step is the last that was declared for it."""
        most = self._most_attempts.get(step)
        return most is not None and attempt >= most

    def __getstate__(self) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
        return self._after, self._most_attempts

    def __setstate__(self, state: tuple[dict[str, tuple[str, ...]], dict[str, int]]) -> None:
        self._after, self._most_attempts = state

    def as_mapping(self) -> Mapping[str, tuple[str, ...]]:
        """Each declared step with those that come before it."""
        return dict(self._after)

    def missing(self, document: str, step: str, latest: Latest) -> dict[str, ProcessingStatus | None]:
        """The steps before this one that are not done for a document, with where they stand (None: not begun)."""
        standing = {need: latest(document, need) for need in self._after.get(step, ())}
        return {need: status for need, status in standing.items() if status is None or not status.is_done}

    def check(self, document: str, step: str, latest: Latest) -> None:
        """DependencyError naming what is missing before this step of a document."""
        if step not in self._after:
            return
        missing = self.missing(document, step, latest)
        if missing:
            told = ", ".join(f"{need!r} ({status or 'not begun'})" for need, status in missing.items())
            raise DependencyError(
                f"step {step!r} of document {document!r:.80} cannot start: it comes after {told}; "
                "record that as done or skipped first",
                doc_id=document,
                step_name=step,
                missing=tuple(missing),
            )

    def shown(self, document: str | None, latest: Latest) -> str:
        """One line a step in an order that works, with what it comes after and how a document stands there."""
        return "\n".join(self._line(step, document, latest) for step in self._order())

    def _line(self, step: str, document: str | None, latest: Latest) -> str:
        after = self._after.get(step, ())
        line = step + (f"  after {', '.join(after)}" if after else "")
        if document is None:
            return line
        status = latest(document, step)
        if status is None:
            waits = self.missing(document, step, latest)
            return f"{line}: {'waits for ' + ', '.join(waits) if waits else 'can start'}"
        return f"{line}: {status}"

    def _order(self) -> list[str]:
        order: dict[str, None] = {}

        waiting = list(reversed(self._after))
        while waiting:
            step = waiting[-1]
            needs = [need for need in self._after.get(step, ()) if need not in order]
            if needs:
                waiting += reversed(needs)
            else:
                order[waiting.pop()] = None
        return list(order)


def _names(after: object) -> tuple[str, ...]:
    if isinstance(after, str):
        return (step_name(after),)
    if isinstance(after, bytes | Mapping) or not isinstance(after, Iterable):
        raise TypeError(f"after is the names of steps, not {type(after).__name__}: {shown(after)}")
    return tuple(dict.fromkeys(map(step_name, after)))


def _ends(circle: list[str]) -> list[str]:
    """A long one by its beginning and end."""
    return circle if len(circle) <= LONGEST_CIRCLE else [*circle[:3], f"{len(circle) - 6:,} more", *circle[-3:]]


def _circle(declared: Mapping[str, tuple[str, ...]], step: str) -> list[str]:
    """The way from a step back to itself, if there is one."""
    came: dict[str, str] = {}
    waiting = [step]
    while waiting:
        here = waiting.pop()
        for need in declared.get(here, ()):
            if need == step:
                way = [here]
                while way[-1] != step:
                    way.append(came[way[-1]])
                return [*reversed(way), step]
            if need not in came:
                came[need] = here
                waiting.append(need)
    return []
