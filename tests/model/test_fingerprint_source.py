"""The texts that `why` shows are those of the code that ran."""

from __future__ import annotations

import gc
import sys
import threading

from milepost.model.fingerprint.code import class_parts, code_parts, with_texts
from milepost.model.fingerprint.parts import compare, diff_text

SALES = '''
RATE = 0.75

def deco(f): return f

class Row:
    """A row."""
    limit = 3
    def doubled(self):
        return 2 * self.limit

class Bare:
    x: int = 1

@deco
def helper(x):  # a comment
    return RATE * x

f = lambda x: x + 1; g = lambda x: x + 2

def stage(x):
    """Clean."""
    return helper(x), Row, g(x), Bare
'''


def texts(function: object) -> dict[str, str | None]:
    found = code_parts(function, version_of=lambda package: None)
    return {part.name: part.text for part in with_texts(found.parts, function)}


def test_texts_are_sources_and_previews(world):
    """Functions with their decorators, classes, one of two lambdas of a line, values."""
    world.write(sales=SALES)
    found = texts(world.load().stage)
    assert found["code"] == 'def stage(x):\n    """Clean."""\n    return helper(x), Row, g(x), Bare\n'
    assert found["code:sales.helper"] == "@deco\ndef helper(x):  # a comment\n    return RATE * x\n"
    assert found["code:sales.<lambda>"] == "lambda x: x + 2"
    assert found["class:sales.Row"].startswith('class Row:\n    """A row."""\n    limit = 3\n')
    assert found["global:sales.RATE"] == "0.75"
    assert "x: int" in found["class:sales.Bare"]


def test_a_file_edited_since_is_not_taken_for_what_ran(world):
    """What moved is found where it is now; what changed is shown as instructions, never as the new text."""
    world.write(sales=SALES)
    module = world.load()
    world.write(sales="# moved\n\n" + SALES.replace("RATE * x", "RATE + x").replace("2 * self", "3 * self"))
    found = texts(module.stage)
    assert found["code"].startswith("def stage(x):")
    for name in ("code:sales.helper", "class:sales.Row"):
        assert "+ x" not in found[name]
        assert "3 *" not in found[name]
        assert "instructions" in found[name]


def test_an_edit_is_shown_as_a_diff(world):
    """From two fingerprints to the lines that differ."""
    runs = []
    for source in (SALES, SALES.replace("RATE * x", "RATE - x")):
        world.write(sales=source)
        function = world.load().stage
        runs.append(with_texts(code_parts(function, version_of=lambda package: None).parts, function))
    (change,) = compare(*runs)
    assert change.name == "code:sales.helper"
    assert "-    return RATE * x\n+    return RATE - x" in diff_text(change)


def test_code_without_a_source(world):
    """Code from exec is shown as instructions."""
    space: dict[str, object] = {}
    exec("def stage(x): return x + 41", space)
    assert "LOAD_CONST 41" in texts(space["stage"])["code"]


def test_a_class_has_texts_too(world):
    """A class that comes from upstream is shown like one that is reached."""
    world.write(sales=SALES)
    row = world.load().Row
    found = with_texts(class_parts(row, version_of=lambda package: None).parts, row)
    assert found[0].text.startswith("class Row:")


def test_a_class_may_be_copied_by_another_thread_meanwhile(world):
    """The first copy of an instance, or its first pickle, writes into its class."""
    world.write(
        sales="""
        import copy

        class Copying:  # as often as it is looked at, as another thread may
            def __getattr__(self, name):
                copy.copy(object.__new__(Row))
                raise AttributeError(name)

        class Row:
            first = Copying()
            limit = 3

        def stage(x):
            return Row
        """
    )
    assert "limit = 3" in str(texts(world.load().stage)["class:sales.Row"])


def test_threads_may_ask_for_texts_together(world):
    """Python itself refuses a parse that another one in the same process disturbed: the text is there all the same."""
    world.write(sales=SALES + "def more(x):\n    return [x * (1 + 2 * (3 + x)) for _ in range(x)]\n" * 200)
    function = world.load().stage
    together, found = threading.Barrier(4), []

    def looked_on(phase: str, info: dict[str, int]) -> None:
        sum(range(5))

    def ask() -> None:
        together.wait()
        found.extend(texts(function)["code:sales.helper"] for _ in range(5))

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(looked_on)  # whatever Python runs while garbage is collected lets other threads in
    try:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.callbacks.remove(looked_on)
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
    assert found == ["@deco\ndef helper(x):  # a comment\n    return RATE * x\n"] * 20
