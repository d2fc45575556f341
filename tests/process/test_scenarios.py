"""Scenarios: saved, run, renamed and removed; nothing that was saved is ever lost."""

import datetime
import subprocess
import sys
import textwrap
import time

import pytest

from milepost.errors import InvalidDataError, ObjectMissing, ScenarioStateError, UnknownScenarioError
from milepost.kernel.workspace import Workspace
from milepost.model.files import File
from milepost.model.rows import DecisionRow, RunRow, ScenarioRow
from milepost.model.status import StageState
from milepost.process.collecting import collect
from milepost.process.decisions.recording import values_of
from milepost.process.decisions.scenarios import Scenarios
from milepost.process.finding import find_scenario
from milepost.views.scenarios import list_scenarios

SALES = """
    from milepost import Process, stage

    @stage
    def orders(count: int = 4):
        return list(range(count))

    @stage
    def score(orders, threshold: float = 0.75, api_key: str = "none"):
        return [order * threshold for order in orders]

    sales = Process("sales", [orders, score])
"""


@pytest.fixture
def scenarios(workspace):
    return Scenarios(workspace.store, workspace.objects, "sales")


def plain(scenario):
    return {stage: dict(values) for stage, values in scenario.decisions.items()}


def names(scenarios):
    return [scenario.name for scenario in scenarios]


def test_a_scenario_is_run_and_what_it_shares_with_another_is_reused(workspace, load):
    """The second scenario reuses the stage whose decisions are the same; both runs bear their names."""
    sales = load(SALES)
    sales.save_scenario("strict", {"score.threshold": 0.9}, workspace=workspace)
    sales.save_scenario("loose", {"score": {"threshold": 0.1}}, workspace=workspace)
    strict = sales.run(scenario="strict", workspace=workspace)
    loose = sales.run(scenario="loose", workspace=workspace)
    assert strict.results["score"] == [0.0, 0.9, 1.8, 2.7]
    assert loose.stages == {"orders": StageState.REUSED, "score": StageState.COMPLETED}
    assert [row.scenario for row in workspace.store.rows(RunRow)] == ["strict", "loose"]
    assert sales.run(scenario="strict", workspace=workspace).stages["score"] is StageState.REUSED


def test_decisions_go_over_a_scenario_and_defaults_fill_the_rest(workspace, load):
    """Given, else the scenario's, else the default; what is planned is what is run."""
    sales = load(SALES)
    saved = sales.save_scenario("big", {"orders.count": 2, "score.threshold": 0.5}, workspace=workspace)
    settled = sales.settle({"score.threshold": 1.5}, scenario=saved.id, workspace=workspace)
    assert {path: choice.value for stage in settled.values() for path, choice in stage.items()} == {
        "count": 2, "threshold": 1.5, "api_key": "none",
    }  # fmt: skip
    run = sales.run({"score.threshold": 1.5}, scenario=saved.id, note="a try", workspace=workspace)
    assert run.results["score"] == [0.0, 1.5]
    assert workspace.store.get(RunRow, id=run.id).scenario == "big"
    rows = {row.name: (row.source, row.note) for row in workspace.store.rows(DecisionRow, run=run.id)}
    assert rows == {"count": ("chosen", "a try"), "threshold": ("chosen", "a try"), "api_key": ("default", None)}
    plan = sales.plan({"score.threshold": 1.5}, scenario="big", workspace=workspace)
    assert [stage.verdict for stage in plan.stages] == ["reuse", "reuse"]


def test_a_run_that_is_continued_takes_the_name_and_the_note(workspace, load):
    """A run that failed goes on under the scenario it is asked for now; the new note counts."""
    job = """
        import os
        from milepost import Process, stage

        @stage
        def only(limit: int = 1):
            if not os.environ.get("GOOD"):
                raise ValueError("no")
            return limit

        job = Process("job", [only])
    """
    import os

    process = load(job)
    with pytest.raises(Exception, match="no"):
        process.run({"only.limit": 2}, workspace=workspace)
    process.save_scenario("two", {"only.limit": 2}, workspace=workspace)
    os.environ["GOOD"] = "1"
    try:
        run = process.run(scenario="two", note="again", workspace=workspace)
    finally:
        del os.environ["GOOD"]
    (row,) = workspace.store.rows(RunRow)
    assert (row.id, row.scenario, row.state) == (run.id, "two", "completed")
    assert workspace.store.rows(DecisionRow, run=run.id)[-1].note == "again"


def test_a_decision_that_is_gone_is_said_with_the_nearest(workspace, load):
    """A stage or name that the process has no more, or a value that does not fit any more, runs nothing."""
    load(SALES).save_scenario("old", {"score.threshold": 0.9}, workspace=workspace)
    renamed = load(SALES.replace("threshold", "treshold"))
    with pytest.raises(ScenarioStateError, match=r"scenario 'old' does not fit.*'threshold'.*Did you mean 'treshold'"):
        renamed.run(scenario="old", workspace=workspace)
    moved = load(SALES.replace("score", "scores"))
    with pytest.raises(ScenarioStateError, match="no such stage. Did you mean 'scores'"):
        moved.plan(scenario="old", workspace=workspace)
    stricter = load(SALES.replace("threshold: float", "threshold: str").replace("0.75", "'x'"))
    with pytest.raises(ScenarioStateError, match="does not fit"):
        stricter.run(scenario="old", workspace=workspace)
    assert stricter.settle({"score.threshold": "y"}, scenario="old", workspace=workspace)
    assert workspace.store.rows(RunRow) == []


def test_an_unknown_scenario_is_said_with_the_nearest_and_makes_no_workspace(workspace, load, tmp_path):
    """It is an IndexError and a ScenarioStateError; a process in a folder without workspace has none."""
    sales = load(SALES)
    sales.save_scenario("strict", workspace=workspace)
    with pytest.raises(UnknownScenarioError, match="Did you mean 'strict'") as caught:
        sales.run(scenario="strickt", workspace=workspace)
    assert isinstance(caught.value, IndexError)
    assert isinstance(caught.value, ScenarioStateError)
    with pytest.raises(UnknownScenarioError):
        sales.run(scenario="strict", workspace=str(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


def test_what_json_cannot_hold_comes_back_equal(scenarios, workspace):
    """Tuples, dates, bytes, long integers, NaN: together in one object; plain values as JSON."""
    values = {"a": (1, (2,)), "b": datetime.date(2024, 2, 29), "c": b"\0\xff", "d": 2**200, "e": {1: {2, 3}}}
    saved = scenarios.save("odd", {"one": values, "two": {"plain": [1, None, "ü"]}})
    assert plain(saved) == plain(scenarios.get("odd")) == {"one": values, "two": {"plain": [1, None, "ü"]}}
    row = workspace.store.get(ScenarioRow)
    assert row.decisions == '{"one":{},"two":{"plain":[1,null,"ü"]}}'
    assert row.address in set(workspace.store.addresses())


def test_a_scenario_whose_object_is_lost_says_so_and_hides_no_other(scenarios, workspace):
    """What JSON holds is still shown; what needs the object is an error that names the scenario."""
    saved = scenarios.save("odd", {"a": {"x": (1, 2), "y": 3}})
    scenarios.save("even", {"a": {"y": 4}})
    for path in workspace.objects.root.glob("??/*"):
        path.unlink()
    with pytest.raises(ObjectMissing, match="scenario 'odd': no object"):
        dict(saved.decisions)
    odd, even = list_scenarios([scenarios])
    assert (odd.decisions, "scenario 'odd'" in odd.problem) == ({"a.y": 3}, True)
    assert (even.decisions, even.problem) == ({"a.y": 4}, None)
    scenarios.remove("odd")
    assert names(scenarios) == ["even"]


def test_a_reader_gets_copies(scenarios):
    """What one changes, no other sees."""
    saved = scenarios.save("one", {"a": {"rows": [1]}})
    saved.decisions["a"]["rows"].append(2)
    assert plain(saved) == {"a": {"rows": [1]}}


def test_values_that_their_schema_can_rebuild_are_json(workspace, load):
    """A dataclass and a file are kept as text, so that a scenario outlives the class that it was saved with."""
    process = load("""
        from dataclasses import dataclass
        from milepost import File, Process, stage

        @dataclass
        class Limits:
            low: float = 0.0

        @stage
        def only(limits: Limits = Limits(), path: File = "job.py"):
            return limits.low

        job = Process("job", [only])
    """)
    process.save_scenario("low", {"only.limits": {"low": 3}, "only.path": "job.py"}, workspace=workspace)
    row = workspace.store.get(ScenarioRow)
    assert (row.decisions, row.address) == ('{"only":{"limits":{"low":3.0},"path":"job.py"}}', None)
    choices = process.settle(scenario="low", workspace=workspace)
    assert choices["only"]["limits"].value.low == 3.0
    assert type(choices["only"]["path"].value) is File


def test_secrets_are_not_kept_and_are_asked_for(workspace, load):
    """They are named; a run has to be given them, and then goes on with the rest of the scenario."""
    sales = load(SALES)
    saved = sales.save_scenario("keyed", {"score.api_key": "hunter2-hunter2", "orders.count": 1}, workspace=workspace)
    assert (plain(saved), saved.left_out) == ({"orders": {"count": 1}, "score": {}}, ("score.api_key",))
    assert b"hunter2" not in b"".join(path.read_bytes() for path in workspace.path.glob("ledger.db*"))
    with pytest.raises(InvalidDataError, match=r"'keyed' does not keep score.api_key.*--set score.api_key="):
        sales.run(scenario="keyed", workspace=workspace)
    assert sales.run({"score.api_key": "x"}, scenario="keyed", workspace=workspace).results["score"] == [0.0]


def test_a_value_that_nothing_can_hold_is_refused_and_nothing_is_saved(scenarios):
    """The text names the scenario; no half of it is kept."""
    with pytest.raises(InvalidDataError, match="scenario 'bad' cannot keep a decision"):
        scenarios.save("bad", {"a": {"lock": __import__("threading").Lock()}, "b": {"fine": 1}})
    assert scenarios.all() == []


def test_saving_again_is_another_version(scenarios):
    """The id stays, the newest counts, the older ones can be read."""
    first = scenarios.save("strict", {"score": {"threshold": 0.8}}, note="first")
    second = scenarios.save(" strict ", {"score": {"threshold": 0.9}})
    assert (first.version, second.version, first.id == second.id) == (1, 2, True)
    assert plain(scenarios.get(first.id)) == {"score": {"threshold": 0.9}}
    assert [plain(version) for version in scenarios.versions("strict")] == [
        {"score": {"threshold": 0.8}}, {"score": {"threshold": 0.9}},
    ]  # fmt: skip
    assert scenarios.versions("strict")[0].note == "first"


def test_a_removed_scenario_is_gone_and_its_versions_are_not(scenarios):
    """Its name is free; who takes it begins another scenario."""
    first = scenarios.save("strict", {"a": {"x": 1}})
    scenarios.remove("strict")
    with pytest.raises(UnknownScenarioError):
        scenarios.get(first.id)
    with pytest.raises(UnknownScenarioError):
        scenarios.remove("strict")
    assert [version.id for version in scenarios.versions("strict")] == [first.id]
    again = scenarios.save("strict", {"a": {"x": 2}})
    assert again.id != first.id
    assert names(scenarios) == ["strict"]
    assert [plain(version) for version in scenarios.versions(first.id)] == [{"a": {"x": 1}}]
    assert [plain(version) for version in scenarios.versions("strict")] == [{"a": {"x": 2}}]


def test_renaming_keeps_id_versions_and_place(scenarios):
    """The list stays in the order in which scenarios were first saved; a name that is taken is refused."""
    one = scenarios.save("one", {"a": {"x": 1}})
    scenarios.save("two", {"a": {"x": 2}})
    scenarios.save("one", {"a": {"x": 3}})
    moved = scenarios.rename("one", "eins")
    assert (moved.id, moved.name, plain(moved)) == (one.id, "eins", {"a": {"x": 3}})
    assert names(scenarios) == ["eins", "two"]
    assert [plain(version)["a"]["x"] for version in scenarios.versions("eins")] == [1, 3, 3]
    with pytest.raises(ScenarioStateError, match="there is a scenario 'two'"):
        scenarios.rename("eins", "two")
    with pytest.raises(UnknownScenarioError):
        scenarios.get("one")
    assert scenarios.rename("eins", "one").name == "one"
    assert scenarios.rename("one", "one").version == scenarios.get("one").version


def test_a_renaming_that_was_killed_halfway_loses_nothing_and_can_be_finished(scenarios, monkeypatch):
    """Both names have it; renaming again ends what was begun."""
    saved = scenarios.save("one", {"a": {"x": 1}})
    with monkeypatch.context() as patched:
        patched.setattr(scenarios, "_retire", lambda row: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            scenarios.rename("one", "two")
    assert [(scenario.name, scenario.id) for scenario in scenarios] == [("one", saved.id), ("two", saved.id)]
    scenarios.rename("one", "two")
    assert names(scenarios) == ["two"]


def test_a_version_saved_while_its_scenario_is_renamed_moves_along(scenarios, monkeypatch):
    """It is the current version under the new name."""
    scenarios.save("one", {"a": {"x": 1}})
    retire = scenarios._retire

    def saved_just_before(row):
        scenarios.save("one", {"a": {"x": 2}})
        return retire(row)

    monkeypatch.setattr(scenarios, "_retire", saved_just_before)
    assert plain(scenarios.rename("one", "two")) == plain(scenarios.get("two")) == {"a": {"x": 2}}
    assert names(scenarios) == ["two"]


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x1b[2J", "x" * 201, None, 7, "\ud800"])
def test_a_name_that_cannot_be_one_is_refused(scenarios, name):
    """1 to 200 characters, all of which can be seen."""
    with pytest.raises(ScenarioStateError, match="a scenario's name is a text of 1 to 200 characters"):
        scenarios.save(name, {})
    assert scenarios.all() == []


@pytest.mark.parametrize("name", ["x" * 200, "../../etc/passwd", "Basis-Szenario Ü", "a'b\"c", "📈"])
def test_any_other_name_will_do(scenarios, name):
    """Names live in rows, never in paths."""
    assert scenarios.save(name, {"a": {"x": 1}}).name == scenarios.get(name).name == name


def test_names_that_look_the_same_are_the_same(scenarios):
    """An accented letter is one character or two, as keyboard and file system have it: the scenario is one."""
    composed, apart = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"
    saved = scenarios.save(apart, {})
    assert (composed, 2) == (saved.name, scenarios.save(composed, {}).version)
    assert {saved.id} == {scenarios.get(name).id for name in (composed, apart, f" {apart} ")}
    assert 2 == len(scenarios.versions(apart))
    assert saved.id == scenarios.rename(apart, apart).id
    scenarios.remove(apart)
    assert [] == names(scenarios)


def test_processes_have_scenarios_of_their_own(workspace, scenarios):
    """The same name in two is two scenarios; without the process, which is meant has to be said."""
    other = Scenarios(workspace.store, workspace.objects, "costs")
    scenarios.save("strict", {"a": {"x": 1}})
    other.save("strict", {"a": {"x": 2}})
    other.save("loose", {})
    place = (workspace.store, workspace.objects)
    with pytest.raises(ScenarioStateError, match="'sales', 'costs' each have a scenario 'strict'"):
        find_scenario(*place, "strict")
    assert find_scenario(*place, "strict", "costs")[1].decisions["a"] == {"x": 2}
    assert find_scenario(*place, "loose")[0].process == "costs"


def test_what_a_run_was_carried_out_with_can_be_saved(workspace, load):
    """Every value, chosen or default, and the names of the secrets; it gives the same results."""
    sales = load(SALES)
    run = sales.run({"score.threshold": 0.5, "score.api_key": "hunter3-hunter3"}, workspace=workspace)
    recorded = values_of(workspace.store, workspace.objects, workspace.store.get(RunRow, id=run.id))
    assert recorded.decisions == {"orders": {"count": 4}, "score": {"threshold": 0.5}}
    assert recorded.left_out == ("score.api_key",)


SAVER = """
import sys
from milepost import Workspace
from milepost.process.decisions.scenarios import Scenarios
from milepost.views.scenarios import list_scenarios

path, who, how_many = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Workspace.open(path) as workspace:
    scenarios = Scenarios(workspace.store, workspace.objects, "sales")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(how_many):
        scenarios.save("shared", {"a": {"by": [who, number]}})
"""


def test_two_processes_that_save_one_name_at_once_lose_nothing(workspace):
    """Every version of both is there once, numbered without a gap, under one id."""
    count = 25
    savers = [
        subprocess.Popen(
            [sys.executable, "-c", SAVER, str(workspace.path), who, str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for who in "ab"
    ]  # fmt: skip
    for saver in savers:
        assert saver.stdout.readline() == "ready\n"
    for saver in savers:
        saver.stdin.write("go\n")
        saver.stdin.flush()
    for saver in savers:
        saver.communicate(timeout=120)
        assert saver.returncode == 0
    versions = Scenarios(workspace.store, workspace.objects, "sales").versions("shared")
    assert [version.version for version in versions] == list(range(1, 2 * count + 1))
    assert len({version.id for version in versions}) == 1
    saved = [tuple(version.decisions["a"]["by"]) for version in versions]
    assert sorted(saved) == [(who, number) for who in "ab" for number in range(count)]
    assert [number for who, number in saved if who == "a"] == list(range(count))


SWEEPER = """
import sys
sys.path.insert(0, sys.argv[1])
from job import sales
for threshold in (0.1, 0.2, 0.3):
    run = sales.run({"score.threshold": threshold}, new=True, workspace=sys.argv[2])
    assert run.results["score"] == [order * threshold for order in range(4)]
"""


def test_two_processes_that_sweep_at_once_get_all_their_results(workspace, tmp_path):
    """Each carries its own runs out; what one has finished the other may reuse."""
    (tmp_path / "job.py").write_text(textwrap.dedent(SALES))
    sweepers = [subprocess.Popen([sys.executable, "-c", SWEEPER, str(tmp_path), str(workspace.path)]) for _ in range(2)]
    assert [sweeper.wait(timeout=120) for sweeper in sweepers] == [0, 0]
    assert [row.state for row in workspace.store.rows(RunRow)] == ["completed"] * 6


def swept(workspace):
    return collect(workspace, now=time.time() + 10, grace_seconds=0, older_than_seconds=0, delete=True)


def test_gc_keeps_what_scenarios_and_their_runs_reach(workspace, load):
    """Objects of decisions, of removed versions too; the newest run of a scenario with its results."""
    sales = load(SALES)
    scenarios = sales.scenarios(workspace)
    scenarios.save("odd", {"orders": {"count": 3}, "score": {"threshold": 2**70}})
    sales.save_scenario("strict", {"score.threshold": 0.9}, workspace=workspace)
    sales.run(scenario="strict", workspace=workspace)
    sales.run(scenario="strict", new=True, workspace=workspace)
    sales.run({"score.threshold": 0.1}, workspace=workspace)
    assert len(swept(workspace).runs) == 2
    (left,) = workspace.store.rows(RunRow)
    assert left.scenario == "strict"
    assert scenarios.get("odd").decisions["score"] == {"threshold": 2**70}
    again = sales.run(scenario="strict", workspace=workspace)
    assert set(again.stages.values()) == {StageState.REUSED}
    assert again.results["score"] == [0.0, 0.9, 1.8, 2.7]
    scenarios.remove("strict")
    swept(workspace)
    assert workspace.store.rows(RunRow) == []


def test_gc_foretells_what_it_will_keep_for_scenarios(workspace, scenarios):
    """The dry run counts no object of a scenario among those that would go."""
    from milepost.process.definition import Process

    def one():
        return b"x" * 10_000

    scenarios.save("odd", {"a": {"x": (1, 2)}})
    Process("other", [one]).run(workspace=workspace)
    how = {"now": time.time() + 10, "grace_seconds": 0, "older_than_seconds": 0}
    dry, done = (collect(workspace, delete=delete, **how) for delete in (False, True))
    assert (dry.objects, dry.runs) == (done.objects, done.runs)
    assert scenarios.get("odd").decisions["a"] == {"x": (1, 2)}


def test_a_workspace_is_not_needed_to_ask_for_nothing(load, tmp_path):
    """`settle` without a scenario touches no disk."""
    load(SALES).settle({"score.threshold": 1.0}, workspace=str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with Workspace.open_to_plan(str(tmp_path / "none")) as nowhere:
        assert Scenarios(nowhere.store, nowhere.objects, "sales").all() == []
