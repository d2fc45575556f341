"""What storing and loading values costs, beside the raw write and hash of the same bytes in the same run."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import diskcache
import joblib
import numpy as np
from xxhash import xxh3_128

from milepost.store import objects as objects_module
from milepost.store.objects import Objects
from milepost.store.sequence import SequenceWriter

MEGABYTES = 100


def rows() -> list[dict[str, object]]:
    """All measurements: what, ours, limit, unit, target, and the peers by name."""
    with tempfile.TemporaryDirectory() as folder:
        return [*arrays(Path(folder)), *small(Path(folder)), *sequences(Path(folder))]


def arrays(folder: Path) -> list[dict[str, object]]:
    """100 MB of doubles: written once, read as they are by one who has verified them and by one who has not."""
    store = Objects(folder / "arrays", bytes(32))
    random = np.random.default_rng(1)
    raw, put = [], []
    for number in range(5):
        array = random.random(MEGABYTES * 125_000)
        raw.append(seconds(lambda array=array, number=number: raw_write(folder / f"raw{number}", array)))
        began = time.perf_counter()
        address = store.put(array).address
        put.append(time.perf_counter() - began)

    def first() -> None:
        objects_module._checked.clear()
        store.get(address)

    xxh3 = best(lambda: xxh3_128(array).digest(), 15)
    cache = diskcache.Cache(str(folder / "diskcache"), size_limit=1 << 34)
    cache["array"] = array
    memory = joblib.Memory(str(folder / "joblib"), verbose=0)
    cached = memory.cache(_random)
    cached(1)
    mapped = joblib.Memory(str(folder / "joblib"), mmap_mode="r", verbose=0).cache(_random)
    peers = {"joblib": best(lambda: cached(1), 3), "diskcache": best(lambda: cache["array"], 3)}
    return [
        _row("array of 100 MB: put", min(put), min(raw), "ms", target="≤ 1.3 × limit"),
        _row("array of 100 MB: put again", seconds(lambda: store.put(array)), None, "ms"),
        _row("warm array of 100 MB, mapped, verified before", best(lambda: store.get(address), 30), None, "ms",
             target="≤ 1 ms", **{"joblib mmap": best(lambda: mapped(1), 5)}),
        _row("warm array of 100 MB, mapped, with verification", best(first, 15), xxh3, "ms", target="≤ 8 ms", **peers),
    ]  # fmt: skip


def _random(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(MEGABYTES * 125_000)


def small(folder: Path) -> list[dict[str, object]]:
    """What an item's result and a small stage's result cost."""
    store = Objects(folder / "small", bytes(32))
    item = {"invoice": 12, "score": 0.75, "name": "Ada", "ok": True, "note": None}
    packed = store.pack(item)
    address = store.put(item).address
    return [
        _row("item's result: pack", each(lambda: store.pack(item)), None, "µs"),
        _row("item's result: unpack", each(lambda: store.unpack(packed.result, None)), None, "µs"),
        _row("number: pack", each(lambda: store.pack(0.75)), None, "µs"),
        _row("small object: get", each(lambda: store.get(address), 3_000), None, "µs"),
        _row("small object: put", best(lambda: store.put([time.perf_counter_ns()]), 200), None, "µs"),
    ]


def sequences(folder: Path) -> list[dict[str, object]]:
    """The results of a mapped stage: written and read."""
    store = Objects(folder / "sequences", bytes(32))
    count = 100_000
    packed = [store.pack({"row": number}) for number in range(count)]
    began = time.perf_counter()
    writer = SequenceWriter(store)
    for number, each_packed in enumerate(packed):
        writer.append(each_packed, str(number))
    address = writer.close().address
    written = time.perf_counter()
    total = sum(1 for _ in store.get(address))  # type: ignore[call-overload]
    read = time.perf_counter()
    assert total == count
    return [
        _row("sequence: append an item", (written - began) / count, None, "µs"),
        _row("sequence: iterate over an item", (read - written) / count, None, "µs"),
    ]


def raw_write(path: Path, array: np.ndarray) -> None:
    """The bytes of an array in a file that survives a power cut."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    rest = memoryview(array).cast("B")
    while rest.nbytes:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)
    os.close(handle)
    os.rename(path, path.with_suffix(".done"))


def seconds(action: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def best(action: Callable[[], object], repeats: int) -> float:
    """The quickest of several calls."""
    return min(seconds(action) for _ in range(repeats))


def each(action: Callable[[], object], repeats: int = 50_000) -> float:
    """One of many calls, in the quickest of five rounds."""

    def several() -> None:
        for _ in range(repeats // 5):
            action()

    return best(several, 5) / (repeats // 5)


def _row(
    what: str, ours: float, limit: float | None, unit: str, *, target: str | None = None, **peers: float
) -> dict[str, object]:
    scale = {"µs": 1e6, "ms": 1e3}[unit]
    shown = None if limit is None else limit * scale
    scaled = {name: value * scale for name, value in peers.items()}
    return {"what": what, "ours": ours * scale, "limit": shown, "unit": unit, "target": target, "peers": scaled}


if __name__ == "__main__":
    for line in rows():
        print(line)
