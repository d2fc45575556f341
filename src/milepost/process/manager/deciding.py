"""What is decided: decision points, their defaults and what was chosen over them. Pure: nothing here is recorded."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import msgspec

from milepost.errors import DecisionValidationError, InvalidDataError
from milepost.model.decision import DecisionPoint
from milepost.model.files import File, files_in
from milepost.model.fingerprint.preview import preview
from milepost.model.fingerprint.values import digest
from milepost.model.names import LONGEST_NAME, is_name
from milepost.model.nearest import did_you_mean
from milepost.process.manager.naming import StageId, StageNames, unknown_stage
from milepost.process.manager.schemas import Schema, as_mapping

Values = Mapping[StageId, Mapping[str, object]]

_SHARED = frozenset({str, int, float, bool, type(None), bytes, complex, File})


class StagePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The decision point of one stage."""

    schema: Schema
    required: bool = True
    defaults: dict[str, object] = {}
    caching: bool = True


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen, and for which stages defaults were declined. A change is a new one."""

    chosen: dict[StageId, dict[str, object]] = {}
    bare: frozenset[StageId] = frozenset()


class DecisionPoints:
    """The decision points of a manager and the rules by which choices join their defaults."""

    def __init__(self, names: StageNames) -> None:
        self.names = names
        self.of: dict[StageId, StagePoint] = {}
        self._defaults: dict[StageId, dict[str, object]] = {}  # of stages without a decision point

    def defaults(self, stage: StageId) -> dict[str, object]:
        """The defaults of a stage, a copy."""
        point = self.of.get(stage)
        return own_copy(dict(point.defaults if point else self._defaults.get(stage, {})))

    def with_defaults(self) -> list[StageId]:
        """The stages that have any."""
        known = {**{stage: point.defaults for stage, point in self.of.items()}, **self._defaults}
        return [stage for stage, defaults in known.items() if defaults]

    def register(self, stage: StageId, point: StagePoint) -> None:
        """Declare or replace a decision point. Raises InvalidDataError for defaults that do not fit."""
        text = self.names.text_of(stage)
        given = self._accepted(stage, point.schema, self._named(stage, point.schema, point.defaults))
        self.of[stage] = msgspec.structs.replace(point, defaults={**point.schema.defaults, **given})
        self._check_keyable(text, given)

    def update_defaults(self, stage: StageId, values: object) -> None:
        """Change some defaults. Raises InvalidDataError as a decision would."""
        self.refuse_unknown(stage)
        point = self.of.get(stage)
        schema = self._schema(stage)
        accepted = self._accepted(stage, schema, self._named(stage, schema, values))
        self._check_keyable(self.names.text_of(stage), accepted)
        if point is None:
            self._defaults[stage] = {**self._defaults.get(stage, {}), **accepted}
        else:
            self.of[stage] = msgspec.structs.replace(point, defaults={**point.defaults, **accepted})

    def refuse_unknown(self, stage: StageId) -> None:
        """InvalidDataError for a stage that has no decision point while others have one."""
        if self.of and stage not in self.of:
            raise unknown_stage(self.names, stage, self.of)

    def chosen(
        self, decided: Decided, stage: StageId, values: object, *, apply_defaults: bool, replace: bool
    ) -> dict[str, object]:
        """The values as they will be recorded. Raises InvalidDataError, and changes nothing.

        Missing keys come first, then names that do not exist, then values that do not fit, each sorted by name.
        """
        self.refuse_unknown(stage)
        schema = self._schema(stage)
        given = self._as_mapping(stage, values)
        before = {} if replace else decided.chosen.get(stage, {})
        defaults = self.defaults(stage) if apply_defaults else {}
        self._refuse_missing(stage, schema, {**defaults, **before, **given})
        self._refuse_unknown_names(stage, schema, given)
        accepted = self._accepted(stage, schema, given)
        merged = {**defaults, **before, **accepted}
        if schema.required <= merged.keys():
            checked = schema.checked_together(dict(merged))
            accepted = {name: checked.get(name, value) for name, value in accepted.items()}
        self._check_keyable(self.names.text_of(stage), accepted)
        return own_copy(accepted)

    def after(
        self, decided: Decided, stage: StageId, accepted: Mapping[str, object], *, apply_defaults: bool, replace: bool
    ) -> Decided:
        """What is decided then: a patch, or with `replace` these alone."""
        before = {} if replace else decided.chosen.get(stage, {})
        chosen = {**decided.chosen, stage: {**before, **accepted}}
        bare = decided.bare - {stage} if apply_defaults else decided.bare | {stage}
        return Decided(chosen=chosen, bare=bare)

    def effective(self, decided: Decided) -> dict[StageId, dict[str, object]]:
        """What holds in each stage: defaults where nothing was chosen. Names in order, so that none depends on
        the order in which they were chosen."""
        stages = dict.fromkeys([*self.of, *self.with_defaults(), *decided.chosen])
        return {stage: self.effective_of(decided, stage) for stage in sorted(stages, key=_by_number)}

    def effective_of(self, decided: Decided, stage: StageId) -> dict[str, object]:
        """What holds in one stage."""
        point = self.of.get(stage)
        defaults: Mapping[str, object] = {}
        if stage not in decided.bare:
            defaults = point.defaults if point else self._defaults.get(stage, {})
        return dict(sorted({**defaults, **decided.chosen.get(stage, {})}.items()))

    def require(self, decided: Decided, stage: StageId) -> None:
        """InvalidDataError when a stage lacks decisions that its point requires."""
        point = self.of.get(stage)
        if point is not None and point.required:
            self._refuse_missing(stage, point.schema, self.effective_of(decided, stage))

    def point(self, stage: StageId, name: str) -> DecisionPoint:
        """The decision point of one name, with its default."""
        defaults = self.of[stage].defaults if stage in self.of else self._defaults.get(stage, {})
        return self._schema(stage).point(name, defaults.get(name, msgspec.UNSET))

    def is_default(self, stage: StageId, name: str, value: object) -> bool:
        """Whether a value is what its default is now."""
        defaults = self.defaults(stage)
        return name in defaults and digest(defaults[name]) == digest(value)

    def keyable(self, stage: StageId, values: object) -> dict[str, object]:
        """The values under any names; a name that is declared has to fit. Raises InvalidDataError, UnkeyableError."""
        given, schema = self._as_mapping(stage, values), self._schema(stage)
        declared = {name: value for name, value in given.items() if name in (schema.annotations or ())}
        given |= self._accepted(stage, schema, declared)
        self._check_keyable(self.names.text_of(stage), given)
        return own_copy(given)

    def _schema(self, stage: StageId) -> Schema:
        point = self.of.get(stage)
        return point.schema if point else Schema(stage=self.names.text_of(stage))

    def _refuse_missing(self, stage: StageId, schema: Schema, present: Mapping[str, object]) -> None:
        missing = sorted(schema.required - present.keys())
        if missing:
            raise InvalidDataError(
                f"Missing required keys: {', '.join(missing)}", stage=self.names.text_of(stage), missing=missing
            )
        point = self.of.get(stage)
        if point is not None and point.required and schema.annotations is None and not present:
            raise InvalidDataError(
                f"stage {self.names.text_of(stage)!r} requires decisions and none was made: "
                f"make_decisions({stage!r}, {{…}}), or register it with defaults or required=False",
                stage=self.names.text_of(stage),
            )

    def _named(self, stage: StageId, schema: Schema, values: object) -> dict[str, object]:
        given = self._as_mapping(stage, values)
        self._refuse_unknown_names(stage, schema, given)
        return given

    def _as_mapping(self, stage: StageId, values: object) -> dict[str, object]:
        given, text = as_mapping(values), self.names.text_of(stage)
        if given is None:
            raise InvalidDataError(
                f"stage {text!r}: decisions are a mapping of names to values, not {type(values).__name__}", stage=text
            )
        odd = [name for name in given if not is_name(name)]
        if odd:
            raise InvalidDataError(
                f"stage {text!r}: a decision's name is a printable text of 1 to {LONGEST_NAME} characters, "
                f"not {preview(odd[0], 80)}",
                stage=text,
            )
        return dict(given)

    def _refuse_unknown_names(self, stage: StageId, schema: Schema, given: Iterable[str]) -> None:
        if schema.annotations is None:
            return
        unknown = sorted(name for name in given if name not in schema.annotations)
        if unknown:
            text = self.names.text_of(stage)
            said = [
                f"stage {text!r} takes no decision {name!r}.{did_you_mean(name, schema.annotations)}"
                for name in unknown
            ]
            raise InvalidDataError(" ".join(said), stage=text, decision=unknown[0])

    def _accepted(self, stage: StageId, schema: Schema, given: Mapping[str, object]) -> dict[str, object]:
        accepted: dict[str, object] = {}
        refused: list[DecisionValidationError] = []
        for name in sorted(given):
            try:
                accepted[name] = schema.point(name).accept(given[name])
            except DecisionValidationError as error:
                refused.append(error)
        if len(refused) > 1:
            raise DecisionValidationError("; ".join(map(str, refused)), stage=self.names.text_of(stage)) from refused[0]
        if refused:
            raise refused[0]
        return accepted

    def _check_keyable(self, stage: str, values: Mapping[str, object]) -> None:
        for name, value in sorted(values.items()):
            if not any(True for _ in files_in(value)):
                digest(value, name=f"decision {stage}.{name}")


def own_copy(values: dict[str, object]) -> dict[str, object]:
    """The values with copies of what could be changed from outside."""
    return {name: copied(value) for name, value in values.items()}


def copied(value: object) -> object:
    """A copy of a value that could be changed; one that cannot be copied is given as it is."""
    if type(value) in _SHARED:
        return value
    try:
        return copy.deepcopy(value)
    except Exception:  # whatever a foreign object says to being copied
        return value


def _by_number(stage: StageId) -> tuple[int, int, str]:
    return (0, stage, "") if isinstance(stage, int) else (1, 0, stage)
