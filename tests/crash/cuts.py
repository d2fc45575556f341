"""Trials of power cuts: one traced run, a state per cut and mode, each opened and carried on by the real code."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from power import MODES, STRACE, Call, Disk, lay_out, read_trace
from trials import OURS, Lab


class Recording(NamedTuple):
    """The calls of one run, its folder, and when what was told: lines of `acked` by the number of calls before."""

    folder: Path
    calls: list[Call]
    told: list[tuple[int, list]]
    durability: str

    def owed(self, cut: int) -> int:
        """How many of the lines told before the cut must be true after it."""
        before = [line for at, line in self.told if at <= cut]
        if self.durability == "power":
            return len(before)
        barriers = [number for number, line in enumerate(before, 1) if line == ["barrier"]]
        return barriers[-1] if barriers else 0


class Cut(NamedTuple):
    """One state to try: the power goes after so many calls."""

    at: int
    mode: str
    owed: int
    state: dict[str, bytes | None]


def record(lab: Lab, *, durability: str = "group", bug: str | None = None, seconds: float = 0.004) -> Recording:
    """Carry the small process out once and record every call that matters."""
    folder = lab.fresh(seconds=seconds)
    order = {"do": "run", "bug": bug, "environment": {"MILEPOST_DURABILITY": durability}}
    code = lab.carry_out(folder, order, [*STRACE, "-o", str(folder / "trace")])
    assert code == 0, (folder / "said").read_text()
    calls = read_trace((folder / "trace").read_text())
    (folder / "trace").unlink()
    return Recording(folder, calls, list(_told(calls, str(folder / "acked"))), durability)


def _told(calls: Sequence[Call], path: str):
    for number, call in enumerate(calls, 1):
        if call.name == "write" and _is_on(call.arguments[0], path):
            text = bytes.fromhex(call.arguments[1][1:-1].replace("\\x", ""))
            yield from ((number, json.loads(line)) for line in text.splitlines())


def _is_on(handle: str, path: str) -> bool:
    shown = handle.partition("<")[2].rstrip(">")
    return shown == path or shown == "".join(f"\\x{byte:02x}" for byte in path.encode())


def cuts(recording: Recording, count: int, modes: Sequence[str] = MODES) -> list[Cut]:
    """Cuts spread evenly over the calls on the workspace; equal states with equal debts are tried once."""
    disk = Disk(str(recording.folder))
    ours = [number for number, call in enumerate(recording.calls, 1) if _matters(call, str(recording.folder))]
    wanted = {ours[int((n + 0.5) * len(ours) / count)] for n in range(min(count, len(ours)))}
    chosen: dict[bytes, Cut] = {}
    for number, call in enumerate(recording.calls, 1):
        disk.take(call)
        if number in wanted:
            for mode in modes:
                cut = Cut(number, mode, recording.owed(number), _workspace(disk.state(mode, seed=number)))
                chosen.setdefault(_digest(cut), cut)
    return list(chosen.values())


def _matters(call: Call, folder: str) -> bool:
    shown = " ".join(call.arguments) + call.given
    hidden = "".join(f"\\x{byte:02x}" for byte in folder.encode())
    slash = "\\x2f"
    return any(
        f"{folder}/{name}" in shown or hidden + slash + "".join(f"\\x{byte:02x}" for byte in name.encode()) in shown
        for name in OURS
    )


def _workspace(state: dict[str, bytes | None]) -> dict[str, bytes | None]:
    return {path: content for path, content in state.items() if path.split("/")[0] in OURS}


def _digest(cut: Cut) -> bytes:
    digest = hashlib.blake2b(str(cut.owed).encode())
    for path, content in cut.state.items():
        digest.update(f"\0{path}\0".encode())
        digest.update(b"folder" if content is None else content)
    return digest.digest()


def tried(lab: Lab, recording: Recording, cut: Cut) -> list[str]:
    """Lay the state out, check it and carry it on; what is not as promised."""
    folder = lab.fresh()
    lay_out(cut.state, folder)
    lines = [json.dumps(line) for _, line in recording.told[: cut.owed]]
    (folder / "acked").write_text("".join(line + "\n" for line in lines))
    environment = {"MILEPOST_DURABILITY": recording.durability}
    violations = lab.check(folder, has_calls=False, environment=environment)
    if not violations:
        shutil.rmtree(folder)
    return [f"cut after call {cut.at} ({cut.mode}): {text}" for text in violations]
