"""README and docs say what is: every block runs and prints what the page shows; every link leads somewhere."""

import re
import tomllib

import pytest
from doc_blocks import PAGES, ROOT, RUN, blocks

from milepost.alerts import read_settings

LANGUAGES = {"python", "console", "diff", "text", "toml"}
MOST_NOT_RUN = 2

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.xdist_group("pages")
@pytest.mark.parametrize("page", [page.name for page in RUN])
def test_every_block_does_what_the_page_shows(page, carried_out):
    """Code blocks are written, imported, executed; commands are run for real and print what is shown."""
    different = carried_out[page].result()
    assert not different, "\n\n".join(str(difference) for difference in different)


def test_few_blocks_are_not_run():
    """A block that is not run says so, and there are hardly any."""
    not_run = [(page.name, block.not_run) for page in RUN for block in blocks(page) if block.not_run]
    assert len(not_run) <= MOST_NOT_RUN, not_run


def test_every_block_says_what_it_is():
    """A block in a language that nobody runs cannot hide an example."""
    found = {(page.name, block.line, block.language) for page in RUN for block in blocks(page)}
    assert [] == [block for block in found if block[2] not in LANGUAGES]


@pytest.mark.parametrize("block", [block for page in RUN for block in blocks(page) if block.language == "toml"])
def test_every_rule_file_is_accepted(block):
    """TOML on a page is rules and channels of alerts, and can be used as it stands."""
    assert read_settings(tomllib.loads(block.text)["alerts"]).rules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """A link to a file of the project names one that is there, and a heading in it."""
    lost = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not _leads_somewhere(page, link)]
    assert lost == []


def _leads_somewhere(page, link):
    if "://" in link:
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page):
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_architecture_names_places_that_are_there():
    """Each path in its tables exists, and it is short enough to be read."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`([\w/.-]+(?:/|\.py|\.md))`", text))
    lost = [path for path in paths if not any((place / path).exists() for place in (ROOT, ROOT / "src" / "milepost"))]
    assert lost == []
    assert text.count("\n") <= 150


def test_every_package_of_src_has_its_floor():
    """The table of floors leaves none out."""
    floors = (
        (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## The floors")[2].partition("## Where")[0]
    )
    packages = [path.name for path in (ROOT / "src" / "milepost").iterdir() if (path / "__init__.py").exists()]
    assert [name for name in packages if f"`{name}/`" not in floors] == []
