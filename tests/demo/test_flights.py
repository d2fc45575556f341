"""The demo's analysis, as plain functions: a stage called outside a run is the function it decorates."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from milepost.cli.demo.material import data_files

pytestmark = pytest.mark.xdist_group("flights")  # the year's data are read once
SOURCE = Path(__file__).parents[2] / "src" / "milepost" / "cli" / "demo" / "flights.py"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("flights", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clean(demo):
    paths = data_files()
    return demo.clean(demo.flights(paths["flights.csv.zip"]), demo.weather(paths["weather.csv"]))


def test_the_data_are_the_year_2013(clean):
    """All flights whose hour has weather are there (99.5 %), a quarter of them late, cancelled ones counted as late."""
    assert len(clean) == 335_142
    assert clean.late.mean() == pytest.approx(0.2584, abs=0.0005)
    assert clean.late[clean.arr_delay.isna()].all()
    assert not clean.late[clean.arr_delay <= 15].any()


def test_what_never_arrived_can_be_left_out(demo):
    """With never_arrived="drop" a cancelled flight does not count at all."""
    paths = data_files()
    kept = demo.clean(demo.flights(paths["flights.csv.zip"]), demo.weather(paths["weather.csv"]), 15, "drop")
    assert kept.arr_delay.notna().all()
    assert kept.late.mean() == pytest.approx(0.2366, abs=0.001)


def test_the_model_finds_the_weights_that_made_the_data(demo):
    """Logistic regression recovers known weights, and counts of 0 leave flights out."""
    random = np.random.default_rng(3)
    x = np.column_stack([np.ones(40_000), random.normal(size=(40_000, 2))])
    late = random.random(40_000) < 1 / (1 + np.exp(-(x @ [-1.0, 0.7, -0.3])))
    assert demo.fit(x, late) == pytest.approx([-1.0, 0.7, -0.3], abs=0.05)
    half = np.arange(40_000) < 20_000
    assert demo.fit(x, late, count=half) == pytest.approx(demo.fit(x[half], late[half]), abs=1e-6)


def test_whole_days_are_drawn(demo):
    """Flights of one day are drawn equally often, and as many days are drawn as there are."""
    day = np.repeat(np.arange(30), 4)
    for counts in demo.day_counts(day, 20, seed=1):
        assert (counts.reshape(30, 4).std(axis=1) == 0).all()
        assert counts.sum() == 120


@pytest.fixture(scope="module")
def studied(demo, clean):
    network = demo.network(clean)
    busiest = sorted(demo.routes(clean), key=lambda route: -len(route["late"]))[:16]
    return network, [demo.study(route, network, 50) for route in busiest]


def test_the_adjusted_shares_agree_with_a_count_by_strata(clean, studied):
    """For busy routes, shares under same conditions agree with reweighting flights by time of day and season."""
    table = clean.assign(cell=pd.cut(clean.hour, [0, 8, 11, 14, 17, 24]).astype(str) + (clean.month // 4).astype(str))
    weight = table.cell.value_counts(normalize=True)
    off = []
    for row in studied[1]:
        cells = table[table.route == row["route"]].groupby("cell").late.agg(["mean", "size"])
        if len(cells) == len(weight) and cells["size"].min() >= 15:
            off.append(row["share"] - float((cells["mean"] * weight[cells.index]).sum()))
    assert len(off) > 10
    assert abs(np.mean(off)) < 0.01
    assert np.max(np.abs(off)) < 0.035


def test_the_same_route_gives_the_same_numbers(demo, clean, studied):
    """A route's result does not depend on when or where it was computed."""
    network, rows = studied
    again = next(route for route in demo.routes(clean) if route["route"] == rows[0]["route"])
    assert demo.study(again, network, 50) == rows[0]


def test_a_verdict_needs_the_whole_interval(demo, studied):
    """Late and punctual are said only where the 95 % interval is on one side of the threshold."""
    table = demo.rank(studied[1], 0.25)
    assert table.share.is_monotonic_decreasing
    assert (table.low < table.share).all()
    assert (table.share < table.high).all()
    assert (table[table.verdict == "late"].low > 0.25).all()
    assert (table[table.verdict == "punctual"].high < 0.25).all()
    assert set(table.verdict) == {"late", "unclear", "punctual"}


def test_the_report_is_one_page_without_outside_parts(demo, studied):
    """The text fits 80 columns; the page holds chart and routes and loads nothing from anywhere."""
    network, rows = studied
    table = demo.rank(rows)
    chart = demo.chart(table, network)
    assert demo.chart(table, network) == chart
    report = demo.report(table, chart, network)
    assert max(map(len, report["text"].splitlines())) <= 80
    assert "<svg" in report["html"]
    assert report["metrics"].keys() == {*table.verdict, "agreement", "share_late"}
    assert report["html"].count("<tr>") == len(table) + 1
    for outside in ("src=", "<script", "@import", "<link"):
        assert outside not in report["html"]
