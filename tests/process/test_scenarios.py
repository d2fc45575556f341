"""Scenarios: saved, run, renamed and removed; nothing that was saved is ever lost."""

import pytest

from milepost.model.rows import RunRow
from milepost.model.status import StageState
from milepost.process.scenarios import Scenarios

SALES = """
    from milepost import Process, stage

    @stage
    def orders(count: int = 4):
        return list(range(count))

    @stage
    def score(orders, threshold: float = 0.75, label: str = "x"):
        return [order * threshold for order in orders]

    sales = Process("sales", [orders, score])
"""


@pytest.fixture
def scenarios(workspace):
    return Scenarios(workspace.store, workspace.objects, "sales")


def plain(scenario):
    return {stage: dict(values) for stage, values in scenario.decisions.items()}


def test_a_scenario_is_run_and_what_it_shares_with_another_is_reused(workspace, load):
    """The second scenario reuses the stage whose decisions are the same; both runs bear their names."""
    sales = load(SALES)
    sales.save_scenario("strict", {"score.threshold": 0.9}, workspace=workspace)
    sales.save_scenario("loose", {"score": {"threshold": 0.1}}, workspace=workspace)
    strict = sales.run(scenario="strict", workspace=workspace)
    loose = sales.run(scenario="loose", workspace=workspace)
    assert strict.results["score"] == [0.0, 0.9, 1.8, 2.7]
    assert loose.stages == {"orders": StageState.REUSED, "score": StageState.COMPLETED}
    assert [row.scenario for row in workspace.store.rows(RunRow)] == ["strict", "loose"]
    assert sales.run(scenario="strict", workspace=workspace).stages["score"] is StageState.REUSED
