"""A Python session of a page, as a notebook has one: reads blocks as JSON lines, answers with what was printed.

Run as a script; blocks are executed in `__main__`. A block with `>>>` is answered example by example.
"""

import doctest
import io
import json
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout

namespace = sys.modules["__main__"].__dict__


def executed(source: str, name: str, mode: str) -> str:
    """What the source prints; for an exception its last line, as a traceback shows it."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            exec(compile(source, name, mode, dont_inherit=True), namespace)
        except Exception as error:
            printed.write("Traceback (most recent call last):\n    ...\n")
            printed.write(traceback.format_exception_only(error)[-1])
    return printed.getvalue()


def answer(block: dict) -> list[list[str]]:
    """Pairs of what is shown and what was printed."""
    text, name = block["text"], block["name"]
    if ">>>" not in text:
        return [["", executed(text, name, "exec")]]
    examples = doctest.DocTestParser().get_examples(text)
    return [[example.want, executed(example.source, name, "single")] for example in examples]


if __name__ == "__main__":
    sys.path.insert(0, "")
    answers = sys.stdout
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()
