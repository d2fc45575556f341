"""docs/reference.md names everything there is to name: what is undocumented fails here."""

import importlib
import inspect
import re

import click
import pytest
from doc_blocks import ROOT

import milepost
from milepost import errors
from milepost.cli.main import COMMANDS, Commands
from milepost.config import ProcessingConfig
from milepost.model.by_hand.specs import StageSpec, SubstageSpec
from milepost.model.status import ProcessingStatus, RunState, StageState
from milepost.process.comparing.scenario_comparison import ScenarioComparison
from milepost.process.decisions.scenarios import Scenarios
from milepost.process.definition import Process

REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "milepost").rglob("*.py")}


COMMANDS_SECTION = REFERENCE.partition("## Commands")[2].partition("### Exit codes")[0]
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| `([a-z]+).*$", COMMANDS_SECTION, re.MULTILINE)}


def is_named(word):
    """Whether the reference has it as code: alone or at the start of a longer piece."""
    return re.search(rf"`{re.escape(word)}(?![\w-])", REFERENCE) is not None


def command(name):
    module = importlib.import_module(f"milepost.cli.{COMMANDS[name][0]}")
    return getattr(module, f"{name}_command")


def test_every_public_name():
    """What `from milepost import …` gives."""
    assert [name for name in milepost.__all__ if not is_named(name)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option(name):
    """Each command has its row, and the row or the text above the table names each of its options."""
    row, common = ROWS[name], COMMANDS_SECTION.partition("| command |")[0]
    options = {
        flag for parameter in command(name).params if isinstance(parameter, click.Option) for flag in parameter.opts
    }
    assert sorted(flag for flag in options if f"`{flag}" not in row and f"`{flag}" not in common) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_that_is_not_there(name):
    """A row names no option that its command does not take."""
    options = {flag for parameter in command(name).params for flag in parameter.opts}
    assert [flag for flag in re.findall(r"`(--?[a-z-]+)", ROWS[name]) if flag not in options] == []


def test_every_option_of_stage_and_process():
    """The parameters of `@stage`, `Process.run` and `Process.plan`, and what a process has."""
    parameters = {*inspect.signature(milepost.stage).parameters} - {"function"}
    assert [name for name in parameters if not is_named(name)] == []
    for method in (Process.run, Process.plan):
        (signature,) = re.findall(rf"`{method.__name__}\((.*)\)`", REFERENCE)
        named = re.findall(r"\w+", signature.replace("=None", ""))
        assert named == [name for name in inspect.signature(method).parameters if name != "self"]


@pytest.mark.parametrize("handle", [milepost.Run, milepost.Stage])
def test_every_member_of_a_handle(handle):
    """What user code can call while it works."""
    members = {name for name in dir(handle("x")) if not name.startswith("_")}
    assert [name for name in members if not is_named(name)] == []


@pytest.mark.parametrize("kind", [milepost.ProcessManager, milepost.ProcessStageHandler, Scenarios, ScenarioComparison])
def test_every_member_of(kind):
    """What a program that calls its stages itself can ask of them, and of scenarios."""
    members = {name for one in kind.__mro__ if one.__module__.startswith("milepost.") for name in vars(one)}
    assert [name for name in sorted(members) if not name.startswith("_") and not is_named(name)] == []


def test_every_field_of_a_stage_in_a_config():
    """What CONFIG["stages"] may say of a stage and of a substage."""
    fields = {*StageSpec.__struct_fields__, *SubstageSpec.__struct_fields__} - {"name"}
    assert [name for name in sorted(fields) if not is_named(name)] == []


def test_every_setting():
    """Every field of the configuration, and every variable that the code reads by name."""
    read = {word for text in SOURCES.values() for word in re.findall(r"\bMILEPOST_[A-Z_]+[A-Z]\b", text)}
    fields = {f"MILEPOST_{field.upper()}" for field in ProcessingConfig.__struct_fields__}
    assert [name for name in sorted(read | fields) if not is_named(name)] == []


def test_every_error_with_its_exit_code():
    """Each class of the tree has a row with the exit code it has."""
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)]
    rows = [line for line in REFERENCE.partition("## Errors")[2].splitlines() if line.startswith("| `")]
    for kind in classes:
        if kind is errors.MilepostError:
            continue
        (row,) = [line for line in rows if f"`{kind.__name__}`" in line.split("|")[1]]
        codes = row.rstrip(" |").rsplit("|", 1)[1].strip()
        assert codes == str(getattr(kind, "exit_code", "130, 143")), kind


@pytest.mark.parametrize("states", [RunState, StageState, ProcessingStatus])
def test_every_state(states):
    """Runs, stages and items."""
    assert [state.value for state in states if not is_named(state.value)] == []


def test_every_kind_of_event():
    """Every event that is written, wherever it is."""
    pattern = r'"(run_[a-z]+|[a-z]+_requested|[a-z]+_reused)"'
    kinds = {word for text in SOURCES.values() for word in re.findall(pattern, text)}
    written = {word for word in kinds if word in _event_words()} | {f"run_{state}" for state in _endings()}
    assert written
    assert [kind for kind in sorted(written) if not is_named(kind)] == []


def _event_words():
    """What stands as the kind of an event: an argument of `EventRow` or of what makes one."""
    words = set()
    for text in SOURCES.values():
        if "EventRow" in text:
            words |= set(re.findall(r'"([a-z]+_[a-z_]+)"', text))
    return words


def _endings():
    return (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)


def test_the_help_and_the_reference_agree():
    """`milepost --help` lists the commands that the reference lists, in its order."""
    assert list(ROWS) == Commands().list_commands(click.Context(click.Command("milepost")))


def test_every_word_of_the_glossary_is_explained_once():
    """One word per idea."""
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*(.+?)\*\*", glossary, re.M)
    assert len(words) == len(set(words)) > 15
