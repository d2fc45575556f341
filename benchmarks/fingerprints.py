"""What fingerprints of values cost, beside joblib.hash and pandas.util.hash_pandas_object in the same run.

python benchmarks/fingerprints.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import joblib
import numpy as np
import pandas as pd
import polars as pl
from xxhash import xxh3_128_digest

from milepost.model.fingerprint import digest
from milepost.model.items import item_keys

RECORD = {
    "id": 123,
    "name": "abc def",
    "price": 12.5,
    "ok": True,
    "none": None,
    "qty": 4,
    "city": "Paris",
    "mail": "a@b.c",
}


def best(work: Callable[[], object], *, times: int = 1, rounds: int = 5) -> float:
    """The quickest of `rounds`, in seconds for one call."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - begin) / times)
    return min(found)


def row(what: str, ours: float, limit: float | None, unit: str, **peers: float) -> dict[str, object]:
    """One line of the table; all figures in `unit`."""
    scale = {"µs": 1e6, "ms": 1e3}[unit]
    figures = {name: round(value * scale, 2) for name, value in peers.items()}
    return {
        "what": what,
        "ours": round(ours * scale, 2),
        "limit": limit and round(limit * scale, 2),
        "unit": unit,
        "peers": figures,
    }


def frame(rows: int, text: str) -> pd.DataFrame:
    """Two columns of numbers, one of time, two of text of the dtype `text`."""
    random = np.random.default_rng(0)
    names = np.array([f"customer-{n}" for n in range(5000)], dtype=object)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "price": random.random(rows),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(rows), unit="s"),
            "name": pd.Series(names[random.integers(0, 5000, rows)], dtype=text),
            "note": pd.Series([f"note {n}" for n in range(rows)], dtype=text),
        }
    )


def scalars() -> list[dict[str, object]]:
    """Small values, as decisions and items are."""
    nested = {"layers": [RECORD] * 3, "shape": (1, 2), "names": ["a", "b"]}
    cases = {
        "dict of 8 scalars": RECORD,
        "str": "INV-0001",
        "int": 12345,
        "tuple of 3": (1, "a", 2.0),
        "nested dict": nested,
    }
    return [
        row(
            what,
            best(lambda v=value: digest(v), times=5000),
            None,
            "µs",
            joblib=best(lambda v=value: joblib.hash(v), times=200),
        )
        for what, value in cases.items()
    ]


def arrays() -> list[dict[str, object]]:
    """100 MB of doubles, as they lie and across."""
    values = np.random.default_rng(0).random((12_500, 1_000))
    limit = best(lambda: xxh3_128_digest(values.reshape(-1).view("u1")))
    across = np.asfortranarray(values)
    whole = np.arange(12_500_000)
    cases = {"float64, C order": values, "int64, C order": whole, "float64, Fortran order": across}
    return [
        row(
            f"100 MB {what}",
            best(lambda v=value: digest(v)),
            limit,
            "ms",
            joblib=best(lambda v=value: joblib.hash(v), rounds=3),
        )
        for what, value in cases.items()
    ]


def frames(rows: int = 1_000_000) -> list[dict[str, object]]:
    """1 M rows with two columns of text."""
    found = []
    for text in ("str", "object"):
        value = frame(rows, text)
        peers = {
            "joblib": best(lambda v=value: joblib.hash(v), rounds=3),
            "pandas": best(lambda v=value: pd.util.hash_pandas_object(v), rounds=2),
        }
        found.append(row(f"{rows:,} row frame, text as {text}", best(lambda v=value: digest(v)), None, "ms", **peers))
    value = pl.from_pandas(frame(rows, "str"))
    found.append(row(f"{rows:,} row polars frame", best(lambda: digest(value)), None, "ms",
                     joblib=best(lambda: joblib.hash(value), rounds=2)))  # fmt: skip
    return found


def items(count: int = 100_000) -> list[dict[str, object]]:
    """Key and digest of an item of 8 fields."""
    records = [{**RECORD, "id": number} for number in range(count)]

    def keyed(key: str | None) -> float:
        return best(lambda: sum(1 for _ in item_keys(records, key, stage="s")), rounds=2) / count

    return [row("item by key", keyed("id"), None, "µs"), row("item by content", keyed(None), None, "µs")]


def rows() -> list[dict[str, object]]:
    """All measurements: what, ours, limit, unit, and the peers by name."""
    return [*scalars(), *arrays(), *frames(), *items()]


if __name__ == "__main__":
    for each in rows():
        print(each)
