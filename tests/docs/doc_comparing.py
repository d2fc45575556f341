"""Whether a page shows what was printed, apart from what varies: names of runs, times, ids, memory, places."""

import re

from milepost.model.names import ADJECTIVES, NOUNS

_ELLIPSIS = "..."

_VARIES = [
    (rf"\b(?:{'|'.join(ADJECTIVES)})-(?:{'|'.join(NOUNS)})(?:-\d+)?\b", "RUN"),
    (r"\b[0-9a-f]{16,}\b|\bproc_\d{14}_[0-9a-f]{8}\b", "ID"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?", "TIME"),
    (r"\b\d\d:\d\d:\d\d(?:\.\d+)?\b", "TIME"),
    (r"\d+(?:\.\d+)? (?:ms|s|min|h)(?: \d+ (?:s|min))?\b", "SECONDS"),
    (r"SECONDS ago to SECONDS ago", "SECONDS ago"),
    (r"SECONDS( \|)? +[+-][\d,.]+ %", r"SECONDS\1"),
    (r"\d+(?:\.\d+)? (?:B|kB|MB|GB)\b", "SIZE"),
    (r"\d[\d,.]*/(?:s|min)\b", "RATE"),
    (r"\S+ pid \d+", "OWNER"),
    (r"chosen by \S+", "chosen by USER"),
    (r"\S+ on \S+, SECONDS ago", "USER on HOST, SECONDS ago"),
    (r"\bby \S+ on \S+", "by USER on HOST"),
    (r"(?<=SECONDS ago  )\S+", "USER"),
    (r"\d+/(?=\d+\b)", "N/"),
    (r"\b\d+ (?=of \d+ items\b)", "N "),
    (r"\b\d+ (?=of them reused)", "N "),
    (r"\bafter \d+ items", "after N items"),
    (r"\b\d+\.\d+\.\d+(?:\.\d+)?\b", "VERSION"),
    (r"\(from \d+ of \d+\)", ""),
    (r"^(ok|note) +(ledger|disk|milepost) .*$", r"\1 \2"),
    (r"[ \t]+", " "),
]
_PATTERNS = [(re.compile(pattern, re.MULTILINE), instead) for pattern, instead in _VARIES]
# A line about a stage under way, what was saved when it is a tenth of a second, how the machine fares: there or not.
_LEFT_OUT = re.compile(r"^ *(?:saved .*|\S+ +running .*|\[\d\]\+? .*|(?:\S )?(?:disk|memory|cpu):? .*|)$")


def normal(text: str) -> list[str]:
    """The lines with what varies replaced, and without those that may or may not be there."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return [line.strip() for line in text.splitlines() if not _LEFT_OUT.match(line)]


def agrees(shown: str, printed: str) -> bool:
    """Whether the printed text is the one shown. A line `...` in what is shown stands for any lines."""
    return _matches(normal(shown), normal(printed))


def _matches(shown: list[str], printed: list[str]) -> bool:
    if not shown:
        return not printed
    if shown[0] == _ELLIPSIS:
        return any(_matches(shown[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and _matches(shown[1:], printed[1:])
