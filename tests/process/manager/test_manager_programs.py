"""Results across processes of the system: found when nothing that counts changed, computed when something did."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from milepost import ProcessManager

RATE = 2
LOG = []

def helper(value):
    return value * RATE

class Row:
    def __init__(self, value):
        self.value = value
    def shown(self):
        return f"<{self.value}>"

class Sales(ProcessManager):
    FACTOR = 10

    def __init__(self, core_data, **options):
        super().__init__(core_data, **options)
        self.handlers = {1: self._load, 2: self._score, 3: self._report}
        self.calls = 0

    def _compute_stage(self, stage):
        print("computing", stage)
        LOG.append(stage)
        return getattr(self, {1: "_load", 2: "_score", 3: "_report"}[stage])()

    def _load(self):
        self.calls += 1
        return [Row(value) for value in self.core_data]

    def _score(self):
        return [helper(row.value) * self.FACTOR for row in self.get_stage_data(1)["results"]]

    def _report(self):
        return [row.shown() for row in self.get_stage_data(1)["results"]]

    def unrelated(self):
        self.calls = 7
        return "nobody computes with this"

with Sales([1, 2, 3]) as sales:
    for stage in (1, 2, 3):
        print(stage, sales.get_stage_data(stage).value if stage > 1 else len(sales.get_stage_data(stage)["results"]))
"""
FIRST = "computing 1\n1 3\ncomputing 2\n2 [20, 40, 60]\ncomputing 3\n3 ['<1>', '<2>', '<3>']"


def computed(output):
    """Which stages a program computed."""
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith("computing")]


def edited(*pairs):
    """The program after edits, each of which has to be one."""
    text = PROGRAM
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def test_found_by_another_process(run_program):
    """Nothing is computed twice; the values are the same."""
    assert run_program(PROGRAM) == FIRST
    again = run_program(PROGRAM)
    assert computed(again) == []
    assert again.splitlines() == [line for line in FIRST.splitlines() if not line.startswith("computing")]


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        ("RATE = 2", "RATE = 3", [2]),
        ("value * RATE", "value + RATE", [2]),
        ("FACTOR = 10", "FACTOR = 11", [2]),
        ("* self.FACTOR for", "+ self.FACTOR for", [2]),
        ('f"<{self.value}>"', 'f"[{self.value}]"', [1, 2, 3]),  # rows are of this class: all that make or take them
        ("Sales([1, 2, 3])", "Sales([1, 2])", [1, 2, 3]),
        ("LOG.append(stage)", "LOG.append(str(stage))", [1, 2, 3]),
        ("nobody computes with this", "still nobody", []),
        ("self.calls = 7", "self.calls = 8", []),
        ("self.calls = 0", "self.calls = 100", []),  # state: _load counts it up
        ("RATE = 2\n", "RATE = 2\n# a comment\n", []),
        ("LOG = []", "LOG = [0]", []),
    ],
)
def test_an_edit_computes_what_it_reaches(run_program, old, new, stages):
    """And nothing else: an edit in one stage's method leaves the others."""
    run_program(PROGRAM)
    assert computed(run_program(edited((old, new)))) == stages
    assert computed(run_program(PROGRAM)) == []


DECIDING = """
import sys
from milepost import ProcessManager
class Deciding(ProcessManager):
    def _compute_stage(self, stage):
        print("computing", stage)
        if stage == 1:
            return [self.current_decisions[1]["a"] > 5]
        return [self.get_stage_data(1)["results"], self.current_decisions[2].get("b")]
with Deciding(project_name="deciding") as manager:
    manager.make_decisions(1, {"a": int(sys.argv[1]), "unread": int(sys.argv[2])})
    manager.make_decisions(2, {"b": int(sys.argv[3])})
    print(manager.get_stage_data(2).value)
    print("reason:", manager.underway.stages["2"].reason)
"""


def test_early_cut_off(run_program):
    """A stage whose result comes out the same stops the wave; going back to earlier decisions is a hit."""
    assert computed(run_program(DECIDING, "1", "0", "0")) == [2, 1]
    assert computed(run_program(DECIDING, "1", "9", "0")) == []
    assert computed(run_program(DECIDING, "2", "0", "0")) == [1]
    assert computed(run_program(DECIDING, "7", "0", "0")) == [1, 2]
    assert computed(run_program(DECIDING, "1", "0", "0")) == []


def test_why_a_stage_is_computed(run_program):
    """In words, by what it read."""
    assert "reason: never run before" in run_program(DECIDING, "1", "0", "0")
    assert "reason: 2.b 0 → 3" in run_program(DECIDING, "1", "0", "3")
    assert "reason: unchanged" in run_program(DECIDING, "1", "0", "3")
    assert "reason: 1 has another result" in run_program(DECIDING, "7", "0", "3")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("RATE = 2", "RATE = 3", "reason 2: program.RATE changed"),
        ("value * RATE", "value + RATE", "reason 2: program.helper changed"),
        ("* self.FACTOR for", "+ self.FACTOR for", "reason 2: self._score changed"),
        ("FACTOR = 10", "FACTOR = 11", "reason 2: self.FACTOR changed"),
        ("Sales([1, 2, 3])", "Sales([1, 2])", "reason 1: self.core_data changed"),
    ],
)
def test_why_in_detail(run_program, old, new, reason):
    """The part that changed is named, whichever method reached it, and `why` can show how."""
    told = ("    for stage in (1, 2, 3):", "    for stage in (1, 2, 3):\n        " + TOLD + "\n    for stage in ():")
    run_program(edited(told))
    lines = run_program(edited((old, new), told)).splitlines()
    assert [line for line in lines if line.partition(";")[0] == reason] != []


TOLD = "sales.get_stage_data(stage); print(f'reason {stage}:', sales.underway.stages[str(stage)].reason)"


def test_why_shows_the_code(run_program, tmp_path):
    """As a diff of the method that was edited."""
    from click.testing import CliRunner

    from milepost.cli.main import milepost

    run_program(PROGRAM)
    run_program(edited(("* self.FACTOR for", "+ self.FACTOR for")))
    from milepost import Workspace
    from milepost.model.rows import RunRow

    with Workspace.open(tmp_path / ".milepost") as place:
        run = place.store.rows(RunRow, newest=True)[0].name
    said = CliRunner().invoke(milepost, ["why", run, "2"]).output
    assert "-    return [helper(row.value) * self.FACTOR" in said
    assert "+    return [helper(row.value) + self.FACTOR" in said


def test_accept_says_that_watched_stages_cannot_be_accepted(run_program, place):
    """One sentence that says what happens instead; the program is not carried out for it."""
    run_program("""
        from milepost import ProcessManager

        class Sums(ProcessManager):
            def _compute_stage(self, stage):
                return [stage]

        with Sums() as sums:
            sums.get_stage_data(1)
    """)
    said = subprocess.run(
        [sys.executable, "-m", "milepost", "accept", "1"], cwd=place.path.parent, capture_output=True, text=True
    )
    assert said.returncode != 0
    assert "was carried out by its program itself" in said.stderr
    assert "Traceback" not in said.stderr
