"""What a workspace holds that is not as it was written."""

from __future__ import annotations

from milepost.errors import ObjectError
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
