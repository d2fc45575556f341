"""`milepost errors` and `milepost export` over real runs."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def failed(milepost):
    """A run of which an item failed."""
    assert milepost("run", "sales.py", BAD="3").returncode == 0


def test_errors_of_the_last_hour(failed, milepost):
    """Grouped, with what to look at; as JSON with all there is."""
    said = milepost("errors").stdout
    assert "1 × ValueError: this one is bad" in said
    assert "score in " in said
    document = json.loads(milepost("errors", "--since", "1h", "--json").stdout)
    (group,) = document["groups"]
    assert (group["kind"], group["count"], group["items"]) == ("ValueError", 1, ["3"])
    assert milepost("errors", "--until", "2020-01-01", "--since", "2019-01-01").stdout.startswith("nothing failed")
    wrong = milepost("errors", "--since", "yesteryear")
    assert (wrong.returncode, "is no time: say how long ago" in wrong.stderr) == (2, True)


def test_items_to_a_file_or_printed(failed, milepost, folder):
    """The form is that of the file's name; Parquet has to have a file."""
    assert len(milepost("export").stdout.splitlines()) == 21
    assert json.loads(milepost("export", "--json", "--status", "failed").stdout)[0]["item"] == "3"
    for name in ("items.csv", "items.json", "items.parquet"):
        done = milepost("export", "-o", name)
        assert done.returncode == 0, done.stderr
        assert "to " + name in done.stdout
    assert len(json.loads((folder / "items.json").read_text())) == 20
    assert (folder / "items.parquet").read_bytes()[:4] == b"PAR1"
    assert milepost("export", "--format", "parquet").returncode == 2
    refused = milepost("export", "-o", "nowhere/items.csv")
    assert (refused.returncode, "cannot write nowhere/items.csv" in refused.stderr) == (2, True)
    assert json.loads(milepost("export", "--documents", "--json").stdout) == []


def test_documents_of_no_run_are_marked_to_be_tried_again(milepost, folder, environment):
    """And listed with their attempts."""
    program = "from milepost.steps import *\nwith ProcessingStepManager() as m: m.add_step('d', 'read', 'error')"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert milepost("retry", "--documents").stdout == (
        "1 attempt waits now: start the program that works on the documents\n"
    )
    assert milepost("retry", "--documents", "--stage", "read").stdout.startswith("no document failed")
    assert milepost("retry", "--stage", "read").returncode == 2
    items = json.loads(milepost("export", "--documents", "--json", "--attempts").stdout)
    assert [(item["attempt"], item["status"]) for item in items] == [(1, "error"), (2, "pending")]
    assert "read in no run" in milepost("errors").stdout
    assert "no runs yet" in milepost("ls").stdout
    assert "`milepost export --documents`" in milepost("ls").stdout
