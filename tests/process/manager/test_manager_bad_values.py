"""Whatever is handed to a manager or handler is taken, or refused by an error that says what is wrong with it."""

import math

import pytest

from milepost import ProcessManager
from milepost.errors import InvalidDataError, MilepostError, ScenarioStateError, UnknownScenarioError
from milepost.process import ProcessStageHandler

CONFIG = {"stages": {"load": {"sequence": 1}, "score": {"sequence": 2, "substages": {"part": {"sequence": 1}}}}}


class WithoutText:
    def __repr__(self):
        raise RuntimeError("it has none")


class WithoutTruth:
    def __bool__(self):
        raise RuntimeError("neither")


def circle():
    made = []
    made.append(made)
    return made


def deep():
    made = []
    for _ in range(100_000):
        made = [made]
    return made


def values():
    """Values that are refused, stored aside, or taken."""
    return [math.nan, 10**5000, circle(), deep(), (_ for _ in ""), lambda: 1, WithoutText(), WithoutTruth(), "\ud800"]


def names():
    """What is no name."""
    return ["", " ", "a\0b", "a\nb", "\x1b[31m", "\ud800", "x" * 10_000_000, None, -1.5, 10**5000, b"x", WithoutText()]


def said(call, *arguments, **named):
    """What a call says when it is refused: one paragraph of ours that can be printed."""
    try:
        call(*arguments, **named)
    except MilepostError as error:
        text = str(error)
        assert len(text) < 700
        assert "\n" not in text
        text.encode()
        return text
    return ""


@pytest.mark.parametrize("number", range(len(values())))
def test_any_value_as_decision_result_and_message(made, number):
    """It is recorded or refused, and the manager and its handler go on working."""
    value = values()[number]
    manager = made(config=CONFIG)
    handler = ProcessStageHandler(manager, CONFIG)
    handler.initialize_process("p", value)
    handler.start_stage("load")
    said(manager.make_decisions, 1, {"v": value})
    said(manager.make_decisions, 1, value)
    said(manager.make_decisions, 1, {"w": 1}, note=value)
    said(manager.update_default_values, 1, {"d": value})
    said(manager.save_current_scenario, "s", note=value)
    said(manager.register_decision_point, 9, value)
    said(handler.record_stage_decision, "load", "name", {"v": value})
    said(handler.track_progress, "load", value, "m", {"v": value})
    said(handler.track_progress, "load", 0.5, value, value)
    said(handler.complete_stage, "score", False, {"error": value})
    said(handler.complete_stage, "load", True, {"v": value, "metrics": {"a": value}})
    said(ProcessManager, config=value)
    manager.make_decisions(1, {"after": 2})
    assert manager.current_decisions[1]["after"] == 2
    assert handler.get_process_summary()["stages"]["load"]["status"] == "completed"
    handler.close()


@pytest.mark.parametrize("number", range(len(names())))
def test_what_is_no_name_is_refused_in_a_short_sentence(made, number):
    """For projects, processes, stages, decisions, scenarios and runs."""
    name = names()[number]
    manager = made(config=CONFIG)
    manager.make_decisions(1, {"a": 1})
    handler = ProcessStageHandler(manager, CONFIG)
    handler.initialize_process("p")
    assert name in ("", None) or said(ProcessManager, None, name)
    for call in (handler.initialize_process, handler.start_stage, handler.get_stage_status, manager.get_stage_data):
        assert said(call, name), call
    for call in (manager.load_scenario, manager.save_current_scenario, manager.delete_scenario, handler.open_process):
        assert said(call, name), call
    assert said(manager.make_decisions, 1, {name: 1})
    assert said(handler.record_stage_decision, "load", name, {"a": 1})
    assert said(handler.start_substage, "score", name)
    assert said(manager.store_generated_data, name, 1)
    assert said(manager.compare_scenarios, [name])
    handler.close()


def test_a_name_alone_is_no_list_of_scenarios(made):
    """Its letters are not looked up one by one."""
    manager = made()
    manager.save_current_scenario("ab")
    for asked in ("ab", None, 3):
        with pytest.raises(ScenarioStateError, match="takes a list of names or ids"):
            manager.compare_scenarios(asked)
    with pytest.raises(UnknownScenarioError):
        manager.compare_scenarios([None])


def test_a_note_is_a_text(made):
    """A long one is cut, and one that UTF-8 cannot hold is written with escapes."""
    manager = made()
    with pytest.raises(InvalidDataError, match="a note is a text that says why, not 3"):
        manager.make_decisions(1, {"a": 1}, note=3)
    assert manager.decisions() == {}
    manager.save_current_scenario("s", note="\ud800" + "x" * 10_000_000)
    assert len(manager.get_saved_scenarios()[0]["note"]) < 3_000
