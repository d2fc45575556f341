"""Documents of no run are tried again: those that failed wait, once, and their program sees it."""

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.process.retrying import retry_documents
from milepost.steps import ProcessingStepManager

P = ProcessingStatus


def test_failed_documents_wait_for_another_attempt(workspace):
    """Those that were done since, that wait, or that belong to a run are left alone; asked twice, they wait once."""
    with ProcessingStepManager(workspace.store) as manager:
        for doc, *statuses in [
            ("a", P.ERROR),
            ("b", P.FAILED),
            ("c", P.ERROR, P.SUCCESS),
            ("d", P.SUCCESS),
            ("e", P.WARNING),
        ]:
            for status in statuses:
                manager.add_step(doc, "read", status, error_message=None if status is P.SUCCESS else "why")
        manager.add_step("a", "write", P.ERROR, error_message="why")
        workspace.store.write([StepRow(run="r1", step="read", item="z", status=P.FAILED, at=1.0)])
        assert retry_documents(workspace, "read") == 2
        assert retry_documents(workspace) == 1
        assert retry_documents(workspace) == 0
        assert [manager.latest_status(doc, "read") for doc in "abcde"] == [
            P.PENDING, P.PENDING, P.SUCCESS, P.SUCCESS, P.WARNING,
        ]  # fmt: skip
        manager.add_step("a", "read", P.RUNNING)
        manager.add_step("a", "read", P.SUCCESS)
        assert [(step.metadata["attempt"], step.status) for step in manager.get_steps("a", step_name="read")] == [
            (1, P.ERROR), (2, P.PENDING), (2, P.RUNNING), (2, P.SUCCESS),
        ]  # fmt: skip


def test_they_wait_in_the_order_in_which_they_failed(workspace):
    """Whatever their steps are called, and whichever order Python gives a set of them."""
    failed = [(f"d{number}", f"step {number % 7}") for number in range(30)]
    with ProcessingStepManager(workspace.store) as manager:
        manager.add_steps((doc, step, P.ERROR) for doc, step in failed)
        assert retry_documents(workspace) == len(failed)
        waiting = [(step.metadata["doc_id"], step.step_name) for step in manager.iter_steps(status=P.PENDING)]
    assert waiting == failed
