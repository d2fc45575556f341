"""What a trace's reads are now: decisions by the snapshot, the manager's own by looking, other stages by asking."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import cached_property
from typing import Any

from milepost.model.fingerprint.classes import find_class
from milepost.process.manager import paths
from milepost.process.manager.belongings import (
    ABSENT,
    Digested,
    class_attribute,
    class_digest,
    is_method,
    method_digest,
    value_digest,
)
from milepost.process.manager.computation import Computation
from milepost.process.manager.effects import Effects
from milepost.process.manager.snapshot import Snapshot

OURS = frozenset({"_inside"})
is_looking: ContextVar[bool] = ContextVar("milepost_is_looking", default=False)


class Belongings:
    """The digests of what one manager has of its own. What has none counts by being the same object as before."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[object, str]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def digest(self, manager: object, path: str) -> Digested:
        """What a path of the manager's own counts as now; an absent attribute has the digest ""."""
        token = is_looking.set(True)
        try:
            found = self._looked_at(manager, path)
        finally:
            is_looking.reset(token)
        if found.problem is None:
            return found
        return found._replace(digest=self._token(path, found.held))

    def _looked_at(self, manager: object, path: str) -> Digested:
        kind, name = paths.kind_of(path), path.partition(".")[2]
        if kind == paths.CLASS:
            reference = path.partition(":")[2]
            return class_digest(type(manager) if reference == "self" else find_class(reference))
        own: dict[str, Any] = object.__getattribute__(manager, "__dict__")
        of_class = class_attribute(type(manager), name)
        if kind == paths.CODE:
            if name in own or not is_method(of_class):
                return Digested("")  # it is something else by now
            return method_digest(name, of_class)
        if name in own:
            return value_digest(name, own[name])
        if isinstance(of_class, cached_property):
            try:
                return value_digest(name, object.__getattribute__(manager, name))
            except Exception:  # it cannot be had now, as before or otherwise
                return Digested("")
        return Digested("") if of_class is ABSENT else value_digest(name, of_class)

    def _token(self, path: str, thing: object) -> str:
        with self._lock:
            known = self._objects.get(path)
            if known is None or known[0] is not thing:
                self._count += 1
                known = self._objects[path] = thing, f"only here {self._count}"
            return known[1]


class Verifier:
    """Tells whether reads hold now. What the manager has is looked at once, unless a stage is carried out."""

    def __init__(
        self,
        manager: object,
        belongings: Belongings,
        effects: Effects,
        snapshot: Snapshot,
        content: Callable[[str], str],
        upstream: Callable[[str], str | None],
    ) -> None:
        self._manager = manager
        self._belongings = belongings
        self._effects = effects
        self._snapshot = snapshot
        self._content = content
        self._upstream = upstream
        self._known: dict[str, str] = {}
        self.upstream: dict[str, str] = {}  # what was asked for

    def holds(self, path: str, digest: str) -> bool:
        """Whether what a path names has this digest now."""
        return self.now(path) == digest

    def now(self, path: str) -> str | None:
        """The digest that a path has now; None for a result that cannot be had."""
        kind = paths.kind_of(path)
        if kind == paths.UPSTREAM:
            found = self._upstream(paths.stage_and_name(path)[0])
            self._known.clear()  # something may have run that changed it
            self.upstream[path] = found or ""
            return found
        if kind in (paths.CODE, paths.VALUE, paths.CLASS):
            known = self._known.get(path)
            if known is None:
                known = self._known[path] = self._belongings.digest(self._manager, path).digest
            return self._effects.digest(path.partition(".")[2], known) if kind == paths.VALUE else known
        return self._snapshot.digest(path, self._content)


def note_read(computation: Computation, belongings: Belongings, manager: object, path: str) -> None:
    """A computation reads something of the manager's own."""
    if not computation.has_read(path):
        found = belongings.digest(manager, path)
        computation.note(path, found.digest, found.text)
        if found.problem is not None:
            computation.problems[found.problem] = None
