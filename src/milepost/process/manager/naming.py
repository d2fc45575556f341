"""How a stage is addressed: by its number, by its name, or by both where a CONFIG names its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from milepost.errors import InvalidDataError
from milepost.model.fingerprint.preview import preview
from milepost.model.nearest import did_you_mean

StageId = int | str  # the number where a stage has one, else its name

LONGEST_NAME = 200  # characters


class StageNames:
    """The names that belong to numbers. A stage without a name goes by the text of its number.

    Example:
        >>> names = StageNames()
        >>> names.add({"data_loading": 1})
        >>> names.id_of("data_loading"), names.text_of(1), names.id_of("2")
        (1, 'data_loading', 2)
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._shared: set[int] = set()

    def add(self, numbers: Mapping[str, int | None]) -> None:
        """Declare names with their numbers; a number that several names have belongs to none of them."""
        for name, number in numbers.items():
            if number is None:
                continue
            known = self._names.get(number)
            if known is not None and known != name:
                self._shared.add(number)
            self._names.setdefault(number, name)
            self._numbers[name] = number

    def id_of(self, stage: object) -> StageId:
        """The number of a stage that has one of its own, else its name. InvalidDataError for what names no stage."""
        if isinstance(stage, int) and not isinstance(stage, bool) and abs(stage) < 2**63:
            if stage in self._shared:
                said = ", ".join(sorted(name for name, number in self._numbers.items() if number == stage))
                raise InvalidDataError(f"several stages have the number {stage}: {said}; say which by its name")
            return stage
        if not isinstance(stage, str) or not stage.strip() or len(stage) > LONGEST_NAME or not stage.isprintable():
            raise InvalidDataError(
                f"a stage is a number or a name of 1 to {LONGEST_NAME} characters, not {preview(stage, 80)}"
            )
        number = self._numbers.get(stage)
        if number is not None:
            return stage if number in self._shared else number
        return int(stage) if _is_number(stage) else stage

    def text_of(self, stage: StageId) -> str:
        """What rows and errors call it."""
        return stage if isinstance(stage, str) else self._names.get(stage, str(stage))

    def shown(self, stage: StageId) -> StageId:
        """How a mapping of stages shows it: by the name that a number was given, else as it is."""
        return self._names.get(stage, stage) if isinstance(stage, int) else stage

    @property
    def declared(self) -> frozenset[str]:
        """Every name that was declared."""
        return frozenset(self._numbers)


def is_until(one: StageId, stage: StageId) -> bool:
    """Whether a stage is this one, or comes before it by its number."""
    if isinstance(one, int) and isinstance(stage, int):
        return one <= stage
    return one == stage


def unknown_stage(names: StageNames, stage: StageId, known: Iterable[StageId]) -> InvalidDataError:
    """The refusal of a decision for a stage that does not exist."""
    texts = sorted((names.text_of(one) for one in known), key=lambda text: (len(text), text))
    text = names.text_of(stage)
    return InvalidDataError(f"decision for {text!r}: no such stage." + did_you_mean(text, texts), stage=text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text)) == text if len(text) < 19 else False
