"""The house: who may import whom, and how large a room may be."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "milepost").rglob("*.py"))


def test_every_arrow_falls():
    """A file imports only from its own folder and from floors below; import-linter holds it."""
    linter = Path(sys.executable).with_name("lint-imports")
    seen = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert seen.returncode == 0, seen.stdout[-3000:]


def test_rooms_stay_small_and_say_what_they_are_for():
    """No file of the package reaches 500 lines, and each opens with a sentence of what it is for."""
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    assert [path for path, text in texts.items() if len(text.splitlines()) >= 500] == []
    assert [path for path, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []


def test_nothing_of_ours_is_executed_from_stored_text():
    """No file calls eval, exec, or pickle.load on what it reads; pickles have one place, which checks signatures."""
    allowed = {"store/codecs/pickles.py"}
    annotated = {"model/fingerprint/annotations.py"}  # annotations that the user's own running code holds as text
    for path in SOURCES:
        where = path.relative_to(ROOT / "src" / "milepost").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec") or where in annotated, f"{where}:{node.lineno} calls {called}"
                if called in ("pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads"):
                    assert where in allowed or where.startswith("executors/"), f"{where}:{node.lineno} calls {called}"
