"""The text of PDFs, page by page, into a folder of text files: kill it at any time, start it again, and it goes on.

python examples/pdf_pages.py FOLDER_OF_PDFS TEXTS        (needs: pip install pypdf)
milepost show --items --status failed
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pypdf import PdfReader

from milepost import open_run


@dataclass
class Page:
    """A page of a document that was opened, or a whole document that could not be."""

    document: str
    number: int | None
    source: PdfReader | Exception

    @property
    def key(self) -> str:
        """What the page is called in the ledger, whatever becomes of the other documents."""
        return self.document if self.number is None else f"{self.document}#{self.number}"

    def text(self) -> str:
        """Its text, or the error that its document could not be opened for."""
        if isinstance(self.source, Exception):
            raise self.source
        return self.source.pages[self.number - 1].extract_text()


def pages(folder: Path) -> Iterator[Page]:
    """Every page of every PDF, one document open at a time. A damaged one is an item that fails."""
    for path in sorted(folder.glob("*.pdf")):
        try:
            reader = PdfReader(path)
            count = len(reader.pages)
        except Exception as error:
            yield Page(path.name, None, error)
            continue
        yield from (Page(path.name, number, reader) for number in range(1, count + 1))


def main(folder: Path, texts: Path) -> None:
    """A text file and a row of the ledger for each page."""
    texts.mkdir(parents=True, exist_ok=True)
    with open_run("pdf pages", verbose=True) as run:
        for step in run.items(pages(folder), key="key", by="key", step="text"):
            with step as page:
                text = page.text()
                (texts / f"{page.key}.txt").write_text(text, encoding="utf-8", errors="replace")
                step.details(characters=len(text))
                if not text.strip():
                    step.warn("no text on this page")


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"usage: python {sys.argv[0]} FOLDER_OF_PDFS TEXTS    (the first has to be there)")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
