"""Measure everything in one run, print it as a table, and keep the raw figures under benchmarks/results/."""

from __future__ import annotations

import importlib
import json
import platform
import sys
import time
from pathlib import Path

ROOMS = ("shell", "process", "ledger", "objects", "fingerprints")
COLUMNS = ("what", "ours", "limit", "unit", "target")
RESULTS = Path(__file__).parent / "results"


def main(rooms: list[str]) -> None:
    """Run the named benchmarks, or all."""
    sys.path.insert(0, str(Path(__file__).parent))
    measured = {room: importlib.import_module(room).rows() for room in rooms or ROOMS}
    for room, rows in measured.items():
        print(f"\n{room}")
        for row in rows:
            print("  " + _line(row))
    RESULTS.mkdir(exist_ok=True)
    where = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    kept = RESULTS / f"{time.strftime('%Y-%m-%d')}.json"
    kept.write_text(json.dumps({"where": where, "measured": measured}, indent=1, ensure_ascii=False) + "\n")
    print(f"\nraw results: {kept}")


def _line(row: dict[str, object]) -> str:
    unit = row["unit"]
    figure = lambda value: f"{value:,.1f}" if isinstance(value, float) else str(value)  # noqa: E731
    told = [f"{row['what']:<52}{figure(row['ours']):>10} {unit:<3}"]
    if row.get("target"):
        told.append(f"target {row['target']}")
    if row.get("limit") is not None:
        told.append(f"limit {figure(row['limit'])}")
    told += [f"{name} {figure(value)}" for name, value in row.items() if name not in COLUMNS]
    return "   ".join(told)


if __name__ == "__main__":
    main(sys.argv[1:])
