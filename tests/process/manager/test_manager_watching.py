"""The mapping that computations read decisions from: a dict in all it does, and nothing it shows goes unnoted."""

import copy
import json
import pickle

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost import ProcessManager
from milepost.errors import InvalidDataError
from milepost.process.manager.naming import StageNames
from milepost.process.manager.watching import AllDecisions, ReadOnlyDict, StageDecisions

NAMES = ["a", "b", "c", "d"]
VALUES = st.one_of(st.integers(0, 3), st.lists(st.integers(0, 2), max_size=2), st.none())
CONTENT = st.dictionaries(st.sampled_from(NAMES), VALUES)

READS = {
    "getitem": lambda d, k, o: d[k],
    "get": lambda d, k, o: d.get(k),
    "get default": lambda d, k, o: d.get(k, o),
    "contains": lambda d, k, o: k in d,
    "len": lambda d, k, o: len(d),
    "bool": lambda d, k, o: bool(d),
    "iter": lambda d, k, o: list(d),
    "reversed": lambda d, k, o: list(reversed(d)),
    "keys": lambda d, k, o: list(d.keys()),
    "values": lambda d, k, o: list(d.values()),
    "items": lambda d, k, o: list(d.items()),
    "repr": lambda d, k, o: repr(d),
    "str": lambda d, k, o: f"{d} {d!r}",
    "eq": lambda d, k, o: d == o,
    "eq reflected": lambda d, k, o: o == d,
    "ne": lambda d, k, o: d != o,
    "or": lambda d, k, o: d | o,
    "ror": lambda d, k, o: o | d,
    "or number": lambda d, k, o: d | 3,
    "copy": lambda d, k, o: d.copy(),
    "copy.copy": lambda d, k, o: copy.copy(d),
    "deepcopy": lambda d, k, o: copy.deepcopy(d),
    "dict": lambda d, k, o: dict(d),
    "stars": lambda d, k, o: {**d},
    "call": lambda d, k, o: (lambda **named: named)(**d),
    "update": lambda d, k, o: {**o, **d},
    "json": lambda d, k, o: json.dumps(d),
    "json indented": lambda d, k, o: json.dumps(d, indent=1),
    "pickle": lambda d, k, o: pickle.loads(pickle.dumps(d)),
    "sorted": lambda d, k, o: sorted(d),
    "format_map": lambda d, k, o: "{a}".format_map(d),
    "percent": lambda d, k, o: "%(a)s" % d,  # noqa: UP031
    "fromkeys": lambda d, k, o: type(d).fromkeys("ab", 1) == dict.fromkeys("ab", 1),
    "match": lambda d, k, o: _matched(d),
    "hash": lambda d, k, o: hash(d),
    "less": lambda d, k, o: d < o,
    "unhashable key": lambda d, k, o: d[[]],
    "other key": lambda d, k, o: d.get(3),
    "union keys": lambda d, k, o: sorted(d.keys() & o.keys()),
    "isinstance": lambda d, k, o: isinstance(d, dict),
}


def _matched(d):
    match d:
        case {"a": found}:
            return found
    return "none"


def outcome(operation, mapping, key, other):
    """What an operation gives, or the kind of error it raises."""
    try:
        return operation(mapping, key, other)
    except (KeyError, TypeError) as error:
        return type(error)


class Noted:
    """Decisions with what was seen of them."""

    def __init__(self, content):
        self.names, self.whole = set(), False
        self.mapping = StageDecisions(1, content, self.saw)

    def saw(self, name):
        self.whole = self.whole or name is None
        self.names |= {name}

    def covers(self, name):
        return self.whole or name in self.names


@given(CONTENT, st.lists(st.sampled_from(sorted(READS)), max_size=4), st.sampled_from(NAMES), CONTENT)
def test_it_is_a_dict_in_all_that_a_dict_does(content, operations, key, other):
    """The same answers, the same errors."""
    noted = Noted(content)
    for operation in operations:
        assert outcome(READS[operation], noted.mapping, key, other) == outcome(READS[operation], content, key, other)
    assert set(dir(dict)) <= set(dir(noted.mapping))


@given(CONTENT, st.lists(st.sampled_from(sorted(READS)), max_size=4), st.sampled_from(NAMES), CONTENT, CONTENT)
def test_what_it_showed_is_noted(content, operations, key, other, changed):
    """Whoever reads it again, with all that was noted as it was, sees the same: whatever else changed."""
    noted = Noted(content)
    seen = [outcome(READS[operation], noted.mapping, key, other) for operation in operations]
    del noted.mapping  # handed on unread counts when it is let go
    if noted.whole:
        return
    again = {name: value for name, value in changed.items() if not noted.covers(name)}
    again |= {name: value for name, value in content.items() if noted.covers(name)}
    fresh = Noted(again).mapping
    assert [outcome(READS[operation], fresh, key, other) for operation in operations] == seen


def test_nothing_of_a_dict_is_left_as_it_is():
    """Every method and operator that shows or changes what is in a dict is overridden."""
    harmless = {
        "__class__", "__class_getitem__", "__delattr__", "__dir__", "__doc__", "__format__", "__getattribute__",
        "__getstate__", "__init_subclass__", "__new__", "__setattr__", "__str__", "__subclasshook__",
        "__lt__", "__le__", "__gt__", "__ge__",  # which dicts do not have
    }  # fmt: skip
    assert {name for name in dir(dict) if name not in harmless and name not in vars(ReadOnlyDict)} == set()


CHANGES = {
    "set": lambda d: d.__setitem__("a", 1), "delete": lambda d: d.__delitem__("a"), "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("a", None), "popitem": lambda d: d.popitem(), "setdefault": lambda d: d.setdefault("a", 1),
    "update": lambda d: d.update(a=1), "ior": lambda d: d.__ior__({"a": 1}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_it_refuses_to_be_changed(change):
    """With what to do instead."""
    content = {"a": 0}
    with pytest.raises(InvalidDataError, match=r"make_decisions\(1, "):
        CHANGES[change](Noted(content).mapping)
    assert content == {"a": 0}


def test_one_key_is_that_key_and_all_else_is_the_whole_stage():
    """The rule of the design."""
    one = Noted({"a": 1, "b": 2})
    assert (one.mapping["a"], one.mapping.get("zz"), "b" in one.mapping) == (1, None, True)
    assert (one.names, one.whole) == ({"a", "zz", "b"}, False)
    for operation in (len, list, bool, repr, dict):
        noted = Noted({"a": 1})
        operation(noted.mapping)
        assert noted.whole


class Parameters(pydantic.BaseModel):
    a: int = 5


class Struct(msgspec.Struct):
    a: int = 5


@pytest.mark.parametrize(
    "read", [Parameters.model_validate, lambda d: msgspec.convert(d, Struct), msgspec.json.encode, lambda d: None]
)
def test_what_is_handed_on_unread_counts_as_read(read):
    """Code in C looks into a dict without asking it."""
    noted = Noted({"a": 1})
    found = read(noted.mapping)
    assert getattr(found, "a", 1) == 1
    del noted.mapping
    assert noted.whole or (noted.names == {"a"} and read == Parameters.model_validate), noted.names


def test_all_decisions_by_stage():
    """Which stages there are is one thing, what they decide another."""
    seen = []
    names = StageNames()
    names.add({"load": 1})
    content = {1: {"a": 1}, 2: {"b": 2}}

    def decisions():
        seen.clear()
        return AllDecisions(names, content, lambda *what: seen.append(what))

    assert decisions()["load"]["a"] == decisions()[1]["a"] == decisions()["1"]["a"] == 1
    assert (1, "a", False) in seen
    assert decisions().get(3, {}) == {}
    assert seen == [(3, None, True)]
    assert list(decisions()) == ["load", 2]
    assert set(seen) == {(None, None, True)}
    assert decisions() == {"load": {"a": 1}, 2: {"b": 2}}
    assert (None, None, False) in seen
    assert json.loads(json.dumps(decisions())) == {"load": {"a": 1}, "2": {"b": 2}}
    with pytest.raises(KeyError):
        decisions()[7]
    assert None not in decisions()


@pytest.mark.parametrize(
    ("read", "change", "is_found"),
    [
        (lambda m: m.current_decisions[1]["a"], {"b": 9}, True),
        (lambda m: m.current_decisions[1]["a"], {"a": 9}, False),
        (lambda m: m.current_decisions[1].get("zz"), {"b": 9}, True),
        (lambda m: m.current_decisions[1].get("zz"), {"zz": 9}, False),
        (lambda m: dict(m.current_decisions[1]), {"b": 9}, False),
        (lambda m: len(m.current_decisions[1]), {"zz": 9}, False),
        (lambda m: m.current_decisions.get(5, {}).get("x"), {"b": 9}, True),
        (lambda m: m.get_stage_decision(1, "a"), {"b": 9}, True),
        (lambda m: m.get_stage_decision(1, "a"), {"a": 9}, False),
        (lambda m: m.get_stage_decision(1), {"b": 9}, False),
        (lambda m: m.decisions(), {"b": 9}, False),
        (lambda m: m.get_default_values(1), {"a": 9}, True),
        (lambda m: msgspec.convert(m.current_decisions[1], dict[str, int]), {"b": 9}, False),
        (lambda m: sorted(m.current_decisions), {"b": 9}, True),
    ],
)
def test_what_a_computation_looks_at_is_its_key(made, read, change, is_found):
    """Changed is what it read: computed again. Otherwise found."""

    class Reading(ProcessManager):
        def _compute_stage(self, stage):
            return read(self)

    manager = made(Reading)
    manager.make_decisions(1, {"a": 1, "b": 2})
    before = manager.get_stage_data(2).value
    manager.make_decisions(1, change)
    after = manager.get_stage_data(2)
    assert after.was_reused == is_found
    manager.make_decisions(1, {"a": 1, "b": 2}, replace=True)
    assert manager.get_stage_data(2).value == before
