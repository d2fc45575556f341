"""The numbered changes that brought the ledger's tables to what they are; each runs once, in one transaction."""

from __future__ import annotations

import os
from typing import NamedTuple


class Migration(NamedTuple):
    """One step from schema `number - 1` to `number`."""

    number: int
    name: str
    sql: str


def load() -> list[Migration]:
    """All migrations, first to last."""
    return [_read(name) for name in _files()]


def latest() -> int:
    """The schema that this Milepost writes."""
    return _number(_files()[-1])


def _files() -> list[str]:
    return sorted(name for name in os.listdir(os.path.dirname(__file__)) if name.endswith(".sql"))


def _read(name: str) -> Migration:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return Migration(_number(name), name, file.read())


def _number(name: str) -> int:
    return int(name.partition("_")[0])
