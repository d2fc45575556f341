"""Several runs asked for at once: scenarios, and every combination of swept values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from milepost.config import MOST_RUNS
from milepost.errors import InvalidDataError
from milepost.model.files import files_in
from milepost.model.fingerprint.values import digest
from milepost.model.redaction import MASK, names_a_secret
from milepost.process.definition import Process

LONGEST_VALUE = 40  # characters of a value in a label


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One run that is asked for. `label` tells it from the others asked for with it."""

    label: str
    scenario: str | None = None
    decisions: Mapping[str, object] = {}


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """One decision and the values it is to take, each with the text it was given as."""

    path: str
    values: tuple[tuple[str, object], ...]


def parse_sweep(process: Process, sweep: str) -> Swept:
    """`"score.threshold=0.6,0.7"`, or a JSON list: `'clean.columns=[["a"], ["b", "c"]]'`. Raises InvalidDataError.

    Each value is converted by the decision's annotation.
    """
    path, equals, text = (part.strip() for part in sweep.partition("="))
    if not equals or "." not in path:
        raise InvalidDataError(f"--sweep {sweep}: expected stage.name=value,value,…")
    point = process.point(path)
    if text.startswith("["):
        values = tuple((_text(value), point.accept(value)) for value in _json_list(sweep, text))
    else:
        values = tuple((each.strip(), point.accept_text(each.strip())) for each in text.split(","))
    if not values:
        raise InvalidDataError(f"--sweep {sweep} names no value: nothing would run")
    _refuse_same(sweep, values)
    return Swept(path=path, values=values)


def combined(
    scenarios: Sequence[str], sweeps: Sequence[Swept], decisions: Mapping[str, object], *, most: int | None = MOST_RUNS
) -> list[Ask]:
    """Each scenario (or none) with each combination of the swept values; `decisions` hold in all of them.

    Raises InvalidDataError for a decision or scenario given twice, and for more than `most` runs.
    """
    _refuse_twice([*decisions, *(swept.path for swept in sweeps)], "the decision")
    _refuse_twice(scenarios, "the scenario")
    count = max(len(scenarios), 1) * math.prod(len(swept.values) for swept in sweeps)
    if most is not None and count > most:
        raise InvalidDataError(f"that would be {count:,} runs, one after the other; to mean it, add --yes")
    return [
        Ask(label=_label(scenario, chosen), scenario=scenario, decisions={**decisions, **_values(chosen)})
        for scenario in (scenarios or (None,))
        for chosen in _combinations(sweeps)
    ]


Combination = tuple[tuple[Swept, tuple[str, object]], ...]


def _combinations(sweeps: Sequence[Swept]) -> Iterator[Combination]:
    for values in itertools.product(*(swept.values for swept in sweeps)):
        yield tuple(zip(sweeps, values, strict=True))


def _values(chosen: Combination) -> dict[str, object]:
    return {swept.path: value for swept, (_, value) in chosen}


def _label(scenario: str | None, chosen: Combination) -> str:
    """`strict, threshold=0.6`; the stage stands there too where two swept decisions have the same name."""
    names = [swept.path.partition(".")[2] for swept, _ in chosen]
    told = [] if scenario is None else [scenario]
    for name, (swept, (text, _)) in zip(names, chosen, strict=True):
        shown = MASK if names_a_secret(name) else text
        shown = shown if len(shown) <= LONGEST_VALUE else shown[: LONGEST_VALUE - 1] + "…"
        told.append(f"{name if names.count(name) == 1 else swept.path}={shown}")
    return ", ".join(told)


def _refuse_same(sweep: str, values: Sequence[tuple[str, object]]) -> None:
    """A value that comes again, also when written otherwise: its run would be the same one."""
    seen: dict[object, str] = {}
    for text, value in values:
        mark = text if any(True for _ in files_in(value)) else digest(value)
        if mark in seen:
            same = f"{seen[mark]} and {text} are the same value" if text != seen[mark] else f"{text} stands there twice"
            raise InvalidDataError(f"--sweep {sweep}: {same}")
        seen[mark] = text


def _json_list(sweep: str, text: str) -> list[object]:
    try:
        return msgspec.json.decode(text, type=list[object])
    except msgspec.MsgspecError as error:
        raise InvalidDataError(f"--sweep {sweep}: what begins with [ is a JSON list of the values: {error}") from error


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _refuse_twice(given: Sequence[str], what: str) -> None:
    for number, name in enumerate(given):
        if name in given[:number]:
            raise InvalidDataError(f"{what} {name} is given twice")
