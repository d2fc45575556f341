"""The stages of a CONFIG as frozen structs, and every way in which a CONFIG can be wrong said by stage and field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Annotated, TypeVar

import msgspec

from milepost import typed
from milepost.errors import DefinitionError, InvalidDataError
from milepost.model.fingerprint.preview import preview
from milepost.model.graph import Graph
from milepost.model.names import LONGEST_NAME, is_name
from milepost.model.nearest import did_you_mean, nearest

T = TypeVar("T", bound=msgspec.Struct)

Weight = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=0)]
ALIKE = 0.8  # a field's name that is so much like a known one is a slip; any other is the user's own note


class SubstageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a stage. `required` and `optional` are what was declared; most say neither."""

    name: str
    sequence: int
    description: str = ""
    optional: bool = False
    required: bool = False
    weight: Weight = 1.0
    dependencies: tuple[str, ...] = ()
    auto_start: bool = False
    timeout_seconds: float | None = None  # these three are kept for whoever carries the substage out
    retry_on_failure: bool = False
    max_retries: Count = 0


class StageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A stage as its CONFIG declares it."""

    name: str
    sequence: int
    description: str = ""
    requires_previous: bool = True
    validation_required: bool = True
    optional: bool = False
    required: bool | None = None  # the same question as `optional`, asked the other way
    repeatable: bool = False
    loop: bool = False
    dependencies: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    decisions: dict[str, object] = {}
    substages: dict[str, SubstageSpec] = {}
    auto_complete_on_substages: bool = False

    def substage(self, name: str | int) -> SubstageSpec | None:
        """The declared substage of this name or sequence number, or None."""
        if isinstance(name, int):
            found = [one for one in self.substages.values() if one.sequence == name]
            return found[0] if len(found) == 1 else None
        return self.substages.get(name)


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The stages in their order, and the algorithms that they may run."""

    stages: dict[str, StageSpec]
    available_algorithms: tuple[str, ...] = ()
    algorithm_defaults: dict[str, object] = {}

    def find(self, stage: str | int) -> StageSpec:
        """The stage of this name or sequence number. Raises InvalidDataError with the nearest name."""
        if isinstance(stage, int) and not isinstance(stage, bool):
            return self._numbered(stage)
        if isinstance(stage, str) and stage in self.stages:
            return self.stages[stage]
        raise InvalidDataError(f"there is no stage {preview(stage, 200)}." + did_you_mean(_as_name(stage), self.stages))

    def algorithm(self, stage: StageSpec, name: str | None) -> dict[str, object]:
        """The parameters that an algorithm begins with. Raises InvalidDataError for one that is not known."""
        known = stage.algorithms or self.available_algorithms
        if name is None:
            return {}
        if not isinstance(name, str) or (known and name not in known):
            hint = did_you_mean(_as_name(name), known)
            shown = preview(name, 200)
            raise InvalidDataError(f"stage {stage.name!r} has no algorithm {shown}.{hint}", stage=stage.name)
        defaults = self.algorithm_defaults.get(name)
        return dict(defaults) if isinstance(defaults, Mapping) else {}

    def _numbered(self, number: int) -> StageSpec:
        found = [stage for stage in self.stages.values() if stage.sequence == number]
        if len(found) == 1:
            return found[0]
        said = ", ".join(f"{stage.sequence} {stage.name}" for stage in found or self.stages.values())
        which = "several stages have this number, say which by name" if found else "there are"
        raise InvalidDataError(f"there is no one stage number {preview(number, 80)}; {which}: {said or 'none'}")


def read_config(config: Mapping[str, object]) -> ProcessSpec:
    """What a CONFIG says of its stages. Raises DefinitionError that names stage and field.

    Example:
        >>> read_config({"stages": {"data_loading": {"sequence": 1}}}).find(1).name
        'data_loading'
    """
    if not isinstance(config, Mapping):
        raise DefinitionError(f"a CONFIG is a mapping with 'stages', not {type(config).__name__}")
    declared = _mapping(config.get("stages"), "CONFIG['stages']")
    stages = [_stage(key, fields, position) for position, (key, fields) in enumerate(declared.items(), 1)]
    spec = _whole(
        ProcessSpec,
        {
            "stages": {},
            "available_algorithms": config.get("available_algorithms"),
            "algorithm_defaults": config.get("algorithm_defaults"),
        },
        "CONFIG",
    )
    ordered = {stage.name: stage for stage in sorted(stages, key=lambda stage: stage.sequence)}
    _check_rows(ordered)
    linked = {name: _linked(stage, ordered) for name, stage in ordered.items()}
    Graph({name: stage.dependencies for name, stage in linked.items()})  # raises DefinitionError for a circle
    return msgspec.structs.replace(spec, stages=linked)


def row_name(stage: str, substage: str) -> str:
    """What a declared substage is called where stages are listed."""
    return f"{stage}/{substage}"


def _stage(key: object, fields: object, position: int) -> StageSpec:
    name = _name(key, "stage")
    where = f"stage {name!r}"
    given = _mapping(fields, where)
    substages = {}
    for number, (sub, its) in enumerate(_mapping(given.get("substages"), f"{where}: field 'substages'").items(), 1):
        spec = _substage(where, sub, its, number)
        substages[spec.name] = spec
    sequence = key if isinstance(key, int) else position
    stage = _read(StageSpec, {"sequence": sequence, **_given(given), "name": name, "substages": {}}, where)
    if stage.required is not None:
        if stage.required and stage.optional:
            raise DefinitionError(f"{where}: it is 'required' and 'optional' at once; leave one out")
        stage = msgspec.structs.replace(stage, optional=not stage.required)
    stage = msgspec.structs.replace(stage, substages=_in_order(substages))
    return msgspec.structs.replace(stage, substages=_linked_substages(stage))


def _substage(where: str, key: object, fields: object, position: int) -> SubstageSpec:
    name = _name(key, f"{where}: substage")
    where = f"{where}: substage {name!r}"
    given = {"sequence": position, **_given(_mapping(fields, where)), "name": name}
    spec = _read(SubstageSpec, given, where)
    if spec.required and spec.optional:
        raise DefinitionError(f"{where}: it is 'required' and 'optional' at once; leave one out")
    return spec


def _linked(stage: StageSpec, stages: Mapping[str, StageSpec]) -> StageSpec:
    known = ProcessSpec(stages=dict(stages))
    needs = tuple(_need(f"stage {stage.name!r}", need, known) for need in stage.dependencies)
    return msgspec.structs.replace(stage, dependencies=needs)


def _need(where: str, need: str, known: ProcessSpec) -> str:
    try:
        return known.find(int(need) if need not in known.stages and need.isdigit() else need).name
    except InvalidDataError as error:
        raise DefinitionError(f"{where}: field 'dependencies': {error}") from None


def _linked_substages(stage: StageSpec) -> dict[str, SubstageSpec]:
    linked = {}
    for spec in stage.substages.values():
        where = f"stage {stage.name!r}: substage {spec.name!r}"
        needs = tuple(_substage_need(stage, need, where) for need in spec.dependencies)
        linked[spec.name] = msgspec.structs.replace(spec, dependencies=needs)
    Graph({name: spec.dependencies for name, spec in linked.items()})
    return linked


def _substage_need(stage: StageSpec, need: str, where: str) -> str:
    found = stage.substage(need) or (stage.substage(int(need)) if need.isdigit() else None)
    if found is None:
        raise DefinitionError(
            f"{where}: field 'dependencies': there is no substage {need!r}." + did_you_mean(need, stage.substages)
        )
    return found.name


def _in_order(substages: Mapping[str, SubstageSpec]) -> dict[str, SubstageSpec]:
    return dict(sorted(substages.items(), key=lambda pair: pair[1].sequence))


def _check_rows(stages: Mapping[str, StageSpec]) -> None:
    rows = {row_name(stage.name, sub) for stage in stages.values() for sub in stage.substages}
    for taken in sorted(rows & stages.keys()):
        raise DefinitionError(f"stage {taken!r} is called as a substage of another is; rename one")


def _name(key: object, what: str) -> str:
    name = str(key) if isinstance(key, int) and not isinstance(key, bool) else key
    if is_name(name):
        return name
    shown = preview(key, 80)
    raise DefinitionError(f"{what}: a name is a printable text of 1 to {LONGEST_NAME} characters, not {shown}")


def _as_name(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object, where: str) -> Mapping[object, object]:
    if isinstance(value, Mapping):
        return value
    if value is None or (isinstance(value, list | tuple) and not value):
        return {}
    raise DefinitionError(f"{where}: expected a mapping, got {type(value).__name__}")


def _given(fields: Mapping[object, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if isinstance(name, str) and value is not None}


def _read(kind: type[T], given: Mapping[str, object], where: str) -> T:
    """The known fields; one that is nearly called so is an error, any other is the user's own."""
    known = kind.__struct_fields__
    for field in given:
        meant = nearest(field, known) if field not in known else None
        if meant is not None and SequenceMatcher(None, field, meant).ratio() >= ALIKE:
            raise DefinitionError(f"{where}: there is no field {field!r}. Did you mean {meant!r}?", field=field)
    fields = {field: value for field, value in given.items() if field in known}
    for listed in ("dependencies", "algorithms"):
        if isinstance(fields.get(listed), list | tuple):
            fields[listed] = tuple(_texts(fields[listed]))
    if "decisions" in fields:
        fields["decisions"] = dict(_mapping(fields["decisions"], f"{where}: field 'decisions'"))
    return _whole(kind, fields, where)


def _texts(values: object) -> Iterator[object]:
    assert isinstance(values, list | tuple)
    for value in values:
        yield str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`")


def _whole(kind: type[T], fields: Mapping[str, object], where: str) -> T:
    try:
        return typed.convert({name: value for name, value in fields.items() if value is not None}, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        text = str(error)
        found = _PLACE.search(text)
        field = found[1] if found else ""
        said = _PLACE.sub("", text).replace("`", "")
        raise DefinitionError(f"{where}: field {field!r}: {said}", field=field) from error
