"""Decision points: what may be chosen, how a choice is checked, and how a text becomes a value."""

from __future__ import annotations

import typing
from collections.abc import Mapping

import msgspec

from milepost import typed
from milepost.errors import DecisionValidationError, InvalidDataError
from milepost.model.files import File
from milepost.model.fingerprint.preview import preview
from milepost.model.nearest import did_you_mean
from milepost.model.redaction import MASK, is_secret, redact


class Missing:
    """The default of a decision point that has none."""

    def __repr__(self) -> str:
        return "required"


MISSING = Missing()


class DecisionPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One declared choice of one stage. `annotation` is its schema; `Any` takes every value that has a key.

    Schemas: builtins, Literal, Optional, enums, dataclasses, TypedDict, msgspec and (by `model_validate`) pydantic
    models, `Annotated[..., Meta(...)]` bounds, `File`, and otherwise any class, which is checked by isinstance.
    """

    stage: str
    name: str
    annotation: object = typing.Any
    default: object = MISSING

    @property
    def path(self) -> str:
        """`stage.name`, as it is written on the command line."""
        return f"{self.stage}.{self.name}"

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING

    def accept(self, value: object) -> object:
        """The value as the stage will receive it; DecisionValidationError says what the schema wants instead."""
        try:
            return _convert(value, self.annotation, strict=True)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            raise self._refusal(value, error) from error

    def accept_text(self, text: str) -> object:
        """The value of a text from the command line: JSON where the schema takes it, else the text itself."""
        problem: Exception | None = None
        for value, strict in _readings(text, self.annotation):
            try:
                return _convert(value, self.annotation, strict=strict)
            except (msgspec.ValidationError, ValueError, TypeError) as error:
                problem = error if problem is None else problem
        raise self._refusal(text, problem) from problem

    def _refusal(self, value: object, error: Exception | None) -> DecisionValidationError:
        shown = MASK if is_secret(self.name, value) else redact(_shown(value))
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        wanted = str(error).strip().replace("\n", "; ")
        return DecisionValidationError(
            f"stage {self.stage!r}: decision {self.name!r} = {shown} does not fit: {wanted}",
            stage=self.stage,
            decision=self.name,
        )


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # whatever a user's object does when it is shown
        return preview(value)


def _readings(text: str, annotation: object) -> list[tuple[object, bool]]:
    """Ways to read a text, best first: (value, strict)."""
    if annotation is str:
        return [(text, True)]
    try:
        decoded = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except msgspec.DecodeError:
        plain = {"True": True, "False": False, "None": None, "none": None}
        return ([(plain[text], True)] if text in plain else []) + [(text, True), (text, False)]
    return [(decoded, True), (text, True), (text, False)]


def _convert(value: object, annotation: object, *, strict: bool) -> object:
    if annotation is typing.Any:
        return value
    if annotation is File:
        return _as_file(value)
    if hasattr(annotation, "model_validate"):  # a pydantic model, without importing pydantic
        return value if isinstance(value, typing.cast(type, annotation)) else annotation.model_validate(value)
    if type(value) is annotation:
        return value
    try:
        return typed.convert(value, typing.cast(type, annotation), strict=strict, foreign=_foreign)
    except TypeError as error:
        if "is not supported" not in str(error):
            raise
        return _instance_of(value, annotation)


def _as_file(value: object) -> File:
    import os

    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"expected the path of a file, got {type(value).__name__}")
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError("expected the path of a file")
    return File(path)


def _foreign(annotation: type, value: object) -> object:
    """What msgspec does not know: files, pydantic models inside containers, other classes."""
    if annotation is File:
        return _as_file(value)
    if hasattr(annotation, "model_validate"):
        return value if isinstance(value, annotation) else annotation.model_validate(value)
    return _instance_of(value, annotation)


def _instance_of(value: object, annotation: object) -> object:
    origin = typing.get_origin(annotation) or annotation
    if not isinstance(origin, type) or isinstance(value, origin):
        return value
    raise TypeError(f"expected {origin.__name__}, got {type(value).__name__}")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A decision point with the value that holds in a run."""

    point: DecisionPoint
    value: object
    source: str  # "chosen" or "default"
    note: str | None = None  # why, in the words of who chose


def settle(
    points: Mapping[str, Mapping[str, DecisionPoint]], given: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, Choice]]:
    """What each decision point of each stage is set to: the given value, else the default.

    Raises InvalidDataError for an unknown stage or decision and for one without value, naming the nearest.
    """
    refuse_unknown(points, given)
    return {
        stage: {name: _settled(point, given.get(stage, {}), points) for name, point in declared.items()}
        for stage, declared in points.items()
    }


def accept_given(
    points: Mapping[str, Mapping[str, DecisionPoint]], given: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, object]]:
    """The given values as the stages will receive them, and no others. Raises InvalidDataError as `settle` does."""
    refuse_unknown(points, given)
    return {
        stage: {name: points[stage][name].accept(value) for name, value in values.items()}
        for stage, values in given.items()
    }


def _settled(
    point: DecisionPoint, given: Mapping[str, object], points: Mapping[str, Mapping[str, DecisionPoint]]
) -> Choice:
    if point.name in given:
        return Choice(point=point, value=point.accept(given[point.name]), source="chosen")
    if point.is_required:
        from milepost.model.nearest import nearest

        stage = nearest(point.name, points)
        hint = f", or is it the stage {stage!r}?" if stage else ""
        raise InvalidDataError(
            f"stage {point.stage!r} needs {point.name!r}: pass --set {point.path}=… or give it a default{hint}",
            stage=point.stage,
            decision=point.name,
        )
    default = _as_file(point.default) if point.annotation is File else point.default
    return Choice(point=point, value=default, source="default")


def refuse_unknown(
    points: Mapping[str, Mapping[str, DecisionPoint]], given: Mapping[str, Mapping[str, object]]
) -> None:
    """Raise InvalidDataError for a stage or decision that there is not, naming the nearest."""
    for stage, values in given.items():
        if stage not in points:
            raise InvalidDataError(f"decision for {stage!r}: no such stage." + did_you_mean(stage, points))
        for name in values:
            if name not in points[stage]:
                raise InvalidDataError(
                    f"stage {stage!r} takes no decision {name!r}."
                    + (did_you_mean(name, points[stage]) or " It takes none.")
                )
