"""What `get_stage_data` gives: the documented mapping over a stage's result, which is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any

import msgspec

from milepost.errors import MilepostError, StageExecutionError

SUCCESS, ERROR = "success", "error"
KEYS = ("status", "results", "error")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one computation. `digest` is what those who take the result depend on."""

    stage: str
    digest: str = ""
    address: str | None = None  # of the stored result; None: it is `value`, in this process alone
    value: object = None
    classes: tuple[str, ...] = ()
    key: str | None = None
    run: str | None = None  # which made it
    seconds: float = 0.0
    metrics: str = "{}"
    reused: bool = False
    left: dict[str, str] = {}  # the attributes that it left on the manager, with their digests
    problems: tuple[str, ...] = ()  # why no other process can find it
    exception: BaseException | None = None
    error: str | None = None

    def as_error(self) -> StageExecutionError:
        """The error to raise, caused by what the computation raised."""
        error = StageExecutionError(f"stage {self.stage!r} failed: {self.error}", stage=self.stage, run=self.run)
        error.__cause__ = self.exception
        return error


class StageData(Mapping[str, Any]):
    """A stage's result as a mapping: `status` is "success" or "error", `results` has a length, `error` says why not.

    `value` is the result as the computation returned it; `results` is the same where it has a length, `[]` for None,
    else a list of it. Each StageData loads a copy of its own, arrays mapped, when it is first asked. It equals another
    of an equal result, and the result itself. `exception` is what the computation raised.
    """

    def __init__(self, outcome: Outcome, load: Callable[[str], object]) -> None:
        self._outcome = outcome
        self._load = load
        self._value: object = outcome.value
        self._is_loaded = outcome.address is None

    @property
    def value(self) -> Any:
        """The result as the computation returned it; None after an error."""
        if not self._is_loaded:
            assert self._outcome.address is not None
            self._value, self._is_loaded = self._load(self._outcome.address), True
        return self._value

    @property
    def stage(self) -> str:
        """The stage's name, or its number as text."""
        return self._outcome.stage

    @property
    def exception(self) -> BaseException | None:
        """What the computation raised."""
        return self._outcome.exception

    @property
    def was_reused(self) -> bool:
        """Whether the result was found rather than computed."""
        return self._outcome.reused

    @property
    def key(self) -> str | None:
        """What the result is found by; None where it is not found again."""
        return self._outcome.key

    @property
    def address(self) -> str | None:
        """Where the result is stored; None where it is not."""
        return self._outcome.address

    @property
    def seconds(self) -> float:
        """How long the computation took when it was carried out."""
        return self._outcome.seconds

    @property
    def metrics(self) -> dict[str, int | float]:
        """The numbers that the stage returned under `metrics` or reported."""
        return msgspec.json.decode(self._outcome.metrics, type=dict[str, int | float])

    def __getitem__(self, key: str) -> Any:
        if key == "status":
            return ERROR if self._outcome.exception is not None else self._said("status", SUCCESS)
        if key == "error":
            return self._outcome.error
        if key == "results":
            return _sized(self._said("results", self.value))
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(KEYS)

    def __len__(self) -> int:
        return len(KEYS)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StageData):
            same = self["status"] == other["status"] and self["error"] == other["error"]
            return same and _equal(self.value, other.value)
        if self._outcome.exception is not None:
            return isinstance(other, Mapping) and dict(self) == dict(other)
        return _equal(self.value, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        how = "reused" if self.was_reused else "computed"
        said = f"error {self['error']!r}" if self._outcome.exception is not None else how
        return f"<data of stage {self.stage}: {said}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def _said(self, name: str, otherwise: object) -> Any:
        """What a computation that returns the documented mapping itself says."""
        value = self.value
        is_documented = isinstance(value, dict) and {"status", "results"} <= value.keys()
        return value[name] if is_documented else otherwise


def _sized(value: object) -> object:
    if value is None:
        return []
    return value if isinstance(value, Sized) else [value]


def _equal(one: object, other: object) -> bool:
    """Whether two results are equal, also where `==` gives one answer for each element."""
    if one is other:
        return True
    try:
        same = one == other
        if isinstance(same, bool):
            return same
    except Exception:  # whatever a foreign object says to being compared
        pass
    from milepost.model.fingerprint.values import digest

    try:
        return digest(one) == digest(other)
    except MilepostError:
        return False
