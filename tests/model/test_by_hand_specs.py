"""A CONFIG's stages as they are read, and how it is said what is wrong with them."""

import pytest

from milepost.errors import DefinitionError, InvalidDataError
from milepost.model.by_hand.specs import read_config

TEMPLATE = {
    "PROJECT_NAME": "calls",
    "use_db": False,
    "db_url": "sqlite:///data/production.db",
    "dummy_data_filepaths": {"calls": "data/calls.csv"},
    "available_algorithms": ["simple", "slow"],
    "algorithm_defaults": {"simple": {"threshold": 0.5}},
    "storage_strategy": {"mode": "memory"},
    "stages": {
        "loading": {
            "sequence": 1,
            "requires_previous": False,
            "validation_required": True,
            "decisions": {"selections": {"apply": False}, "time_periods": 1},
            "algorithms": [],
            "icon": "folder",
        },
        "processing": {
            "sequence": 2,
            "algorithms": ["simple"],
            "substages": {
                "read": {"sequence": 1, "description": "", "required": True, "weight": 0.3, "timeout_seconds": None},
                "join": {"sequence": 2, "optional": True, "dependencies": ["read"], "max_retries": 3},
            },
            "auto_complete_on_substages": True,
        },
    },
}


def test_a_project_s_configuration():
    """The shape that projects have is read as it is: scalar decisions, empty lists and their own fields included."""
    spec = read_config(TEMPLATE)
    loading, processing = spec.stages.values()
    assert ("loading", 1, False) == (loading.name, loading.sequence, loading.requires_previous)
    assert {"selections": {"apply": False}, "time_periods": 1} == loading.decisions
    assert () == loading.algorithms
    assert (0.3, True, None) == tuple(
        getattr(processing.substages["read"], field) for field in ("weight", "required", "timeout_seconds")
    )
    assert ("read",) == processing.substages["join"].dependencies
    assert 3 == processing.substages["join"].max_retries


@pytest.mark.parametrize(
    "config", [{}, {"stages": {}}, {"stages": None}, {"stages": {"a": None}}, {"stages": {"a": {}}}]
)
def test_little_is_needed(config):
    """No stages, and stages of which nothing is said, are no error."""
    assert all(stage.sequence == 1 for stage in read_config(config).stages.values())


def test_empty_lists_and_none_are_nothing():
    """Fields that are there and say nothing count as absent."""
    fields = {"algorithms": None, "decisions": [], "substages": [], "dependencies": (), "sequence": None}
    stage = read_config({"stages": {"a": fields}}).stages["a"]
    assert (1, (), {}, {}, ()) == (
        stage.sequence,
        stage.algorithms,
        stage.decisions,
        stage.substages,
        stage.dependencies,
    )


def test_stages_stand_in_their_sequence():
    """However they are written down; where no number is given, their place is it."""
    spec = read_config({"stages": {"b": {"sequence": 20}, "a": {"sequence": 10}, "c": {"sequence": 30}}})
    assert ["a", "b", "c"] == list(spec.stages)
    assert [1, 2] == [stage.sequence for stage in read_config({"stages": {"x": {}, "y": {}}}).stages.values()]


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"load": {"sequence": "first"}}, "stage 'load': field 'sequence': Expected int, got str"),
        ({"load": {"sequence": True}}, "stage 'load': field 'sequence': Expected int, got bool"),
        ({"load": {"requires_previous": 1}}, "stage 'load': field 'requires_previous': Expected bool, got int"),
        ({"load": {"requires_previos": False}}, "no field 'requires_previos'. Did you mean 'requires_previous'"),
        ({"load": {"algoritms": []}}, "Did you mean 'algorithms'"),
        ({"load": {"algorithms": "simple"}}, "stage 'load': field 'algorithms': Expected array, got str"),
        ({"load": {"decisions": 3}}, "stage 'load': field 'decisions': expected a mapping, got int"),
        ({"load": {"dependencies": ["laod"]}}, "stage 'load': field 'dependencies': there is no stage 'laod'. Did you"),
        ({"a": {"dependencies": ["b"]}, "b": {"dependencies": ["a"]}}, "circle|cycle"),
        ({"load": 7}, "stage 'load': expected a mapping, got int"),
        ({"load": {"substages": {"x": {"weight": -1}}}}, "substage 'x': field 'weight': Expected float >= 0"),
        ({"load": {"substages": {"x": {"wieght": 1}}}}, "substage 'x': there is no field 'wieght'. Did you mean"),
        ({"load": {"substages": {"x": {"dependencies": ["y"]}}}}, "substage 'x': field 'dependencies': there is no"),
        ({"load": {"substages": {"x": {"required": True, "optional": True}}}}, "'required' and 'optional' at once"),
        ({"load": {"required": True, "optional": True}}, "'required' and 'optional' at once"),
        ({"": {}}, "a name is a printable text of 1 to 200 characters"),
        ({"a\nb": {}}, "a name is a printable text of 1 to 200 characters"),
        ({"x" * 201: {}}, "a name is a printable text of 1 to 200 characters"),
        ({"a": {"substages": {"b": {}}}, "a/b": {}}, "'a/b' is called as a substage"),
        (["load"], "CONFIG..stages..: expected a mapping, got list"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_stage_and_field(stages, said):
    """Each mistake names the stage, the field, and what was meant."""
    with pytest.raises(DefinitionError, match=said):
        read_config({"stages": stages})


def test_numbers_mean_stages():
    """A sequence number is as good as a name, unless it belongs to two."""
    spec = read_config({"stages": {"a": {"sequence": 1}, "b": {"sequence": 2}, "c": {"sequence": 2}, 7: {}}})
    assert "a" == spec.find(1).name
    assert ("7", 7) == (spec.find("7").name, spec.find(7).sequence)
    with pytest.raises(InvalidDataError, match="several stages have this number, say which by name: 2 b, 2 c"):
        spec.find(2)
    with pytest.raises(InvalidDataError, match="no one stage number 5; there are: 1 a, 2 b"):
        spec.find(5)


@pytest.mark.parametrize("name", ["lodaing", True, None, ["loading"], "x" * 10_000_000])
def test_an_unknown_stage_is_an_error_of_moderate_length(name):
    """With the nearest name where there is one."""
    with pytest.raises(InvalidDataError) as raised:
        read_config(TEMPLATE).find(name)
    assert len(str(raised.value)) < 400
    if name == "lodaing":
        assert str(raised.value).endswith("Did you mean 'loading'?")


def test_required_false_is_optional():
    """Stages may say it either way."""
    stages = read_config({"stages": {"a": {"required": False}, "b": {"optional": True}, "c": {}}}).stages
    assert [True, True, False] == [stage.optional for stage in stages.values()]


@pytest.mark.parametrize(
    ("stage", "name", "said"),
    [
        ("processing", "simpel", "has no algorithm 'simpel'. Did you mean 'simple'"),
        ("loading", "slwo", "has no algorithm 'slwo'. Did you mean 'slow'"),  # of those that the process knows
        ("processing", "slow", "stage 'processing' has no algorithm 'slow'. Known: simple"),
        ("processing", 3, "has no algorithm 3"),
    ],
)
def test_an_unknown_algorithm(stage, name, said):
    """The nearest is suggested, from the stage's own or else the process's."""
    spec = read_config(TEMPLATE)
    with pytest.raises(InvalidDataError, match=said):
        spec.algorithm(spec.find(stage), name)


def test_what_an_algorithm_begins_with():
    """Its defaults, where it has some; where no algorithms are named anywhere any name will do."""
    spec = read_config(TEMPLATE)
    assert {"threshold": 0.5} == spec.algorithm(spec.find(1), "simple")
    assert {} == spec.algorithm(spec.find(1), "slow") == spec.algorithm(spec.find(1), None)
    free = read_config({"stages": {"a": {"algorithms": []}}})
    assert {} == free.algorithm(free.find("a"), "mine")
