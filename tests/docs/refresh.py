"""Write what commands print today into the pages: `python tests/docs/refresh.py docs/tutorial.md …`; read the diff."""

import sys
import tempfile
from pathlib import Path

from doc_comparing import agrees
from doc_running import Walk


def refresh(page: Path) -> None:
    """Replace the output of every command if any prints another one now, so that names of runs agree on the page."""
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(page, Path(folder))
        different = walk.carry_out()
    for difference in different:
        if not difference.what.startswith("$ "):
            print(f"{page}: {difference}\n")
    if not any(difference.what.startswith("$ ") for difference in different):
        return
    lines = page.read_text(encoding="utf-8").splitlines()
    for printed in reversed(walk.printed):
        shown = printed.command.shown
        if "..." in shown and agrees("\n".join(shown), printed.text):
            continue
        start = printed.command.line + printed.command.text.count("\n")
        lines[start : start + len(shown)] = printed.text.rstrip("\n").splitlines()
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(Path(name))
