"""Schemas of decision points: which names there are, which are required, and what each takes."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping

import msgspec

from milepost.errors import DecisionValidationError, DefinitionError
from milepost.model.decision import DecisionPoint
from milepost.model.fingerprint.preview import preview

_OPEN = (dict, Mapping, typing.Any, None, object)
_MARKS = {getattr(typing, name, None) for name in ("Required", "NotRequired", "ReadOnly")} - {None}


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage's decisions may be. `annotations` is None when any name may be decided."""

    stage: str
    annotations: dict[str, object] | None = None
    required: frozenset[str] = frozenset()
    defaults: dict[str, object] = {}
    declared: object = dict  # as it was registered
    check: Callable[[dict[str, object]], dict[str, object]] | None = None  # of all of them together

    def point(self, name: str, default: object = msgspec.UNSET) -> DecisionPoint:
        """One of its decisions."""
        annotation = typing.Any if self.annotations is None else self.annotations.get(name, typing.Any)
        if default is msgspec.UNSET:
            return DecisionPoint(stage=self.stage, name=name, annotation=annotation)
        return DecisionPoint(stage=self.stage, name=name, annotation=annotation, default=default)

    def checked_together(self, values: dict[str, object]) -> dict[str, object]:
        """The values after the schema's own checks of them as a whole. Raises DecisionValidationError."""
        if self.check is None:
            return values
        try:
            return self.check(values)
        except (ValueError, TypeError) as error:
            said = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
            raise DecisionValidationError(
                f"stage {self.stage!r}: its decisions do not fit together: {said}", stage=self.stage
            ) from error


def schema_of(schema: object, stage: str) -> Schema:
    """The schema that `dict`, a mapping of names to types, a TypedDict, dataclass, Struct or pydantic model means.

    Raises DefinitionError for anything else.
    """
    if any(schema is one for one in _OPEN) or typing.get_origin(schema) is dict:
        return Schema(stage=stage, declared=schema)
    if isinstance(schema, Mapping):
        return Schema(stage=stage, annotations=dict(schema), required=frozenset(schema), declared=schema)
    if isinstance(schema, type):
        for read in (_typed_dict, _pydantic, _struct, _dataclass):
            found = read(schema, stage)
            if found is not None:
                return msgspec.structs.replace(found, declared=schema)
    raise DefinitionError(
        f"stage {stage!r}: a schema is dict, a TypedDict, a dataclass, a msgspec.Struct or a pydantic model, "
        f"not {preview(schema, 80)}"
    )


def as_mapping(values: object) -> Mapping[str, object] | None:
    """The decisions in a mapping or in an instance of a schema's class; None for anything else."""
    if isinstance(values, Mapping):
        return values
    cls = type(values)
    for names in ("__struct_fields__", "__dataclass_fields__", "model_fields"):
        fields = getattr(cls, names, None)
        if fields is not None and not isinstance(values, type):
            return {name: getattr(values, name) for name in fields}
    return None


def _typed_dict(schema: type, stage: str) -> Schema | None:
    if not typing.is_typeddict(schema):
        return None
    annotations, required = {}, set()
    keys: frozenset[str] = schema.__required_keys__  # type: ignore[attr-defined]
    for name, hint in _hints(schema, stage).items():
        is_required = name in keys
        while typing.get_origin(hint) in _MARKS:
            is_required = _SAYS.get(typing.get_origin(hint), is_required)
            (hint,) = typing.get_args(hint)
        annotations[name] = hint
        if is_required:
            required.add(name)
    return Schema(stage=stage, annotations=annotations, required=frozenset(required))


_SAYS: dict[object, bool] = {typing.Required: True, typing.NotRequired: False}


def _pydantic(schema: type, stage: str) -> Schema | None:
    fields = getattr(schema, "model_fields", None)
    validate: Callable[[object], object] | None = getattr(schema, "model_validate", None)
    if fields is None or validate is None:
        return None

    def check(values: dict[str, object]) -> dict[str, object]:
        made = validate(values)
        return {name: getattr(made, name) for name in fields}

    return Schema(
        stage=stage,
        annotations={name: field.annotation for name, field in fields.items()},
        required=frozenset(name for name, field in fields.items() if field.is_required()),
        defaults={
            name: field.get_default(call_default_factory=True)
            for name, field in fields.items()
            if not field.is_required()
        },
        check=check,
    )


def _struct(schema: type, stage: str) -> Schema | None:
    if not issubclass(schema, msgspec.Struct):
        return None
    fields = msgspec.structs.fields(schema)
    defaults = {
        field.name: field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        for field in fields
        if not field.required
    }
    return _constructed(schema, stage, {field.name: field.type for field in fields}, defaults)


def _dataclass(schema: type, stage: str) -> Schema | None:
    if not hasattr(schema, "__dataclass_fields__"):
        return None
    import dataclasses

    hints = _hints(schema, stage)
    fields = [field for field in dataclasses.fields(schema) if field.init]
    defaults: dict[str, object] = {}
    for field in fields:
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    return _constructed(schema, stage, {field.name: hints[field.name] for field in fields}, defaults)


def _constructed(schema: type, stage: str, annotations: dict[str, object], defaults: dict[str, object]) -> Schema:
    """A schema whose own constructor checks the values together."""

    def check(values: dict[str, object]) -> dict[str, object]:
        made = schema(**values)
        return {name: getattr(made, name) for name in annotations}

    required = frozenset(annotations.keys() - defaults.keys())
    return Schema(stage=stage, annotations=annotations, required=required, defaults=defaults, check=check)


def _hints(schema: type, stage: str) -> dict[str, object]:
    try:
        return typing.get_type_hints(schema, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise DefinitionError(f"stage {stage!r}: the schema {schema.__name__} cannot be read: {error}") from error
