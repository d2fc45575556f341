"""No connection crosses a fork: what is open is at rest while the process splits, and the child begins anew."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What has connections."""

    def before_fork(self) -> None:
        """Wait until no thread is inside SQLite, and keep it so."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Give the inherited connections up."""


_open: weakref.WeakSet[Forkable] = weakref.WeakSet()
_held: list[Forkable] = []


def watch(connections: Forkable) -> None:
    """Have these follow every fork of the process from now on."""
    _open.add(connections)


def _before() -> None:
    _held.extend(_open)
    for connections in _held:
        connections.before_fork()


def _after_in_parent() -> None:
    while _held:
        _held.pop().after_fork_in_parent()


def _after_in_child() -> None:
    while _held:
        _held.pop().after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
