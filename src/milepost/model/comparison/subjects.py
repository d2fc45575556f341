"""What is compared: a run, or a scenario with the run that shows what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from milepost.model.rows import RunRow, StageRow
from milepost.model.status import RunState

Number = int | float


UNKNOWN = ""  # the identity of a masked value that cannot be told from others


class Value(NamedTuple):
    """A decision's value. `text` is JSON; where that is masked or a preview, `identity` tells it from others."""

    text: str
    identity: str | None = None


def identity(value: Value) -> str:
    """What is the same for equal values: the order of an object's entries does not count.

    Example:
        >>> identity(Value('{"b":1,"a":2}')) == identity(Value('{"a":2,"b":1}'))
        True
    """
    if value.identity is not None:
        return value.identity
    if "{" not in value.text:
        return value.text
    return msgspec.json.encode(msgspec.json.decode(value.text), order="deterministic").decode()


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a comparison. `run` is None for a scenario that was never run, and then so is all that a run has.

    `seconds`: working time. `saved_seconds`: what the reused results took when they were made.
    """

    label: str
    decisions: Mapping[tuple[str, str], Value]  # (stage, name), in the order they were recorded
    process: str | None = None
    scenario: str | None = None
    run: RunRow | None = None
    state: RunState | None = None
    cause: str | None = None
    seconds: float | None = None
    saved_seconds: float | None = None
    stages: tuple[StageRow, ...] = ()  # folded, in the order of the plan

    @property
    def metrics(self) -> dict[str, Number]:
        """Every number that its stages reported, as `stage.name`."""
        return {
            f"{row.stage}.{name}": value
            for row in self.stages
            if row.metrics != "{}"
            for name, value in msgspec.json.decode(row.metrics, type=dict[str, Number]).items()
        }


def unique_labels(labels: Sequence[str]) -> list[str]:
    """The labels, a number added where one was there before.

    Example:
        >>> unique_labels(["strict", "loose", "strict"])
        ['strict', 'loose', 'strict (2)']
    """
    unique: dict[str, None] = {}
    for label in labels:
        shown, number = label, 1
        while shown in unique:
            number += 1
            shown = f"{label} ({number})"
        unique[shown] = None
    return list(unique)
