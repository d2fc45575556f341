"""Steps that come after others: declared, checked, shown."""

import pytest

from milepost.errors import DependencyError


@pytest.fixture
def chain(manager):
    """download → ocr → index, and layout → index."""
    manager.declare("index", after=["ocr", "layout"])
    manager.declare("ocr", after="download")
    return manager


@pytest.mark.parametrize("status", ["success", "warning", "skipped"])
def test_a_step_starts_when_those_before_it_are_done(chain, status):
    """SUCCESS, WARNING and SKIPPED are done."""
    chain.add_step("doc", "download", status)
    chain.add_step("doc", "ocr", "running")
    assert chain.missing("doc", "ocr") == {}


@pytest.mark.parametrize("status", [None, "pending", "running", "error", "failed"])
def test_a_step_does_not_start_before(chain, status):
    """The error names what is missing and where it stands, nothing is recorded, and no work is begun."""
    if status:
        chain.add_step("doc", "download", status)
    calls = []
    for start in (
        lambda: chain.add_step("doc", "ocr", "running"),
        lambda: chain.step("doc", "ocr").__enter__(),
        lambda: chain.tracked("ocr", retries=3)(lambda doc: calls.append(doc))("doc"),
    ):
        with pytest.raises(DependencyError, match=rf"after 'download' \({status or 'not begun'}\)") as caught:
            start()
        assert caught.value.missing == ("download",)
    assert chain.get_steps("doc", step_name="ocr") == calls == []


def test_it_is_the_last_word_that_counts(chain):
    """A step before it that was done and is wrong since is not done; another document's does not count."""
    chain.add_step("doc", "download", "success")
    chain.add_step("other", "download", "success")
    chain.add_step("doc", "download", "error")
    with pytest.raises(DependencyError):
        chain.add_step("doc", "ocr", "running")
    chain.add_step("other", "ocr", "running")


def test_facts_are_recorded_all_the_same(chain):
    """An end without a start, and steps in bulk, are reports of what was."""
    chain.add_step("doc", "ocr", "success")
    chain.add_steps([("doc", "index", "running"), ("doc", "index", "success")])
    assert len(chain.get_steps("doc")) == 3


def test_all_that_is_missing_is_named(chain):
    """Not only the first."""
    chain.add_step("doc", "layout", "failed")
    with pytest.raises(DependencyError, match=r"'ocr' \(not begun\), 'layout' \(failed\)"):
        chain.add_step("doc", "index", "running")
    assert list(chain.missing("doc", "index")) == ["ocr", "layout"]


def test_a_circle_is_refused(chain):
    """With its way, and what was declared before stays as it was."""
    with pytest.raises(
        DependencyError, match="'download' would wait for itself: download after index after ocr after d"
    ):
        chain.declare("download", after=["index"])
    with pytest.raises(DependencyError, match="ocr after ocr"):
        chain.declare("ocr", after=["ocr"])
    assert chain.dependencies == {"index": ("ocr", "layout"), "ocr": ("download",)}
    chain.add_step("doc", "download", "running")


def test_dependencies_are_shown(chain):
    """In an order that works, with what each comes after, and where a document stands."""
    assert chain.show_dependencies() == "download\nocr  after download\nlayout\nindex  after ocr, layout"
    chain.add_step("doc", "download", "success")
    assert chain.show_dependencies("doc").splitlines() == [
        "download: success",
        "ocr  after download: can start",
        "layout: can start",
        "index  after ocr, layout: waits for ocr, layout",
    ]


def test_a_long_chain(manager):
    """A thousand steps one after the other are declared, checked and shown."""
    for n in range(1, 1_000):
        manager.declare(f"s{n}", after=[f"s{n - 1}"])
    with pytest.raises(DependencyError, match="would wait for itself"):
        manager.declare("s0", after=["s999"])
    assert manager.show_dependencies().splitlines()[-1] == "s999  after s998"
