"""Scenarios: named sets of decisions, kept version by version. Nothing that was saved is changed or deleted."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import cast

import msgspec

from milepost.errors import InvalidDataError, ObjectError, ScenarioStateError, UnknownScenarioError
from milepost.kernel import host
from milepost.kernel.clock import SYSTEM
from milepost.kernel.recorder import Recorder
from milepost.kernel.user import user_name
from milepost.model.decision import DecisionPoint
from milepost.model.fingerprint.preview import preview
from milepost.model.nearest import did_you_mean
from milepost.model.rows import ScenarioRow
from milepost.process.decisions.recording import in_json, note_text
from milepost.process.decisions.scenario_names import checked_name, composed
from milepost.store.objects import Objects
from milepost.store.protocol import Store

Values = Mapping[str, Mapping[str, object]]  # stage -> name -> value


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a named set of decisions. `id` stays through versions and names.

    `decisions[stage]` is read when asked for, each time a copy of its own, and raises ObjectError for values that
    cannot be read here; `plain` is the JSON of the others. `left_out`: "stage.name" of the secrets whose values are
    not kept. `at` is in UTC epoch seconds.
    """

    id: str
    process: str
    name: str
    version: int
    decisions: Values
    plain: str
    left_out: tuple[str, ...]
    at: float
    who: str
    host: str
    note: str | None


class Scenarios:
    """The scenarios of one process. `points`: its decision points, where they are known, tell how values are kept.

    Example:
        >>> import pathlib, tempfile
        >>> from milepost.testing import memory_workspace
        >>> place = memory_workspace(pathlib.Path(tempfile.mkdtemp()))
        >>> scenarios = Scenarios(place.store, place.objects, "sales")
        >>> scenarios.save("strict", {"score": {"threshold": 0.9}}).version
        1
        >>> scenarios.get("strict").decisions["score"]
        {'threshold': 0.9}
    """

    def __init__(
        self,
        store: Store,
        objects: Objects,
        process: str,
        *,
        points: Mapping[str, Mapping[str, DecisionPoint]] | None = None,
    ) -> None:
        self.process = process
        self._store = store
        self._objects = objects
        self._points = points or {}
        self._recorder = Recorder(store, None)

    def save(
        self, name: str, decisions: Values, *, note: str | None = None, left_out: Collection[str] = ()
    ) -> Scenario:
        """Keep these decisions under this name, as its next version where there is one; committed on return.

        Secrets are not kept, but named in `left_out`, as are those that the caller knows to be missing. Raises
        ScenarioStateError for a name that cannot be one, InvalidDataError for a value that cannot be kept.
        """
        name, note = checked_name(name), note_text(note)
        kept = self._kept(name, decisions)
        left = sorted({*kept.left_out, *left_out})
        while True:
            head = self._head(name)
            row = msgspec.structs.replace(
                self._next(head, name),
                decisions=kept.text,
                address=kept.address,
                left_out=tuple(left),
                note=note,
            )
            if self._recorder.record(row, durable=True):
                return self._scenario(row)

    def get(self, name_or_id: str) -> Scenario:
        """The current version. Raises UnknownScenarioError, naming the nearest."""
        return self._scenario(self._current(name_or_id))

    def all(self) -> list[Scenario]:
        """The current version of every scenario, the one that was saved first first."""
        return [self._scenario(row) for row in self._heads(self._rows()).values() if not row.removed]

    def __iter__(self) -> Iterator[Scenario]:
        return iter(self.all())

    def versions(self, name_or_id: str) -> list[Scenario]:
        """Every version that was saved, oldest first, under earlier names and of removed ones too."""
        rows, name_or_id = self._rows(), composed(name_or_id)
        wanted = {row.id for row in self._heads(rows).values() if name_or_id in (row.name, row.id) and not row.removed}
        wanted = wanted or {row.id for row in rows if name_or_id in (row.name, row.id)}
        if not wanted:
            raise self._unknown(name_or_id)
        return [self._scenario(row) for row in rows if row.id in wanted and not row.removed]

    def rename(self, name_or_id: str, new: str) -> Scenario:
        """Give it another name; its id and versions stay. Raises ScenarioStateError when the name is taken."""
        new = checked_name(new)
        row = self._current(name_or_id)
        if row.name == new:
            return self._scenario(row)
        moved = self._moved(row, new, self._head(new))
        for saved_meanwhile in self._retire(row):
            moved = self._moved(saved_meanwhile, new, moved)
        return self._scenario(moved)

    def remove(self, name_or_id: str) -> None:
        """Take it out of the list. Its versions, and the runs that were asked for it, stay."""
        for _ in self._retire(self._current(name_or_id)):
            continue

    def _moved(self, row: ScenarioRow, new: str, head: ScenarioRow | None) -> ScenarioRow:
        if head is not None and not head.removed and head.id != row.id:
            raise ScenarioStateError(
                f"there is a scenario {new!r} of {self.process!r} already: remove it first, or choose another name"
            )
        version = 1 if head is None else head.version + 1
        moved = msgspec.structs.replace(row, seq=0, name=new, version=version)
        if not self._recorder.record(moved, durable=True):
            return self._moved(row, new, self._head(new))
        return moved

    def _retire(self, row: ScenarioRow) -> Iterator[ScenarioRow]:
        """Give the name up; first yields every version that another process saves meanwhile."""
        while not self._recorder.record(msgspec.structs.replace(self._next(row, row.name), removed=True), durable=True):
            head = self._head(row.name)
            if head is None or head.removed or head.id != row.id:
                return  # that process gave it up
            row = head
            yield row

    def _next(self, head: ScenarioRow | None, name: str) -> ScenarioRow:
        return ScenarioRow(
            id=secrets.token_hex(8) if head is None or head.removed else head.id,
            process=self.process,
            name=name,
            version=1 if head is None else head.version + 1,
            decisions="{}",
            who=user_name(),
            host=host.host(),
            at=SYSTEM.now(),
        )

    def _kept(self, name: str, decisions: Values) -> _Kept:
        left_out: list[str] = []
        plain: dict[str, dict[str, msgspec.Raw]] = {}
        large: dict[str, dict[str, object]] = {}
        for stage, values in decisions.items():
            plain.setdefault(str(stage), {})
            for decision, value in values.items():
                point = self._point(str(stage), decision)
                written = in_json(point, value)
                if written is None:
                    large.setdefault(point.stage, {})[point.name] = value
                elif written.is_redacted:
                    left_out.append(point.path)
                else:
                    plain[point.stage][point.name] = msgspec.Raw(written.text.encode())
        try:
            address = self._objects.put(large).address if large else None
        except ObjectError as error:
            raise InvalidDataError(f"scenario {name!r} cannot keep a decision: {error}") from error
        return _Kept(text=msgspec.json.encode(plain).decode(), address=address, left_out=left_out)

    def _point(self, stage: str, name: str) -> DecisionPoint:
        if not isinstance(name, str):
            raise InvalidDataError(f"a decision of {stage!r} has a name, not {name!r}")
        return self._points.get(stage, {}).get(name) or DecisionPoint(stage=stage, name=name)

    def _rows(self) -> list[ScenarioRow]:
        return self._store.rows(ScenarioRow, process=self.process)

    def _head(self, name: str) -> ScenarioRow | None:
        rows = self._store.rows(ScenarioRow, process=self.process, name=name)
        return max(rows, key=lambda row: row.version, default=None)

    @staticmethod
    def _heads(rows: list[ScenarioRow]) -> dict[str, ScenarioRow]:
        """The newest row of each name, those whose id is oldest first."""
        born = {row.id: row.seq for row in reversed(rows)}
        heads: dict[str, ScenarioRow] = {}
        for row in rows:
            if row.name not in heads or heads[row.name].version < row.version:
                heads[row.name] = row
        return dict(sorted(heads.items(), key=lambda each: (born[each[1].id], each[1].seq)))

    def _current(self, name_or_id: str) -> ScenarioRow:
        head = self._head(composed(name_or_id)) if isinstance(name_or_id, str) else None
        if head is not None and not head.removed:
            return head
        heads = self._heads_of(name_or_id) if isinstance(name_or_id, str) else []
        if heads:
            return max(heads, key=lambda row: row.seq)
        raise self._unknown(name_or_id)

    def _heads_of(self, scenario_id: str) -> list[ScenarioRow]:
        """The current rows of this id: one, or two where a renaming was cut short."""
        rows = self._store.rows(ScenarioRow, process=self.process, id=scenario_id)
        heads = [head for name in dict.fromkeys(row.name for row in rows) if (head := self._head(name)) is not None]
        return [head for head in heads if head.id == scenario_id and not head.removed]

    def _unknown(self, name_or_id: str) -> UnknownScenarioError:
        known = [scenario.name for scenario in self.all()]
        name = name_or_id if isinstance(name_or_id, str) else ""
        hint = did_you_mean(name, known) or " Save one with `milepost scenarios save NAME`."
        return UnknownScenarioError(
            f"process {self.process!r} has no scenario {preview(name_or_id, 80)}.{hint}", scenario=name_or_id
        )

    def _scenario(self, row: ScenarioRow) -> Scenario:
        return Scenario(
            id=row.id,
            process=row.process,
            name=row.name,
            version=row.version,
            decisions=_Decisions(row, self._objects),
            plain=row.decisions,
            left_out=row.left_out,
            at=row.at,
            who=row.who,
            host=row.host,
            note=row.note,
        )


class _Kept(msgspec.Struct, frozen=True):
    text: str
    address: str | None
    left_out: list[str]


class _Decisions(Mapping[str, Mapping[str, object]]):
    """What a scenario holds, read when asked for: what one reader changes no other sees."""

    def __init__(self, row: ScenarioRow, objects: Objects) -> None:
        self._row = row
        self._objects = objects

    def __getitem__(self, stage: str) -> Mapping[str, object]:
        return self._read()[stage]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"<decisions of {self._row.name!r}, version {self._row.version}>"

    def _read(self) -> dict[str, dict[str, object]]:
        decisions = msgspec.json.decode(self._row.decisions, type=dict[str, dict[str, object]])
        if self._row.address is not None:
            large = cast("dict[str, dict[str, object]]", self._large(self._row.address))
            for stage, values in large.items():
                decisions.setdefault(stage, {}).update(values)
        return decisions

    def _large(self, address: str) -> object:
        try:
            return self._objects.get(address)
        except ObjectError as error:
            raise type(error)(f"scenario {self._row.name!r}: {error}; or save it again", **error.details) from error


def scenarios_of_all(store: Store, objects: Objects, process: str | None = None) -> list[Scenarios]:
    """The scenarios of each process that has any, or of one."""
    names = dict.fromkeys(row.process for row in store.rows(ScenarioRow)) if process is None else [process]
    return [Scenarios(store, objects, name) for name in names]
