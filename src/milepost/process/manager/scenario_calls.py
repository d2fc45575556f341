"""Scenarios as `ProcessManager` offers them: the manager's decisions of all stages under a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from milepost.errors import InvalidDataError, ScenarioStateError
from milepost.kernel.clock import SYSTEM
from milepost.model.fingerprint.preview import preview
from milepost.process.decisions.recording import in_json
from milepost.process.manager.deciding import Decided
from milepost.process.manager.inside import Inside
from milepost.process.manager.naming import StageId

if TYPE_CHECKING:
    from milepost.process.comparing.scenario_comparison import ScenarioComparison
    from milepost.process.decisions.scenarios import Scenario, Scenarios


class ScenarioCalls:
    """What a manager does with scenarios. Names and ids both address one."""

    _inside: Inside

    def save_current_scenario(self, name: str, *, note: str | None = None) -> str:
        """Keep what is decided now under this name, as its next version where there is one; gives the scenario's id."""
        inside = self._inside
        inside.synced(self)
        decisions = {
            inside.names.text_of(stage): {
                name: value for name, value in values.items() if not self._is_secret_default(stage, name, value)
            }
            for stage, values in inside.snapshot().decisions.items()
        }
        return self._scenarios().save(name, decisions, note=note).id

    def get_saved_scenarios(self) -> list[dict[str, object]]:
        """The scenarios of this process, oldest first: name, id, timestamp, version, who, note."""
        return [_described(scenario) for scenario in self._scenarios().all()]

    @property
    def saved_scenarios(self) -> list[dict[str, object]]:
        """The same with their decisions."""
        scenarios = self._scenarios().all()
        return [{**_described(one), "decisions": self._shown(one.decisions)} for one in scenarios]

    def load_scenario(self, scenario: str) -> None:
        """Decide exactly what was saved: what it does not name goes back to its default. Committed on return.

        Raises UnknownScenarioError, and ScenarioStateError for one that does not fit the decision points any more.
        """
        found = self._scenarios().get(scenario)
        inside = self._inside
        with inside.lock:
            after = self._decided_by(found)
            inside.decide(self, after, _as_chosen(after), f"scenario {found.name}")

    def rename_scenario(self, scenario: str, new: str) -> None:
        """Give a scenario another name; its id stays."""
        self._scenarios().rename(scenario, new)

    def delete_scenario(self, scenario: str) -> None:
        """Take a scenario out of the list."""
        self._scenarios().remove(scenario)

    def compare_scenarios(self, scenarios: Iterable[str]) -> ScenarioComparison:
        """What differs between scenarios, in the order asked for, with the results that each has."""
        from milepost.process.comparing.scenario_comparison import compare_scenarios

        if not isinstance(scenarios, Iterable) or isinstance(scenarios, str | bytes):
            raise ScenarioStateError(f"compare_scenarios takes a list of names or ids, not {preview(scenarios, 80)}")
        saved, place, names = self._scenarios(), self._inside.hold.workspace, self._inside.names
        return compare_scenarios(
            place.store,
            place.objects,
            place.path / "runs",
            [saved.get(one) for one in scenarios],
            now=SYSTEM.now(),
            stage_of=lambda text: names.shown(names.id_of(text)),
        )

    def run_scenario(self, scenario: str, stages: Iterable[int | str]) -> dict[int | str, Any]:
        """The data of these stages under a scenario's decisions, as a run of its own that is listed under its name.

        Meanwhile the scenario's decisions are this manager's; what was decided before holds again afterwards.
        """
        inside = self._inside
        found = self._scenarios().get(scenario)
        after, before = self._decided_by(found), inside.decided
        with inside.hold.aside(found.name):
            try:
                inside.decide(self, after, _as_chosen(after), None)
                return {stage: self.get_stage_data(stage) for stage in stages}  # type: ignore[attr-defined]
            finally:
                inside.let_hold(before)

    def _scenarios(self) -> Scenarios:
        from milepost.process.decisions.scenarios import Scenarios

        place, inside = self._inside.hold.workspace, self._inside
        points = {
            inside.names.text_of(stage): {
                name: inside.points.point(stage, name) for name in point.schema.annotations or {}
            }
            for stage, point in inside.points.of.items()
        }
        return Scenarios(place.store, place.objects, inside.hold.process, points=points)

    def _is_secret_default(self, stage: StageId, name: str, value: object) -> bool:
        """Whether it is a secret that nobody chose: what its default is when the scenario is loaded will stand."""
        if name in self._inside.decided.chosen.get(stage, {}):
            return False
        written = in_json(self._inside.points.point(stage, name), value)
        return written is not None and written.is_redacted

    def _shown(self, decisions: Mapping[str, Mapping[str, object]]) -> dict[StageId, dict[str, object]]:
        names = self._inside.names
        return {names.shown(names.id_of(stage)): dict(values) for stage, values in dict(decisions).items()}

    def _decided_by(self, scenario: Scenario) -> Decided:
        inside, kept = self._inside, dict(scenario.decisions)
        given = {inside.names.id_of(stage): dict(values) for stage, values in kept.items()}
        for path in scenario.left_out:
            text, _, name = path.rpartition(".")
            stage = inside.names.id_of(text)
            if name not in inside.decided.chosen.get(stage, {}):
                raise InvalidDataError(
                    f"scenario {scenario.name!r} does not keep {path}, which is secret or cannot be stored: decide it "
                    f"first with make_decisions({stage!r}, {{{name!r}: …}}), then load the scenario",
                    scenario=scenario.name,
                    decision=path,
                )
            given.setdefault(stage, {})[name] = inside.decided.chosen[stage][name]
        try:
            chosen = {
                stage: inside.points.chosen(Decided(), stage, values, apply_defaults=True, replace=True)
                for stage, values in given.items()
                if values
            }
        except InvalidDataError as error:
            raise ScenarioStateError(
                f"scenario {scenario.name!r} does not fit the decision points as they are now: {error}",
                scenario=scenario.name,
            ) from error
        return Decided(chosen=chosen)


def _as_chosen(decided: Decided) -> dict[tuple[StageId, str], str]:
    return {(stage, name): "chosen" for stage, values in decided.chosen.items() for name in values}


def _described(scenario: Scenario) -> dict[str, object]:
    return {
        "name": scenario.name,
        "id": scenario.id,
        "timestamp": datetime.fromtimestamp(scenario.at, UTC).isoformat(),
        "version": scenario.version,
        "who": scenario.who,
        "note": scenario.note,
    }
