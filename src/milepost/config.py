"""Every setting and its default in one place: arguments, then environment (`MILEPOST_*`), then these."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from milepost import typed
from milepost.errors import WorkspaceError

MOST_RUNS = 1000  # of one sweep; more have to be asked for


class ProcessingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace and its runs are set to.

    Example:
        >>> ProcessingConfig.from_environment({"MILEPOST_NUM_WORKERS": "4"}).num_workers
        4
    """

    workspace: str | None = None  # None: the nearest `.milepost` upward, else `.milepost` here
    durability: str = "group"  # process, group or power; see milepost.store.protocol.Durability
    num_workers: int | None = None  # None: as many as there are cores
    grace_seconds: float = 5.0  # how long a stage may take to reach a safe point once asked to stop
    store_wait_seconds: float = 60.0  # how long a decision, step or result waits for a full or locked store

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> ProcessingConfig:
        """Settings from `MILEPOST_WORKSPACE`, `MILEPOST_DURABILITY`, and so on; unset ones keep their default."""
        environment = os.environ if environment is None else environment
        given = {
            field: environment[name]
            for field in cls.__struct_fields__
            if (name := f"MILEPOST_{field.upper()}") in environment
        }
        try:
            return typed.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            raise WorkspaceError(f"the environment's MILEPOST_* settings: {error}") from error
