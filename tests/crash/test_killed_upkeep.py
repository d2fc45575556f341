"""Killed while it collects garbage or accepts a change: nothing that stands is lost, and both can be done again."""

import json
import shutil

import pytest
from trials import ITEMS, kill_doing, points_of, spread

GC = {"do": "shell", "arguments": ["gc", "--delete", "--older-than", "1", "--grace", "0"]}
ACCEPT = {"do": "shell", "arguments": ["accept", "score", "--target", "sales.py"]}
NOTHING = "nothing to collect: every object is reached by a run"


def rewrite(folder, old, new):
    text = (folder / "sales.py").read_text()
    assert old in text
    (folder / "sales.py").write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def cluttered(lab):
    """A run of ten days ago with results and objects of its own, and one that stays."""
    folder = lab.fresh()
    rewrite(folder, '"x" * 6000', '"y" * 6000')
    assert 0 == lab.carry_out(folder, {"do": "run", "days_ago": 10})
    rewrite(folder, '"y" * 6000', '"x" * 6000')
    (folder / "leaving").write_text((folder / "acked").read_text().splitlines()[0])
    (folder / "acked").write_text("")  # only what is told of the run that stays is owed
    assert 0 == lab.carry_out(folder, {"do": "run"})
    return folder


@pytest.fixture(scope="module")
def edited(lab):
    """A run, and since then a change of its code that makes no difference."""
    folder = lab.fresh()
    assert 0 == lab.carry_out(folder, {"do": "run"})
    rewrite(folder, 'order["price"] * factor', 'factor * order["price"]')
    return folder


def killed(lab, prepared, order, point, repeats, bug=None):
    """Kill the command at the call; what is then not as promised. `repeats`: how many items may run again."""
    folder = lab.copy(prepared)
    before = calls(folder)
    violations = kill_doing(lab, folder, point, {**order, "bug": bug}, leaving=leaving(folder))
    if calls(folder) - before not in repeats:
        violations.append(f"{calls(folder) - before} items were executed again")
    violations += done_again(lab, folder, order)
    shutil.rmtree(folder)
    return [f"{point}: {text}" for text in violations]


def calls(folder):
    return len((folder / "calls").read_text().splitlines())


def leaving(folder):
    """The run that gc forgets, by what was told of it first."""
    path = folder / "leaving"
    return [json.loads(path.read_text())[1]] if path.exists() else []


def done_again(lab, folder, order):
    """The command without a kill, after which garbage is gone and all is in order."""
    code = lab.carry_out(folder, order)
    said = (folder / "said").read_text()
    if order is GC:
        left = lab.carry_out(folder, {**GC, "arguments": ["gc", "--grace", "0"]})
        if (code, left) != (0, 0) or NOTHING not in (folder / "said").read_text():
            return [f"gc leaves garbage: {said} {(folder / 'said').read_text()}"]
    elif code not in (0, 2) or "Traceback" in said:  # 2: there is nothing to accept any more
        return [f"accept ended with {code}: {said}"]
    return lab.check(folder)


def violations_of(lab, prepared, order, count, repeats):
    points = points_of(lab, order, prepared=prepared)
    assert {"pwrite64"} | ({"unlink"} if order is GC else set()) <= {point.call for point in points}
    trials = lab.each(lambda point: killed(lab, prepared, order, point, repeats), spread(points, count))
    return [text for texts in trials for text in texts]


def test_a_kill_inside_gc_loses_nothing_that_stands(lab, cluttered):
    """Of 30 calls: the run that stays is whole, no item of it runs again, and the next gc removes the rest."""
    assert [] == violations_of(lab, cluttered, GC, 30, {0})


def test_a_gc_that_forgets_the_run_before_its_results_is_found(lab, cluttered):
    """The trials are tried themselves: with this bug a kill leaves rows that no gc removes."""
    points = [point for point in points_of(lab, GC, prepared=cluttered) if point.call == "pwrite64"]
    points, bug = spread(points, 12), "run_forgotten_before_its_results"
    trials = lab.each(lambda point: killed(lab, cluttered, GC, point, {0}, bug), points)
    found = [text for texts in trials for text in texts]
    assert any("step of no run" in text for text in found)
    assert [] == [text for text in found if "step of no run" not in text and "has no result" not in text]


def test_a_kill_inside_accept_leaves_all_of_it_or_nothing(lab, edited):
    """At each call: items are all reused, or all computed anew."""
    assert [] == violations_of(lab, edited, ACCEPT, 15, {0, ITEMS})


@pytest.mark.torture
@pytest.mark.parametrize("order", [GC, ACCEPT], ids=["gc", "accept"])
def test_a_kill_at_every_call_of_gc_and_accept_loses_nothing(lab, cluttered, edited, order):
    prepared, repeats = (cluttered, {0}) if order is GC else (edited, {0, ITEMS})
    assert [] == violations_of(lab, prepared, order, 100_000, repeats)
