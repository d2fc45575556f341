"""What a trial's process does: carry the small process out, tell an outside file what was acknowledged, check.

`python driver.py serve` is a process that has imported everything and forks one child per order, so that a trial
costs a tenth of a second. Orders and answers are lines of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

ACKED = "acked"


def serve() -> None:
    """For each order: fork, answer the child's pid, on the next line let it go, answer how it ended."""
    import bugs  # noqa: F401
    import checks  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        if "load" in order:
            for name in order["load"]:
                load(name)
            continue
        ready, go = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go)
            sys.stdin.close()
            child(order, ready)
        os.close(ready)
        answer(pid=pid)
        sys.stdin.readline()
        os.close(go)
        answer(status=os.waitpid(pid, 0)[1])


def load(name: str) -> None:
    try:
        __import__(name)
    except Exception:  # a module that only its package can import
        return


def answer(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def child(order: dict, ready: int) -> None:
    code = 70
    try:
        os.setsid()
        os.chdir(order["folder"])
        os.environ.update(order["environment"])
        said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.close(said)
        os.read(ready, 1)  # end of file: go
        os.close(ready)
        code = act(order)
    except BaseException:
        with suppress(OSError):
            traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # every write may be refused by now
            stream.flush()
    os._exit(code)


def act(order: dict) -> int:
    """Do what the order says, and return an exit code."""
    action = order["do"]
    if "days_ago" in order:
        move_clock(-86_400.0 * order["days_ago"])
    if order.get("bug"):
        import bugs

        bugs.plant(order["bug"])
    if action == "run":
        tell_acknowledged(order.get("with_times", False))
        return carry_out(order.get("options", {}))
    if action == "shell":
        tell_acknowledged()
        return shell(order["arguments"])
    if action == "modules":
        carry_out({})
        sys.stdout.write("\n" + json.dumps(sorted(sys.modules)))
        return 0
    import checks

    return checks.main(order)


def move_clock(seconds: float) -> None:
    """From now on this process dates things so much later."""
    real = time.time
    time.time = lambda: real() + seconds


def carry_out(options: dict) -> int:
    from milepost.process.targets import load_target

    load_target("sales.py").run(**options)
    return 0


def shell(arguments: list[str]) -> int:
    from milepost.cli.main import main

    sys.argv = ["milepost", *arguments]
    try:
        code = main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return code if isinstance(code, int) else 0


def tell_acknowledged(with_times: bool = False) -> None:
    """From now on each return of a promise is a line in an outside file: what any observer has been told."""
    from milepost.kernel.recorder import Recorder
    from milepost.store.objects import Objects
    from milepost.store.sqlite import SqliteStore

    handle = os.open(ACKED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(*lines: list) -> None:
        if lines:
            os.write(handle, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            if with_times:
                with Path("times").open("a") as times:
                    times.writelines(f"{time.monotonic()} {line[0]}\n" for line in lines)

    def told_record(self, *rows, durable=False):
        changed = record(self, *rows, durable=durable)
        lines = [line for row in rows if (line := row_line(row))]
        if durable and rows:
            lines.append(["barrier"])
        tell(*lines)
        return changed

    def told_claim(self, wish, try_lock):
        claimed = claim(self, wish, try_lock)
        tell(["RunRow", claimed.run.id, "running"], ["barrier"])
        return claimed

    def told_sync(self):
        made = sync(self)
        tell(["barrier"])
        return made

    def told_put(self, encoded):
        stored = put(self, encoded)
        tell(["object", stored.address])
        return stored

    record, claim = Recorder.record, SqliteStore.claim
    sync, put = SqliteStore.sync, Objects.put_encoded
    Recorder.record, SqliteStore.claim = told_record, told_claim
    SqliteStore.sync, Objects.put_encoded = told_sync, told_put


def row_line(row) -> list | None:
    """What was promised by a committed row; None when nobody is told of it."""
    name = type(row).__name__
    if name == "StepRow":
        return [name, row.run, row.item, row.step, row.attempt]
    if name == "ResultRow":
        return [name, row.key, row.address]
    if name == "DecisionRow":
        return [name, row.run, row.stage, row.name, row.value]
    if name == "StageRow":
        return [name, row.run, row.stage, row.epoch, str(row.state)]
    if name == "RunRow":
        return [name, row.id, str(row.state)]
    if name == "EventRow":
        return [name, row.run, row.epoch, row.kind]
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    serve()
