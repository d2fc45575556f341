"""Real PDFs, some of them damaged on purpose; the same damage every time."""

import random
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = (ROOT / "build" / "pdfs", Path("/usr/share/R/doc/manual"))


def manuals() -> Path:
    """Where the manuals of R are; fetched when they are nowhere."""
    subprocess.run([ROOT / ".ci" / "pdfs"], check=True)
    for place in PLACES:
        if (place / "R-lang.pdf").exists():
            return place
    raise AssertionError("no PDFs: put the manuals of R (Debian's r-doc-pdf) into build/pdfs")


def lay_out(folder: Path) -> None:
    """Two sound documents, and five that are cut, flipped, emptied, none at all, or full of zeros."""
    folder.mkdir()
    source = manuals()
    data, faq = (source / "R-data.pdf").read_bytes(), (source / "R-FAQ.pdf").read_bytes()
    documents = {
        "data.pdf": data,
        "faq.pdf": faq,
        "cut.pdf": data[: len(data) * 6 // 10],
        "empty.pdf": b"",
        "flipped.pdf": flipped(data, each=3, seed=3),
        "letter.pdf": b"Dear Ada, this is no PDF.\n",
        "zeroed.pdf": data[: len(data) // 3] + b"\0" * 60_000 + data[len(data) // 3 + 60_000 :],
    }
    for name, content in documents.items():
        (folder / name).write_bytes(content)


def flipped(content: bytes, *, each: int, seed: int) -> bytes:
    """Bits flipped in every so-manieth stream of the first half, so that the document opens and pages of it fail."""
    dice, damaged = random.Random(seed), bytearray(content)
    streams = [found.span(1) for found in re.finditer(rb"stream\r?\n(.+?)endstream", content, re.DOTALL)]
    for start, end in streams[1 : len(streams) // 2 : each]:
        for _ in range(8):
            damaged[dice.randrange(start, min(start + 64, end))] ^= 1 << dice.randrange(8)
    return bytes(damaged)
