"""Orders to a report: what is done is kept, whatever happens, and only what a change reaches runs again.

cd examples; milepost run sales.py
"""

import csv
from typing import Annotated

from milepost import File, Meta, Process, Stage, stage


@stage
def orders(path: File = "orders.csv"):
    """Read the orders; the file counts by its content."""
    with open(path, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@stage
def clean(orders, drop_refunds: bool = True):
    """Leave refunds out, if so decided."""
    return [order for order in orders if order["refunded"] == "no" or not drop_refunds]


@stage(each="clean", key="invoice_id", retries=2)
def score(invoice, vat: Annotated[float, Meta(ge=0, le=1)] = 0.2):
    """One invoice at a time: each is kept as soon as it is done."""
    return {**invoice, "gross": priced(float(invoice["net"]), vat)}


@stage
def report(score, here: Stage, at_least: Annotated[float, Meta(ge=0)] = 50.0):
    """What each customer is to pay, the largest first."""
    totals: dict[str, float] = {}
    for invoice in score:
        totals[invoice["customer"]] = totals.get(invoice["customer"], 0.0) + invoice["gross"]
    here.metric("gross", round(sum(totals.values()), 2))
    return {
        name: round(total, 2) for name, total in sorted(totals.items(), key=lambda pair: -pair[1]) if total >= at_least
    }


def priced(net: float, vat: float) -> float:
    """The gross price, in cents exact enough for an example."""
    return round(net * (1 + vat), 2)


sales = Process("sales", [orders, clean, score, report])

if __name__ == "__main__":
    print(sales.run().results["report"])
