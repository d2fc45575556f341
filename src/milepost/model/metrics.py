"""Metrics: numbers by name that a stage returns under `metrics` or reports on its handle."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping

import msgspec

from milepost.errors import InvalidDataError
from milepost.model.fingerprint.preview import preview

Number = int | float
LONGEST_NAME = 200  # characters
_LEAST, _MOST = -(2**63), 2**64 - 1  # what JSON and MessagePack hold as an integer


def metrics_of(value: object) -> dict[str, Number]:
    """The numbers in `value["metrics"]`, or in its attribute `metrics`; what is no finite number there is left out.

    Example:
        >>> metrics_of({"rows": [1, 2], "metrics": {"accuracy": 0.93, "epochs": 7, "name": "small"}})
        {'accuracy': 0.93, 'epochs': 7}
    """
    try:
        found = value.get("metrics") if isinstance(value, Mapping) else getattr(value, "metrics", None)
        if not isinstance(found, Mapping) or isinstance(value, type):
            return {}
        pairs = [(name, _number(one)) for name, one in found.items() if _is_name(name)]
    except Exception:  # whatever a user's object does when it is looked at: it has no metrics
        return {}
    return {name: number for name, number in pairs if number is not None}


def checked_metric(name: str, value: object) -> Number:
    """The number, as it is reported on a handle. Raises InvalidDataError for a name or value that cannot be one."""
    if not _is_name(name):
        raise InvalidDataError(
            f"a metric's name is a text of 1 to {LONGEST_NAME} characters, all of which can be seen, "
            f"not {preview(name, 80)}"
        )
    number = _number(value)
    if number is None:
        raise InvalidDataError(f"metric {name!r} is a finite number, not {preview(value, 80)}", metric=name)
    return number


def dump_metrics(metrics: Mapping[str, Number]) -> str:
    """As rows keep them."""
    return msgspec.json.encode(metrics).decode() if metrics else "{}"


def load_metrics(text: str) -> dict[str, Number]:
    """From a row."""
    return {} if text == "{}" else msgspec.json.decode(text, type=dict[str, int | float])


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip()) and len(name) <= LONGEST_NAME and name.isprintable()


def _number(value: object) -> Number | None:
    """A plain number; None for a bool, NaN, infinity and what is none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if isinstance(value, numbers.Integral) and _LEAST <= int(value) <= _MOST:
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
