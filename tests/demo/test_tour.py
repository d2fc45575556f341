"""The tour itself, on a small part of the year: real commands, a real kill, a real continuation."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from milepost.cli.demo.material import data_files, place
from milepost.cli.demo.shell import CommandFailed, Shell

pytestmark = pytest.mark.xdist_group("tour")  # the folder of one tour is shared

ROUTES = {("JFK", dest) for dest in ("LAX", "SFO", "BOS", "MCO", "SJU", "FLL", "BUF", "SYR", "PHX", "SEA")}


def small_year(folder: Path) -> None:
    """A demo's folder whose data hold ten routes; the tour leaves files alone that are there."""
    place(folder)
    with zipfile.ZipFile(data_files()["flights.csv.zip"]) as whole:
        header, *lines = whole.read("flights.csv").decode().splitlines(keepends=True)
    names = header.strip().replace('"', "").split(",")
    origin, dest = names.index("origin"), names.index("dest")
    rows = [line.replace('"', "").split(",") for line in lines]
    kept = [line for line, row in zip(lines, rows, strict=True) if (row[origin], row[dest]) in ROUTES]
    with zipfile.ZipFile(folder / "data" / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED) as part:
        part.writestr("flights.csv", header + "".join(kept))


def tour(folder: Path) -> subprocess.CompletedProcess[str]:
    """`milepost demo`, its output through a pipe."""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    command = [sys.executable, "-m", "milepost", "demo", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tour") / "demo"
    small_year(folder)
    return folder, tour(folder)


def closing_table(text: str) -> dict[str, list[str]]:
    """The rows of the closing table: what -> its figures."""
    lines = text[text.index("6  What ran") :].splitlines()
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if re.match(r" {3}\w.*\d", line)]
    return {row[0]: row[1:] for row in rows}


def test_the_tour_ends_well_and_fits_80_columns(first):
    """Every command of the tour succeeds, but the one that is killed; what the tour itself says fits 80 columns."""
    _, seen = first
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert seen.stderr == ""
    own = [line for line in seen.stdout.splitlines() if line.startswith(("$", *"123456"))]
    own += seen.stdout[seen.stdout.index("$ python flights.py") :].splitlines()
    assert [line for line in own if len(line) > 80 and "is there" not in line] == []


def test_the_killed_run_is_seen_as_interrupted_and_continued(first):
    """After kill -9 the list says interrupted; the same command does only the routes that were left."""
    _, seen = first
    assert re.search(r"\$ kill -9 \d+", seen.stdout)
    assert "interrupted" in seen.stdout[seen.stdout.index("$ kill -9") :]
    rows = closing_table(seen.stdout)
    assert rows["from the start"][1:3] == ["9", "10"]
    killed, continued = rows["killed part-way"], rows["continued"]
    assert 4 <= int(killed[2]) < 10
    assert int(continued[2]) <= 10 - int(killed[2])
    assert int(continued[2]) + int(continued[4]) == 10


def test_another_threshold_reuses_every_route(first):
    """A decision of the ranking runs ranking, chart and report; the routes are reused and their time is saved."""
    row = closing_table(first[1].stdout)["threshold changed"]
    assert row[1:5] == ["3", "0", "6", "10"]


def test_the_findings_are_printed_and_written(first):
    """The script prints the table and writes the page, from results that were all reused."""
    folder, seen = first
    assert "JFK-SEA" in seen.stdout[seen.stdout.index("$ python flights.py") :]
    assert (folder / "report.html").stat().st_size > 20_000


def test_a_second_tour_goes_on_where_all_is_done(first):
    """Started again in its folder, the demo says that there is nothing left to kill, and runs no route again."""
    seen = tour(first[0])
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "is there already" in seen.stdout
    assert "Nothing was left to kill" in seen.stdout
    assert closing_table(seen.stdout)["from the start"][2] == "0"


def test_a_command_that_fails_ends_the_tour_with_its_code(tmp_path):
    """A broken flights.py ends the demo with the command's own error and exit code, and says how to go on."""
    place(tmp_path / "demo")
    (tmp_path / "demo" / "flights.py").write_text("delays = 1 / 0\n")
    seen = tour(tmp_path / "demo")
    assert seen.returncode != 0
    assert "ZeroDivisionError" in seen.stderr + seen.stdout
    assert "`milepost demo` goes on" in seen.stdout


def test_the_shell_shows_what_it_types(tmp_path):
    """Each command is shown as a user would type it, before its own output; a failing one raises with its code."""
    with (tmp_path / "out").open("w+") as out:
        shell = Shell(tmp_path, out)
        shell.python("-c", "print(6*7)")
        with pytest.raises(CommandFailed) as failed:
            shell.python("-c", "raise SystemExit(5)")
        out.seek(0)
        assert out.read().splitlines()[:2] == ["$ python -c print(6*7)", "42"]
    assert failed.value.code == 5
