"""Decision points, and what becomes of decisions."""

import dataclasses
import json
from typing import Annotated, Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest

from milepost import ProcessManager, Workspace
from milepost.errors import DecisionValidationError, DefinitionError, InvalidDataError, UnkeyableError
from milepost.model.rows import DecisionRow, RunRow


class Inner(TypedDict):
    threshold: float
    mode: NotRequired[Literal["fast", "exact"]]


class Typed(TypedDict):
    parameter1: str
    parameter2: int
    inner: NotRequired[Inner]
    mode: NotRequired[Literal["fast", "exact"]]


@dataclasses.dataclass
class Data:
    parameter1: str
    parameter2: int = 10
    fields: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        if self.parameter2 > 100:
            raise ValueError("parameter2 is at most 100")


class Struct(msgspec.Struct):
    parameter1: str
    parameter2: Annotated[int, msgspec.Meta(ge=0)] = 10


class Model(pydantic.BaseModel):
    parameter1: str
    parameter2: int = pydantic.Field(10, ge=0)


def rows(manager):
    return [
        (row.stage, row.name, json.loads(row.value), row.source)
        for row in manager.underway.store.rows(DecisionRow, run=manager.underway.id)
    ]


@pytest.mark.parametrize("schema", [Data, Struct, Model])
def test_schemas_with_defaults_of_their_own(made, schema):
    """What a schema's class gives as default fills what is missing; what it requires is required."""
    manager = made()
    manager.register_decision_point(1, schema)
    with pytest.raises(InvalidDataError) as caught:
        manager.make_decisions(1, {"parameter2": 3})
    assert str(caught.value) == "Missing required keys: parameter1"
    manager.make_decisions(1, {"parameter1": "a"})
    assert manager.current_decisions[1]["parameter2"] == 10
    manager.make_decisions(1, schema(parameter1="b", parameter2=3))
    assert (manager.get_stage_decision(1, "parameter1"), manager.get_stage_decision(1, "parameter2")) == ("b", 3)


@pytest.mark.parametrize("schema", [Typed, Data, Struct, Model, {"parameter1": str, "parameter2": int}])
def test_a_boolean_is_no_int(made, schema):
    """Nor is None a text; each refusal names stage, decision, value and what is wanted, and nothing changes."""
    manager = made()
    manager.register_decision_point(1, schema)
    manager.make_decisions(1, {"parameter1": "a", "parameter2": 1})
    with pytest.raises(DecisionValidationError) as caught:
        manager.make_decisions(1, {"parameter2": True})
    assert str(caught.value) == "stage '1': decision 'parameter2' = True does not fit: Expected `int`, got `bool`"
    with pytest.raises(DecisionValidationError, match="'parameter1' = None does not fit: Expected `str`, got `null`"):
        manager.make_decisions(1, {"parameter1": None})
    assert manager.decisions() == {"1": {**manager.decisions()["1"], "parameter1": "a", "parameter2": 1}}


def test_messages_are_sorted_and_exact(made):
    """The documented text, and all that is wrong at once."""
    manager = made()
    manager.register_decision_point(stage=1, schema=Typed)
    with pytest.raises(InvalidDataError) as caught:
        manager.make_decisions(1, {"parameter1": "value1"})
    assert str(caught.value) == "Missing required keys: parameter2"
    with pytest.raises(InvalidDataError) as caught:
        manager.make_decisions(1, {})
    assert str(caught.value) == "Missing required keys: parameter1, parameter2"
    with pytest.raises(InvalidDataError) as caught:
        manager.make_decisions(1, {"parameter2": 1, "parameter1": "a", "paramter1": 2})
    assert str(caught.value) == "stage '1' takes no decision 'paramter1'. Did you mean 'parameter1'?"
    with pytest.raises(DecisionValidationError) as caught:
        manager.make_decisions(1, {"parameter2": "x", "parameter1": 1})
    assert str(caught.value) == (
        "stage '1': decision 'parameter1' = 1 does not fit: Expected `str`, got `int`; "
        "stage '1': decision 'parameter2' = 'x' does not fit: Expected `int`, got `str`"
    )
    assert manager.underway is None  # nothing was recorded


def test_nested_and_literal_types(made):
    """The path inside the value is in the message."""
    manager = made()
    manager.register_decision_point(1, Typed)
    good = {"parameter1": "a", "parameter2": 1, "inner": {"threshold": 0.5}, "mode": "fast"}
    manager.make_decisions(1, good)
    assert manager.decisions()["1"] == good
    with pytest.raises(DecisionValidationError, match=r"Expected `float`, got `str` - at `\$.threshold`"):
        manager.make_decisions(1, {"inner": {"threshold": "high"}})
    with pytest.raises(DecisionValidationError, match="Invalid enum value 'slow'"):
        manager.make_decisions(1, {"mode": "slow"})
    with pytest.raises(DecisionValidationError, match=r"Invalid enum value 'slow' - at `\$.mode`"):
        manager.make_decisions(1, {"inner": {"threshold": 1.0, "mode": "slow"}})


def test_what_a_class_checks_as_a_whole(made):
    """Constructors and models have the last word."""
    manager = made()
    manager.register_decision_point(1, Data)
    with pytest.raises(DecisionValidationError, match="do not fit together: parameter2 is at most 100"):
        manager.make_decisions(1, {"parameter1": "a", "parameter2": 101})
    manager.register_decision_point(2, Model)
    with pytest.raises(DecisionValidationError, match="greater than or equal to 0"):
        manager.make_decisions(2, {"parameter1": "a", "parameter2": -1})


def test_a_later_partial_decision_resets_nothing(made):
    """A patch; `replace` alone lets go of what is not named; a removed key is a row that says so."""
    manager = made()
    manager.register_decision_point(1, dict, defaults={"a": 1, "b": 2})
    manager.make_decisions(1, {"a": 10, "c": 3})
    manager.make_decisions(1, {"b": 20})
    assert manager.decisions() == {"1": {"a": 10, "b": 20, "c": 3}}
    manager.make_decisions(1, {"b": 30}, replace=True)
    assert manager.decisions() == {"1": {"a": 1, "b": 30}}
    assert [row for row in rows(manager) if row[1] == "c"] == [("1", "c", 3, "chosen"), ("1", "c", None, "removed")]
    assert [row for row in rows(manager) if row[1] == "a"] == [
        ("1", "a", 10, "chosen"), ("1", "a", 1, "default"),
    ]  # fmt: skip


def test_defaults_fill_only_what_is_missing(made):
    """Also later changes of them; they are recorded as what they are."""
    manager = made()
    manager.register_decision_point(1, {"a": int, "b": int}, defaults={"a": 1, "b": 2})
    manager.make_decisions(1, {"a": 5})
    manager.update_default_values(1, {"a": 7, "b": 8})
    assert manager.decisions() == {"1": {"a": 5, "b": 8}}
    assert manager.get_default_values(1) == {"a": 7, "b": 8}
    assert rows(manager)[-1] == ("1", "b", 8, "default")
    with pytest.raises(DecisionValidationError):
        manager.update_default_values(1, {"a": "x"})
    with pytest.raises(InvalidDataError, match="Did you mean 'a'|takes no decision"):
        manager.update_default_values(1, {"aa": 1})
    assert manager.default_values[1] == {"a": 7, "b": 8}


def test_defaults_can_be_declined(made):
    """apply_defaults=False: what is required has to be given."""
    manager = made()
    manager.register_decision_point(1, {"a": int, "b": int}, defaults={"a": 1, "b": 2})
    with pytest.raises(InvalidDataError, match="^Missing required keys: b$"):
        manager.make_decisions(1, {"a": 5}, apply_defaults=False)
    manager.make_decisions(1, {"a": 5, "b": 6}, False)
    assert manager.decisions() == {"1": {"a": 5, "b": 6}}


def test_a_point_with_complete_defaults_is_decided(made, place):
    """Its defaults hold and are recorded as such when the stage is asked for."""
    manager = made()
    manager.register_decision_point(1, {"a": int}, defaults={"a": 1})
    assert place.store.rows(RunRow) == []
    assert manager.get_stage_data(1)["status"] == "success"
    assert rows(manager) == [("1", "a", 1, "default")]


def test_a_required_point_without_defaults_wants_decisions(made):
    """Anything goes, but something has to be decided."""
    manager = made()
    manager.register_decision_point(stage=1, schema=dict, required=True, defaults={})
    for attempt in (lambda: manager.make_decisions(1, {}), lambda: manager.get_stage_data(1)):
        with pytest.raises(InvalidDataError, match="stage '1' requires decisions and none was made"):
            attempt()
    manager.make_decisions(1, {"a": None})
    assert manager.decisions() == {"1": {"a": None}}


def test_stages_that_do_not_exist(made):
    """Without any decision point everything goes; with some, a stage without one is refused."""
    manager = made()
    manager.make_decisions(999, {"a": 1})
    manager.register_decision_point(1, dict, defaults={"a": 1})
    with pytest.raises(InvalidDataError) as caught:
        manager.make_decisions(998, {"a": 1})
    assert str(caught.value) == "decision for '998': no such stage. Known: 1."
    for nonsense in (None, 1.5, True, "", "x" * 300, b"1"):
        with pytest.raises(InvalidDataError, match="a stage is a number or a name"):
            manager.make_decisions(nonsense, {"a": 1})


def test_what_is_no_decision(made):
    """A mapping of names to values that have a fingerprint."""
    manager = made()
    with pytest.raises(InvalidDataError, match="decisions are a mapping of names to values, not list"):
        manager.make_decisions(1, ["a"])
    with pytest.raises(InvalidDataError, match="a decision's name is a printable text of 1 to 200 characters, not 1"):
        manager.make_decisions(1, {1: "a"})
    with pytest.raises(UnkeyableError, match=r"decision 1.model\['layers'\]\[1\] has no fingerprint") as caught:
        manager.make_decisions(1, {"model": {"layers": [1, iter([])]}})
    assert caught.value.path == "decision 1.model['layers'][1]"
    with pytest.raises(DefinitionError, match="a schema is dict, a TypedDict"):
        manager.register_decision_point(1, int)


def test_names_and_numbers_address_one_stage(made, place):
    """Where a CONFIG names the numbers; the rows carry the name."""
    manager = made()
    manager.register_stages({"stages": {"data_loading": {"sequence": 1, "decisions": {"filters": ["x"]}}}})
    manager.make_decisions(1, {"parameter1": "value1"})
    manager.record_decisions("data_loading", {"selections": {"apply": True}})
    expected = {"filters": ["x"], "parameter1": "value1", "selections": {"apply": True}}
    assert manager.current_decisions[1] == manager.current_decisions["data_loading"] == expected
    assert {row.stage for row in place.store.rows(DecisionRow)} == {"data_loading"}
    assert manager.get_stage_data(1) == manager.get_stage_data("data_loading")
    with pytest.raises(InvalidDataError, match="no such stage. Did you mean 'data_loading'"):
        manager.make_decisions("data_loadin", {"a": 1})
    with pytest.raises(InvalidDataError, match="there is no stage 'data_loadin'. Did you mean 'data_loading'"):
        manager.get_stage_data("data_loadin")


def test_who_chose_what_when_and_why(made, place):
    """A decision's row has its default, user, host, time and note; a secret is in none of it."""
    manager = made()
    manager.register_decision_point(1, dict, defaults={"threshold": 0.5})
    manager.make_decisions(1, {"threshold": 0.9, "api_token": "hush-hush-hush"}, note="the strict one")
    row = place.store.get(DecisionRow, name="threshold")
    assert (row.value, row.default, row.note, bool(row.who), bool(row.host)) == (
        "0.9", "0.5", "the strict one", True, True,
    )  # fmt: skip
    secret = place.store.get(DecisionRow, name="api_token")
    assert secret.is_redacted
    assert "hush" not in secret.value


def test_decisions_cannot_be_changed_from_outside(made):
    """Neither in place nor through what was given."""
    manager = made()
    fields = ["x"]
    manager.make_decisions(1, {"fields": fields})
    fields.append("y")
    manager.current_decisions[1]["fields"].append("z")
    assert manager.decisions() == {"1": {"fields": ["x"]}}
    with pytest.raises(InvalidDataError, match=r"make_decisions\(1, \{…\}\) checks and records them"):
        manager.current_decisions[1]["fields"] = []
    with pytest.raises(InvalidDataError, match="decisions are not changed in place"):
        manager.current_decisions[2] = {}


def test_constructing_makes_nothing(tmp_path):
    """No workspace and no run until something is recorded."""
    manager = ProcessManager([1], workspace=tmp_path / "there")
    manager.register_decision_point(1, dict, defaults={"a": 1})
    assert manager.current_decisions == {1: {"a": 1}}
    assert not (tmp_path / "there").exists()
    manager.make_decisions(1, {"a": 2})
    manager.close()
    with Workspace.open(tmp_path / "there", create=False) as place:
        assert [run.process for run in place.store.rows(RunRow)] == ["ProcessManager"]


def test_a_point_registered_again_is_replaced(made):
    """As in a notebook; what is declared can be read."""
    manager = made()
    manager.register_decision_point(1, {"a": int}, defaults={"a": 1})
    manager.register_decision_point(1, {"b": int}, defaults={"b": 1})
    assert manager.decision_points == {1: {"schema": {"b": int}, "required": True, "defaults": {"b": 1}}}
    assert manager.decisions() == {"1": {"b": 1}}
