"""Carries out the blocks of one page, in order, in one folder of its own, and says what differs from the page."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from doc_blocks import Block, Command, blocks, commands
from doc_comparing import agrees

HOME = "/home/ada/work"  # how pages name the folder that their commands run in
SECONDS = 60  # longer than any command of a page


@dataclass(frozen=True)
class Difference:
    """What a page shows at a line, and what was printed instead."""

    line: int
    what: str
    shown: str
    printed: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}\n--- shown\n{self.shown}\n--- printed\n{self.printed}"


@dataclass(frozen=True)
class Printed:
    """What a command printed; where it stands in the page."""

    command: Command
    text: str


class Walk:
    """One page being carried out."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.printed: list[Printed] = []
        self._page = page
        self._folder = (folder / "work").resolve()
        self._folder.mkdir(parents=True)
        commands = folder / "bin"
        commands.mkdir()
        _place_command(commands / "milepost", [sys.executable, "-m", "milepost"])
        _place_command(commands / "python", [sys.executable])
        _place_command(commands / "sleep", [sys.executable, str(Path(__file__).with_name("doc_sleep.py"))])
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("MILEPOST_")} | {
            "XDG_DATA_HOME": str(folder / "data"),
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }
        self._session: subprocess.Popen[str] | None = None

    def carry_out(self) -> list[Difference]:
        """Every block; what differs."""
        try:
            return [difference for block in blocks(self._page) for difference in self._block(block)]
        finally:
            if self._session is not None:
                self._session.stdin.close()
                self._session.wait(SECONDS)
                self._session.stdout.close()

    def _block(self, block: Block) -> list[Difference]:
        if block.not_run is not None:
            return []
        if block.language == "diff":
            return self._edit(block)
        if block.language in ("console", "sh"):
            return [difference for command in commands(block) for difference in self._command(command)]
        if block.file is not None:
            path = self._folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            return []
        return self._python(block) if block.language == "python" else []

    def _command(self, command: Command) -> list[Difference]:
        done = subprocess.run(
            ["bash", "-c", command.text],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        text = done.stdout.replace(str(self._folder), HOME)
        self.printed.append(Printed(command, text))
        shown = "\n".join(command.shown)
        return [] if agrees(shown, text) else [Difference(command.line, f"$ {command.text}", shown, text)]

    def _python(self, block: Block) -> list[Difference]:
        session = self._python_session()
        session.stdin.write(json.dumps({"text": block.text, "name": f"{self._page.name}:{block.line}"}) + "\n")
        session.stdin.flush()
        answers = json.loads(session.stdout.readline())
        return [
            Difference(block.line, "python", shown, printed)
            for shown, printed in answers
            if not agrees(shown, printed.replace(str(self._folder), HOME))
        ]

    def _python_session(self) -> "subprocess.Popen[str]":
        if self._session is None:
            self._session = subprocess.Popen(
                [sys.executable, "-c", Path(__file__).with_name("doc_session.py").read_text(encoding="utf-8")],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._session

    def _edit(self, block: Block) -> list[Difference]:
        """A diff block: `# file` and then a hunk whose lines are found where they are in the file."""
        path = self._folder / str(block.file)
        old = "".join(f"{line[1:]}\n" for line in block.lines[1:] if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in block.lines[1:] if not line.startswith("-"))
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            return [Difference(block.line, f"edit of {block.file}", old, text)]
        path.write_text(text.replace(old, new), encoding="utf-8")
        return []


def _place_command(path: Path, words: list[str]) -> None:
    """A command of this name, whatever it is called where the tests run."""
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
