"""Decision points and decisions as `ProcessManager` offers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from milepost.model.by_hand.specs import read_config
from milepost.process.manager.deciding import StagePoint, own_copy
from milepost.process.manager.inside import Inside
from milepost.process.manager.naming import StageId
from milepost.process.manager.observing import concerned, innermost
from milepost.process.manager.schemas import schema_of
from milepost.process.manager.watching import AllDecisions

StageAddress = int | str


class DecisionCalls:
    """What a manager does with decisions. A stage is addressed by its number or its name."""

    _inside: Inside
    config: dict[str, object]

    # Decision points

    def register_decision_point(
        self,
        stage: StageAddress,
        schema: object = dict,
        required: bool = True,
        defaults: Mapping[str, object] | None = None,
        *,
        caching: bool = True,
    ) -> None:
        """Declare what may be decided for a stage; registering it again replaces it.

        `schema` is `dict` (anything), a mapping of names to types, a TypedDict, a dataclass, a msgspec.Struct or a
        pydantic model. `defaults` fill what is not chosen. Raises DefinitionError, InvalidDataError.
        """
        inside = self._inside
        found = inside.names.id_of(stage)
        point = StagePoint(
            schema=schema_of(schema, inside.names.text_of(found)), required=required, defaults=dict(defaults or {})
        )
        with inside.lock:
            inside.points.register(found, point)
            (inside.uncached.discard if caching else inside.uncached.add)(found)
            inside.changed()

    def register_stages(self, config: Mapping[str, object]) -> None:
        """Take names, numbers and default decisions of CONFIG's stages; doing it again changes nothing.

        Raises DefinitionError for a CONFIG that cannot be.
        """
        inside, stages = self._inside, read_config(config).stages
        with inside.lock:
            inside.names.add({name: stage.sequence for name, stage in stages.items()})
            for name, stage in stages.items():
                found = inside.names.id_of(name)
                if found not in inside.points.of:
                    point = StagePoint(schema=schema_of(dict, name), required=False, defaults=stage.decisions)
                    inside.points.register(found, point)
            inside.changed()
        self.config = self.config or dict(config)

    # Decisions

    def make_decisions(
        self,
        stage: StageAddress,
        values: object,
        apply_defaults: bool = True,
        *,
        replace: bool = False,
        note: str | None = None,
    ) -> None:
        """Choose for a stage: what is not named keeps its value, or its default; with `replace` only the default.

        Committed on return. Raises InvalidDataError, DecisionValidationError, UnkeyableError, and changes nothing then.
        """
        inside = self._inside
        with inside.lock:
            found = inside.names.id_of(stage)
            accepted = inside.points.chosen(
                inside.decided, found, values, apply_defaults=apply_defaults, replace=replace
            )
            after = inside.points.after(inside.decided, found, accepted, apply_defaults=apply_defaults, replace=replace)
            inside.decide(self, after, {(found, name): "chosen" for name in accepted}, note)

    def record_decisions(
        self, stage: StageAddress, values: Mapping[str, object], *, note: str | None = None, source: str = "chosen"
    ) -> None:
        """Record decisions whose names are the caller's own, beside those of the schema. Raises UnkeyableError."""
        inside = self._inside
        with inside.lock:
            found = inside.names.id_of(stage)
            given = inside.points.keyable(found, values)
            after = inside.points.after(inside.decided, found, given, apply_defaults=True, replace=False)
            inside.decide(self, after, {(found, name): source for name in given}, note)

    @property
    def current_decisions(self) -> AllDecisions:
        """What is decided, by stage number or name. In a computation: as it was when that began."""
        return self._read(of_defaults=False)

    @property
    def default_values(self) -> AllDecisions:
        """The defaults, by stage number or name."""
        return self._read(of_defaults=True)

    def _read(self, *, of_defaults: bool) -> AllDecisions:
        readers, here = concerned(self), innermost(self)
        snapshot = here.snapshot if here is not None else self._inside.snapshot()

        def saw(stage: StageId | None, name: str | None, only_keys: bool) -> None:
            for one in readers:
                one.saw(stage, name, only_keys, of_defaults=of_defaults)
                if one.snapshot.version != snapshot.version:
                    one.problems["decisions were changed while a thread without its context read them"] = None

        return AllDecisions(self._inside.names, snapshot.defaults if of_defaults else snapshot.decisions, saw)

    def get_stage_decision(self, stage: StageAddress, name: str | None = None, default: object = None) -> Any:
        """One decision of a stage, `default` where there is none; without a name all of them, as a dict."""
        of_stage = self.current_decisions.get(stage)
        if of_stage is None:
            return {} if name is None else default
        return dict(of_stage) if name is None else of_stage.get(name, default)

    def get_default_values(self, stage: StageAddress) -> dict[str, object]:
        """The defaults of a stage, a copy."""
        return dict(self.default_values.get(stage, {}))

    def update_default_values(self, stage: StageAddress, values: Mapping[str, object]) -> None:
        """Change some of a stage's defaults; what was chosen stays. Raises InvalidDataError."""
        inside = self._inside
        with inside.lock:
            inside.points.update_defaults(inside.names.id_of(stage), values)
            inside.changed()
            if inside.hold.underway is not None:
                inside.synced(self)

    @property
    def decision_points(self) -> dict[StageId, dict[str, object]]:
        """The decision points, by stage: schema, required, defaults."""
        inside = self._inside
        return {
            inside.names.shown(stage): {
                "schema": point.schema.declared,
                "required": point.required,
                "defaults": own_copy(point.defaults),
            }
            for stage, point in inside.points.of.items()
        }

    def decisions(self) -> dict[str, dict[str, object]]:
        """What is decided, a plain copy: stage name -> decision -> value."""
        return {str(stage): dict(values) for stage, values in self.current_decisions.items()}
