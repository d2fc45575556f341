"""The results of a run, loaded when asked for."""

from pathlib import Path

from milepost.process.planner import Upstream
from milepost.process.results import Results
from milepost.store.objects import Objects


def test_asking_what_is_there_loads_nothing(tmp_path: Path):
    """Whether a stage has a result is known without reading it, however large it is."""
    results = Results(Objects(tmp_path, b""))
    results.put("clean", Upstream(digest="d", address="o1-" + "0" * 40))  # which is not there to be read
    assert "clean" in results
    assert "clean" in results.keys()
    assert "score" not in results
    assert list(results) == ["clean"]
