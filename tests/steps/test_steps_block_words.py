"""What a block says of its step: the worst word counts, none is lost, and no error is without what it was."""

import contextlib
import gc
import threading
import time

import pytest

from milepost.errors import DependencyError, ProcessManagementError
from milepost.steps import current_step


def end(manager):
    """How the document's last step ended, and what was said."""
    last = manager.get_steps("doc")[-1]
    return str(last.status), last.error_message


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        ("skip warn fail", "failed", "skip; warn; fail"),
        ("fail skip warn", "failed", "fail; skip; warn"),
        ("warn skip", "warning", "warn; skip"),
        ("skip warn", "warning", "skip; warn"),
        ("skip skip", "skipped", "skip; skip"),
        ("fail fail", "failed", "fail; fail"),
    ],
)
def test_the_worst_word_counts(manager, said, status, message):
    """FAILED before WARNING before SKIPPED, whatever came first; the texts are joined."""
    with manager.step("doc", "ocr") as step:
        for word in said.split():
            getattr(step, word)(word)
    assert end(manager) == (status, message)


def test_an_exception_after_a_warning_keeps_it(manager):
    """As it does a failure's text."""
    with pytest.raises(OSError, match="gone"), manager.step("doc", "ocr") as step:
        step.warn("page 2 is pale")
        raise OSError("gone")
    assert end(manager) == ("error", "page 2 is pale (OSError: gone)")


def test_a_block_is_entered_once(manager):
    """Inside of itself as after its end: nothing is begun that nobody ends."""
    step = manager.step("doc", "ocr")
    with step, pytest.raises(ProcessManagementError, match="belongs to one block"), step:
        raise AssertionError("not reached")
    with pytest.raises(ProcessManagementError, match="belongs to one block"):
        step.__enter__()
    assert [str(each.status) for each in manager.get_steps("doc")] == ["running", "success"]


def test_what_is_said_after_the_end_is_refused(manager):
    """It could not be recorded any more."""
    with manager.step("doc", "ocr") as step:
        pass
    for word in (lambda: step.note(a=1), lambda: step.measure(a=1), lambda: step.warn("a"), lambda: step.fail("a")):
        with pytest.raises(ProcessManagementError, match="'ocr' of document 'doc' is over"):
            word()


def test_a_group_of_errors_says_which(manager):
    """As task groups raise them, also groups in groups; the first ones, and how many more."""
    inner = ExceptionGroup("pages", [KeyError("page 2"), OSError(2, "No such file", "a.png")])
    with pytest.raises(ExceptionGroup), manager.step("doc", "ocr"):
        raise ExceptionGroup("unhandled errors in a TaskGroup", [ValueError("torn"), inner])
    assert end(manager) == (
        "error",
        "ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions): ValueError: torn; KeyError: 'page 2'; "
        "FileNotFoundError: [Errno 2] No such file: 'a.png'",
    )
    with pytest.raises(ExceptionGroup), manager.step("doc", "ocr"):
        raise ExceptionGroup("many", [ValueError(n) for n in range(50)])
    assert end(manager)[1].endswith("ValueError: 3; ValueError: 4; and 45 more")


def test_notes_of_an_exception_are_kept(manager):
    """What was added on its way up is often what helps."""
    with pytest.raises(ValueError, match="torn"), manager.step("doc", "ocr"):
        error = ValueError("torn")
        error.add_note("in chapter 3")
        raise error
    assert end(manager) == ("error", "ValueError: torn\nin chapter 3")


def test_an_error_of_any_length_stays_small(manager):
    """Text of a hundred megabytes costs neither the ledger nor the caller: its beginning, and how long it was."""
    began = time.monotonic()
    manager.add_step("doc", "ocr", "error", error_message="x" * 100_000_000)
    _, message = end(manager)
    assert message.startswith("x" * 1000)
    assert message.endswith("… (100,000,000 characters)")
    assert len(message) < 101_000

    class Long(Exception):
        def __str__(self):
            return "y" * 100_000_000

    with pytest.raises(Long), manager.step("doc", "ocr"):
        raise Long
    _, message = end(manager)
    assert message.startswith("Long: yyy")
    assert "(100,000,006 characters)" in message
    assert len(message) < 3_000
    assert time.monotonic() - began < 60


def test_a_secret_at_the_cut_is_not_told(manager):
    """What is cut is cut after secrets were masked."""
    secret = "ghp_" + "a1B2" * 9
    for room in range(99_970, 100_010, 4):
        manager.add_step("doc", "ocr", "error", error_message="x" * room + " " + secret + " " + "y" * 200_000)
        _, message = end(manager)
        assert "a1B2" not in message


def test_a_group_of_exceptions_that_hide_their_text(manager):
    """Whatever an exception does when it is asked: its type is told."""

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no")

    with contextlib.suppress(ExceptionGroup), manager.step("doc", "ocr"):
        raise ExceptionGroup("many", [Mute(), ValueError()])
    assert (
        end(manager)[1] == "ExceptionGroup: many (2 sub-exceptions): Mute: <without a text: RuntimeError>; ValueError"
    )


def pages(manager):
    with manager.step("doc", "pages"):
        yield 1
        yield 2


def test_a_generator_that_goes_with_the_garbage_waits_for_nobody(manager):
    """It may go anywhere, also inside of a commit: what it leaves is written with whatever is asked next."""
    found = [pages(manager)]
    next(found[0])

    def drop():
        with manager._ledger()._recorder._lock:
            found.clear()
            gc.collect()

    dropping = threading.Thread(target=drop, daemon=True)
    dropping.start()
    dropping.join(20)
    assert not dropping.is_alive()
    waits = ("pending", "attempt 1 was interrupted: GeneratorExit")
    assert end(manager) == waits


def test_blocks_may_be_left_in_any_order(manager):
    """As those of tasks and exit stacks are: the current step is one that is still at work."""
    first, second, third = (manager.step("doc", name) for name in "abc")
    for step in (first, second, third):
        step.__enter__()
    second.__exit__(None, None, None)
    assert current_step() is third
    third.__exit__(None, None, None)
    assert current_step() is first
    first.__exit__(None, None, None)
    assert current_step() is None


def test_a_long_circle_is_told_by_its_ends(manager):
    """Five thousand names help nobody."""
    for n in range(5_000):
        manager.declare(f"s{n + 1}", after=[f"s{n}"])
    with pytest.raises(DependencyError, match="s0 after s5000 after s4999 after 4,996 more after") as refused:
        manager.declare("s0", after=["s5000"])
    assert len(str(refused.value)) < 300
