"""What a workspace holds: what is damaged, and what no run reaches."""

from __future__ import annotations

from collections.abc import Sequence

from milepost.errors import ObjectError
from milepost.model.rows import ResultRow, RunRow, StageRow
from milepost.model.status import RunState
from milepost.store.objects import Objects
from milepost.store.protocol import Store
from milepost.views.view import View


class DamageView(View, frozen=True, kw_only=True):
    """One thing that is not as it was written."""

    where: str
    problem: str


class Verification(View, frozen=True, kw_only=True):
    """What was read back, and what was wrong with it."""

    objects: int
    damages: tuple[DamageView, ...]


def verify_all(store: Store, objects: Objects) -> Verification:
    """Read every row that carries a digest and every object. Damaged objects are set aside by the reading."""
    damages = [DamageView(where=f"{table} {identity}", problem=problem) for table, identity, problem in store.verify()]
    present = set()
    for address in objects.addresses():
        present.add(address)
        try:
            objects.verify(address)
        except ObjectError as error:
            damages.append(DamageView(where=f"object {address}", problem=str(error)))
    gone = sorted(set(store.addresses()) - present)
    damages += [
        DamageView(where=f"object {address}", problem="a row names it, but it is not there") for address in gone
    ]
    return Verification(objects=len(present), damages=tuple(damages))


def finished_before(store: Store, before: float) -> list[RunRow]:
    """The runs that were over before this time and that nobody can be carrying out."""
    over = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)
    rows = store.rows(RunRow, state=over)
    return [row for row in rows if (row.ended if row.ended is not None else row.created) < before]


def keys_of_others(store: Store, forgotten: Sequence[RunRow]) -> tuple[set[str], set[str]]:
    """The stage keys that only the forgotten runs reach, and those that others reach as well."""
    gone = {row.id for row in forgotten}
    mine: set[str] = set()
    others: set[str] = set()
    for row in store.rows(StageRow):
        if row.key is not None:
            (mine if row.run in gone else others).add(row.key)
    mine |= {row.key for row in store.rows(ResultRow, run=sorted(gone))} if gone else set()
    return mine - others, others
