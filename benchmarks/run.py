"""Measure everything in one run, print it as a table, and keep the raw figures under benchmarks/results/.

python benchmarks/run.py [shell process parallel ledger steps health objects fingerprints compare]
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

ROOMS = ("shell", "process", "parallel", "ledger", "steps", "health", "objects", "fingerprints", "compare")
RESULTS = Path(__file__).parent / "results"


def main(rooms: list[str]) -> None:
    """Run the named benchmarks, or all."""
    sys.path.insert(0, str(Path(__file__).parent))
    kept = RESULTS / f"{time.strftime('%Y-%m-%d')}.json"
    for room in rooms or ROOMS:
        load = os.getloadavg()[0]
        rows = importlib.import_module(room).rows()
        print(f"\n{room:<58}{'ours':>12}{'limit':>12}  target, and the peers")
        for row in rows:
            print("  " + line(row), flush=True)
        keep(kept, room, {"load": load, "rows": rows})
    print(f"\nraw results: {kept}")


def keep(kept: Path, room: str, measured: dict[str, object]) -> None:
    """Write a room's figures down, with where they were measured; the last of a day stand."""
    figures = json.loads(kept.read_text()) if kept.exists() else {"measured": {}}
    figures["where"] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    }
    figures["measured"][room] = measured  # `load`: what else the machine did when it began
    RESULTS.mkdir(exist_ok=True)
    kept.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


def line(row: dict[str, object]) -> str:
    """One measurement: what, ours, the limit in the same unit, the target, the peers."""
    told = f"{row['what']:<56}{_figure(row['ours'])} {row['unit'] or '':<10}"
    told = f"{told:<{56 + 12 + 1}}" + (_figure(row["limit"]) if row.get("limit") is not None else " " * 12)
    rest = [f"{row['target']:<14}"] if row.get("target") else [" " * 14]
    peers = row.get("peers") or {}
    assert isinstance(peers, dict)
    rest += [f"{name} {_figure(value).strip()}" for name, value in peers.items()]
    return f"{told}  {'  '.join(rest)}".rstrip()


def _figure(value: object) -> str:
    return f"{value:>12,.2f}" if isinstance(value, float) else f"{value!s:>12}"


if __name__ == "__main__":
    main(sys.argv[1:])
