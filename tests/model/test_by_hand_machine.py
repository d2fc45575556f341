"""Any sequence of calls, folded from its facts, gives the same state; refused calls change nothing."""

import copy

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.errors import MilepostError
from milepost.model.by_hand import facts, stage_rules, substage_rules, summary
from milepost.model.by_hand.machine import StageMachine
from milepost.model.by_hand.specs import read_config

SPEC = read_config(
    {
        "available_algorithms": ["fast", "exact"],
        "stages": {
            "load": {"sequence": 1, "repeatable": True, "decisions": {"limit": {"rows": 10}}},
            "check": {"sequence": 2, "optional": True},
            "work": {
                "sequence": 3,
                "repeatable": True,
                "auto_complete_on_substages": True,
                "substages": {
                    "a": {"weight": 2, "auto_start": True},
                    "b": {"dependencies": ["a"], "auto_start": True, "required": True},
                    "c": {"optional": True},
                },
            },
            "items": {"sequence": 4, "loop": True, "repeatable": True, "auto_complete_on_substages": True},
            "report": {"sequence": 5, "requires_previous": False, "dependencies": ["work"]},
        },
    }
)
STAGE = st.sampled_from([*SPEC.stages, 1, 3, "wrok"])
SUB = st.sampled_from(["a", "b", "c", 1, "x", "y", "z"])
TOLD = st.one_of(st.floats(-0.1, 1.5), st.just(float("nan")), st.just("half"))

CALLS = st.one_of(
    st.tuples(st.just("start"), STAGE, st.sampled_from([None, None, "fast", "fsat"]), st.sampled_from([None, None, 2])),
    st.tuples(st.just("track"), STAGE, TOLD),
    st.tuples(st.just("decide"), STAGE, st.sampled_from(["limit", "other"]), st.sampled_from([{"rows": 3}, {}, 7])),
    st.tuples(st.just("complete"), STAGE),
    st.tuples(st.just("fail"), STAGE),
    st.tuples(st.just("skip"), STAGE),
    st.tuples(st.just("sub_start"), STAGE, SUB),
    st.tuples(st.just("sub_track"), STAGE, SUB, TOLD),
    st.tuples(st.just("sub_complete"), STAGE, SUB),
    st.tuples(st.just("sub_fail"), STAGE, SUB),
    st.tuples(st.just("sub_skip"), STAGE, SUB),
    st.tuples(st.just("taken_up")),
)  # fmt: skip


def called(machine, at, call, stage=None, *given):
    """The facts of one call, as a handler makes them. Raises what the rules raise."""
    match call:
        case "start":
            return stage_rules.start(machine, stage, given[0], at=at, items_total=given[1])
        case "track":
            return stage_rules.track(machine, stage, given[0], f"at {at}", {"at": at}, at=at)
        case "decide":
            standing = machine.find(stage)
            value = stage_rules.decide(standing.spec, *given)
            return [facts.DecisionRecorded(stage=standing.name, at=at, decision=given[0], value=value)]
        case "complete":
            standing = stage_rules.check_complete(machine, stage)
            return [facts.StageCompleted(stage=standing.name, at=at, address="o1-x", result=[at])]
        case "fail":
            return [facts.StageFailed(stage=machine.find(stage).name, at=at, error="no")]
        case "skip":
            return stage_rules.skip(machine, stage, "not today", at=at)
        case "sub_start":
            return substage_rules.start(machine, stage, given[0], at=at)
        case "sub_track":
            return substage_rules.track(machine, stage, given[0], given[1], "", None, at=at)
        case "sub_complete":
            name, sub = substage_rules.check_complete(machine, stage, given[0])
            done = facts.SubstageCompleted(stage=name, at=at, substage=sub, packed=b"r", result="r")
            return [done, *substage_rules.after_substage(machine.find(name), sub, at=at)]
        case "sub_fail":
            name, sub = substage_rules.find_failed(machine, stage, given[0])
            return [facts.SubstageFailed(stage=name, at=at, substage=sub, error="no")]
        case "sub_skip":
            return substage_rules.skip(machine, stage, given[0], "not today", at=at)


def seen(machine):
    """All that a program can see of a process."""
    return copy.deepcopy(([standing.document for standing in machine.stages.values()], summary.of_process(machine)))


def read_back(fact):
    """The fact as its row gives it, with what rows keep elsewhere."""
    row = facts.fact_of(fact.kind, fact.stage, fact.at, fact.json)
    return msgspec.structs.replace(row, **{name: getattr(fact, name) for name in fact.memory})


@settings(max_examples=300, deadline=None)
@given(st.lists(CALLS, max_size=40))
def test_folding_what_happened_gives_the_same_state(calls):
    """Each refused call leaves everything as it was; the facts of the others, read back, fold to what was seen live."""
    machine, happened = StageMachine("p", SPEC), []
    for at, call in enumerate(calls):
        if call[0] == "taken_up":
            machine.session += 1
            continue
        before = seen(machine)
        try:
            new = called(machine, float(at), *call)
        except MilepostError:
            assert before == seen(machine)
            continue
        assert before == seen(machine)  # deciding is not doing
        machine.apply(new)
        happened += [(machine.session, fact) for fact in new]
    again = StageMachine("p", SPEC)
    for session, fact in happened:
        again.session = session
        again.apply([read_back(fact)])
    assert seen(machine) == seen(again)


@settings(max_examples=300, deadline=None)
@given(st.lists(CALLS, max_size=40))
def test_what_always_holds(calls):
    """Progress stays from 0 to 1 and never falls while a stage goes on; done is all; counts of items add up."""
    machine = StageMachine("p", SPEC)
    for at, call in enumerate(calls):
        if call[0] == "taken_up":
            continue
        before = {name: (one.iteration, one.attempt, one.progress) for name, one in machine.stages.items()}
        try:
            machine.apply(called(machine, float(at), *call))
        except MilepostError:
            continue
        for name, standing in machine.stages.items():
            assert 0.0 <= standing.progress <= 1.0
            if before[name][:2] == (standing.iteration, standing.attempt):
                assert standing.progress >= before[name][2]
            if standing.state == "completed":
                assert standing.progress == 1.0
                assert standing.under_way() == []
            items = [sub for sub in standing.substages.values() if sub.spec is None]
            assert len(items) == sum(standing.items.values())
            assert standing.items_done == sum(sub.is_done for sub in items)
            assert standing.items_failed == sum(sub.state == "failed" for sub in items)
