"""msgspec crashes a process in which two threads are the first to read one class: nobody does that here."""

import ast
import subprocess
import sys

import pytest
from tests.house.test_floors import SOURCES

FIRST_READINGS = {
    "rows of a ledger": """
        from milepost.store.sqlite.columns import table
        from milepost.model.rows import RunRow
        row = RunRow(id="r", name="brave-otter", process="sales", decisions_hash="d", created=1.0)
        cells = [getattr(row, name) for name in row.__struct_fields__]
        def read():
            table(RunRow).decode(RunRow, cells)
    """,
    "a decision of the user's class": """
        import dataclasses, enum, msgspec
        from milepost.model.decision import DecisionPoint
        class Shade(enum.Enum):
            RED = "red"
        @dataclasses.dataclass
        class Margin:
            left: int
            right: float
        class Layout(msgspec.Struct):
            shades: list[Shade]
            margins: dict[str, Margin]
            names: tuple[str, int, bool]
            inner: "Layout | None" = None
        point = DecisionPoint(stage="draw", name="layout", annotation=Layout)
        given = {"shades": ["red"], "margins": {"a": {"left": 1, "right": 2.0}}, "names": ["a", 1, True]}
        def read():
            point.accept(given)
    """,
    "text of a class": """
        import msgspec
        from milepost import typed
        from milepost.model.rows import SessionRow
        row = SessionRow(run="r", epoch=1, host="h", boot_id="b", pid=1, pid_started=1.0, started=1.0, beat=1.0)
        text = msgspec.json.encode(row)
        def read():
            typed.from_json(text, SessionRow)
            typed.json_decoder(SessionRow)(text)
    """,
}
EIGHT_AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-6)
{first}
together, wrong = threading.Barrier(8), []
def work():
    together.wait()
    for _ in range(20):
        try:
            read()
        except Exception as error:
            wrong.append(error)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(f"{{len(wrong)}} refused: {{wrong[0]!r}}" if wrong else 0)
"""


@pytest.mark.parametrize("what", FIRST_READINGS)
def test_threads_may_be_the_first_to_read_a_class_together(what):
    """Eight threads that read a class for the first time at the same instant all get it; unguarded, most crash."""
    import textwrap

    program = EIGHT_AT_ONCE.format(first=textwrap.dedent(FIRST_READINGS[what]))
    for _ in range(8):
        seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert (seen.returncode, seen.stderr) == (0, "")


FORKED_WHILE_THREADS_READ = """
import os, signal, sys, threading
sys.setswitchinterval(1e-6)
from milepost import typed
def work():
    while True:
        typed.from_json("[1]", tuple[int, ...])
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
for _ in range(20):
    child = os.fork()
    if not child:
        signal.alarm(20)
        typed.from_json("[1]", tuple[int, ...])
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        os._exit(1)
os._exit(0)
"""


def test_a_child_that_is_forked_while_threads_read_can_read():
    """Whoever held the lock in the parent is not there in the child to let it go."""
    seen = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED_WHILE_THREADS_READ], capture_output=True)
    assert (seen.returncode, seen.stderr) == (0, b"")


def test_only_one_place_has_msgspec_read_classes():
    """Types given to msgspec elsewhere are made of builtins alone, which msgspec describes anew for each call."""
    for path in SOURCES:
        if path.name == "typed.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            name.asname or name.name: f"{node.module}.{name.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "msgspec"
            for name in node.names
        }
        for node in ast.walk(tree):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            first, dot, rest = called.partition(".")
            called = imported.get(first, first) + dot + rest
            if isinstance(node, ast.Call) and called.startswith("msgspec."):
                where = f"{path}:{node.lineno}: {ast.unparse(node)}"
                assert called != "msgspec.convert", where
                types = [it.value for it in node.keywords if it.arg == "type"]
                types += node.args if called.endswith(".Decoder") else []
                named = {name.id for kind in types for name in ast.walk(kind) if isinstance(name, ast.Name)}
                assert named <= {"dict", "list", "tuple", "str", "int", "float", "object", *PLAIN}, where


PLAIN = ("Mapping", "Number", "msgspec")
