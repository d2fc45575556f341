"""What storing and loading values costs, beside the raw write and hash of the same bytes in the same run.

Run: python benchmarks/objects.py [folder]
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from blake3 import blake3
from xxhash import xxh3_128

from milepost.store import objects as objects_module
from milepost.store.objects import Objects
from milepost.store.sequence import SequenceWriter

MEGABYTES = 100


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        figures = {**arrays(Path(folder)), **small(Path(folder)), **sequences(Path(folder))}
    print(json.dumps({"python": platform.python_version(), "cores": os.cpu_count(), **figures}, indent=1))


def arrays(folder: Path) -> dict[str, float]:
    store = Objects(folder / "arrays", bytes(32))
    random = np.random.default_rng(1)
    raw, put = [], []
    for number in range(7):
        array = random.random(MEGABYTES * 125_000)
        raw.append(seconds(lambda array=array, number=number: raw_write(folder / f"raw{number}", array)))
        began = time.perf_counter()
        address = store.put(array).address
        put.append(time.perf_counter() - began)
    again = seconds(lambda: store.put(array))

    def first() -> None:
        objects_module._checked.clear()
        store.get(address)

    verified, xxh3 = best(first, 15), best(lambda: xxh3_128(array).digest(), 15)
    return {
        "array 100 MB: raw write and fsync, ms": 1e3 * min(raw),
        "array 100 MB: put, ms": 1e3 * min(put),
        "array 100 MB: put / raw": min(put) / min(raw),
        "array 100 MB: blake3, ms": 1e3
        * best(lambda: blake3(memoryview(array).cast("B"), max_threads=blake3.AUTO).digest(), 7),
        "array 100 MB: put again, ms": 1e3 * again,
        "array 100 MB: get verified before, ms": 1e3 * best(lambda: store.get(address), 30),
        "array 100 MB: get with verification, ms": 1e3 * verified,
        "array 100 MB: xxh3, ms": 1e3 * xxh3,
        "array 100 MB: get with verification / xxh3": verified / xxh3,
    }


def small(folder: Path) -> dict[str, float]:
    store = Objects(folder / "small", bytes(32))
    item = {"invoice": 12, "score": 0.75, "name": "Ada", "ok": True, "note": None}
    packed = store.pack(item)
    address = store.put(item).address
    return {
        "item: pack, us": 1e6 * each(lambda: store.pack(item)),
        "item: unpack, us": 1e6 * each(lambda: store.unpack(packed.result, None)),
        "number: pack, us": 1e6 * each(lambda: store.pack(0.75)),
        "small object: get, us": 1e6 * each(lambda: store.get(address), 3_000),
        "small object: put, us": 1e6 * best(lambda: store.put([time.perf_counter_ns()]), 200),
    }


def sequences(folder: Path) -> dict[str, float]:
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
    return {
        "sequence: append, us an item": 1e6 * (written - began) / count,
        "sequence: iterate, us an item": 1e6 * (read - written) / count,
    }


def raw_write(path: Path, array: np.ndarray) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    rest = memoryview(array).cast("B")
    while rest.nbytes:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)
    os.close(handle)
    os.rename(path, path.with_suffix(".done"))


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def best(action: Callable[[], object], repeats: int) -> float:
    return min(seconds(action) for _ in range(repeats))


def each(action: Callable[[], object], repeats: int = 50_000) -> float:
    def several() -> None:
        for _ in range(repeats // 5):
            action()

    return min(seconds(several) for _ in range(5)) / (repeats // 5)


if __name__ == "__main__":
    main()
