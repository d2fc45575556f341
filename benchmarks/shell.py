"""What a user at a shell waits for: the import, the help, five reused stages; and what an install weighs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIVE = """
from milepost import Process, stage

@stage
def a(count: int = 10): return list(range(count))

@stage
def b(a): return [n + 1 for n in a]

@stage(each="b")
def c(n): return n * 2

@stage
def d(c): return sum(c)

@stage
def e(d): return f"{d}"

five = Process("five", [a, b, c, d, e])
"""


def rows() -> list[dict[str, object]]:
    """All measurements: what, ours, limit, unit, target."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "five.py").write_text(FIVE)
        bare = _median([sys.executable, "-c", "pass"], folder)
        loaded = _median([sys.executable, "-c", "import milepost"], folder)
        shell = [sys.executable, "-m", "milepost"]
        subprocess.run(
            [*shell, "run", "five.py"], cwd=folder, capture_output=True, check=True, env=_environment(folder)
        )
        return [
            _row("import milepost, over bare Python", loaded - bare, None, "≤ 60 ms"),
            _row("milepost --help", _median([*shell, "--help"], folder), bare, "≤ 250 ms"),
            _row(
                "five stages, all reused, from the shell", _median([*shell, "run", "five.py"], folder), bare, "≤ 350 ms"
            ),
            *installed(folder),
        ]


def installed(folder: str) -> list[dict[str, object]]:
    """Packages and bytes of a core install in an environment of its own."""
    place = Path(folder) / "install"
    source = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", str(place), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
    packages = len(list(place.glob("*.dist-info")))
    return [
        {"what": "packages of a core install", "ours": packages, "limit": None, "unit": "", "target": "≤ 18"},
        {"what": "size of a core install", "ours": size, "limit": None, "unit": "MB", "target": "≤ 32 MB"},
    ]


def _median(command: list[str], folder: str, times: int = 11) -> float:
    seen = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, capture_output=True, check=True, env=_environment(folder))
        seen.append(time.perf_counter() - started)
    return sorted(seen)[times // 2]


def _environment(folder: str) -> dict[str, str]:
    """As at a user's shell: compiled files are kept."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**usual, "XDG_DATA_HOME": folder, "PYTHONWARNINGS": "ignore"}


def _row(what: str, ours: float, limit: float | None, target: str) -> dict[str, object]:
    shown = None if limit is None else limit * 1000
    return {"what": what, "ours": ours * 1000, "limit": shown, "unit": "ms", "target": target}


if __name__ == "__main__":
    for each in rows():
        print(each)
