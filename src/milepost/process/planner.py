"""What would be reused and what would run, stage by stage, and why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from milepost.errors import UnkeyableError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.packages import version_of
from milepost.kernel.workspace import Workspace
from milepost.model.decision import Choice
from milepost.model.files import File, files_in
from milepost.model.fingerprint.code import class_parts, code_parts, find_class
from milepost.model.fingerprint.parts import Part, stage_key
from milepost.model.fingerprint.values import digest, preview
from milepost.model.redaction import MASK, is_secret, redact
from milepost.model.rows import AcceptedRow, ResultRow, StageRow
from milepost.model.status import StageState
from milepost.process.definition import Process
from milepost.process.inputs import FileDigests, without_files
from milepost.process.reasons import reason_to_run
from milepost.store.objects import Objects
from milepost.store.protocol import Store


class Verdict(StrEnum):
    """What will become of a stage."""

    REUSE = "reuse"
    RUN = "run"
    DEPENDS = "depends"  # on the result of a stage that runs first


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """A result that others take: its digest counts in their keys. `address` is None when it could not be stored."""

    digest: str
    address: str | None
    classes: tuple[str, ...] = ()
    value: object = None


class StagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What will become of one stage, and the parts of its key."""

    stage: str
    verdict: Verdict
    reason: str
    key: str | None = None
    items_key: str | None = None  # of a mapped stage: the key without the collection
    parts: tuple[Part, ...] = ()
    classes: tuple[str, ...] = ()  # the user's classes in what it takes
    notes: tuple[str, ...] = ()
    result: ResultRow | None = None
    last_seconds: float | None = None
    is_mapped: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What `run` would do now."""

    process: str
    stages: tuple[StagePlan, ...]

    @property
    def seconds_saved(self) -> float:
        """The time that the reused results took when they were made."""
        return sum(plan.result.seconds for plan in self.stages if plan.result is not None)


def plan_process(
    process: Process,
    choices: Mapping[str, Mapping[str, Choice]],
    only: str | None,
    start_from: str | None,
    workspace: Workspace | str | None,
) -> Plan:
    """Plan every stage as far as it can be known before anything ran."""
    place = workspace if isinstance(workspace, Workspace) else Workspace.open_to_plan(workspace)
    planner = Planner(process, choices, place.store, place.objects, forced=forced_stages(process, start_from))
    plans: dict[str, StagePlan] = {}
    for name in process.selected(only):
        waits = [need for need in process.graph.needs[name] if plans[need].verdict is not Verdict.REUSE]
        if waits:
            plans[name] = planner.unknown(name, waits)
        else:
            upstream = {need: upstream_of(plans[need].result) for need in process.graph.needs[name]}
            plans[name] = planner.plan(name, upstream)
    if place is not workspace:
        place.close()
    return Plan(process=process.name, stages=tuple(plans.values()))


def forced_stages(process: Process, start_from: str | None) -> frozenset[str]:
    """The stages that `--from` runs afresh: the named one and all behind it."""
    if start_from is None:
        return frozenset()
    process.require(start_from)
    return frozenset(process.graph.downstream(start_from) | {start_from})


def upstream_of(result: ResultRow | None) -> Upstream:
    """What a stored result means to its consumers."""
    if result is None:
        raise ValueError("a stage without a result has no digest")
    return Upstream(digest=result.address, address=result.address, classes=result.classes)


class Planner:
    """Computes keys and looks results up. `token` makes the key of what must not be reused its own."""

    def __init__(
        self,
        process: Process,
        choices: Mapping[str, Mapping[str, Choice]],
        store: Store,
        objects: Objects,
        *,
        forced: frozenset[str] = frozenset(),
        token: str = "unplanned",
    ) -> None:
        self._process = process
        self._choices = choices
        self._store = store
        self._objects = objects
        self._forced = forced
        self._token = token
        self.files = FileDigests(store, SYSTEM.now())

    def unknown(self, name: str, waits: list[str]) -> StagePlan:
        """The plan of a stage whose inputs are not known yet."""
        self._files(name)  # a missing file is an error now, not after hours
        return StagePlan(
            stage=name,
            verdict=Verdict.DEPENDS,
            reason=f"after {', '.join(waits)}; reused if nothing changes there",
            last_seconds=self._last_seconds(name),
            is_mapped=self._process.stages[name].options.each is not None,
        )

    def plan(self, name: str, upstream: Mapping[str, Upstream]) -> StagePlan:
        """The plan of a stage whose inputs are all known. Raises UnkeyableError for a decision without a key."""
        own, notes = self._own_parts(name, upstream)
        collection = self._collection_parts(name, upstream)
        accepted = self._store.rows(AcceptedRow, stage=name)
        items_key = stage_key(own, accepted)
        key = stage_key([*own, *collection], accepted) if collection else items_key
        parts = (*own, *collection)
        result = None if name in self._forced else self._result(key)
        if result is not None:
            verdict, reason = Verdict.REUSE, "unchanged"
        else:
            verdict = Verdict.RUN
            reason = (
                "asked for"
                if name in self._forced
                else reason_to_run(self._store, self._process.name, name, key, parts)
            )
        return StagePlan(
            stage=name,
            verdict=verdict,
            reason=reason,
            key=key,
            items_key=items_key,
            parts=parts,
            classes=tuple(reference for taken in upstream.values() for reference in taken.classes),
            notes=notes,
            result=result,
            last_seconds=result.seconds if result else self._last_seconds(name),
            is_mapped=bool(collection),
        )

    def _result(self, key: str) -> ResultRow | None:
        result = self._store.get(ResultRow, key=key)
        return result if result is not None and self._objects.has(result.address) else None

    def _own_parts(self, name: str, upstream: Mapping[str, Upstream]) -> tuple[tuple[Part, ...], tuple[str, ...]]:
        """All parts but the collection, and what `plan` has to say about them."""
        code, notes = self.code(name)
        parameters, options = self._process.parameters[name], self._process.stages[name].options
        parts = [*code, *self._decisions(name), *self._files(name)]
        for parameter, need in parameters.upstream.items():
            parts.append(Part(name=f"upstream:{parameter}", kind="upstream", digest=upstream[need].digest, text=need))
        for number, need in enumerate(options.after):
            parts.append(Part(name=f"after:{number}", kind="upstream", digest=upstream[need].digest, text=need))
        classes = dict.fromkeys(reference for taken in upstream.values() for reference in taken.classes)
        known = {part.name for part in parts}
        parts += [part for part in self._classes(classes) if part.name not in known]
        return tuple(parts), notes

    def _collection_parts(self, name: str, upstream: Mapping[str, Upstream]) -> tuple[Part, ...]:
        each = self._process.stages[name].options.each
        if each is None:
            return ()
        return (Part(name="each", kind="upstream", digest=upstream[each].digest, text=each),)

    def code(self, name: str) -> tuple[tuple[Part, ...], tuple[str, ...]]:
        """The parts that are the stage's own code, and what there is to say about them."""
        made = self._process.stages[name]
        points = self._process.parameters[name].points
        if made.options.version is not None:
            version = made.options.version
            return (Part(name="version", kind="version", digest=digest(version).hex(), text=version),), ()
        code = code_parts(made.__wrapped__, skip_defaults=points.keys(), version_of=version_of)
        parts, notes = list(code.parts), [f"{state} is state: its value does not count" for state in code.state]
        if code.unkeyable:
            parts.append(Part(name="unkeyable", kind="global", digest=self._token))
            notes += [f"not reusable: {problem}" for problem in code.unkeyable]
        if callable(made.options.key):
            named = code_parts(made.options.key, version_of=version_of)
            parts += [Part(name=f"key:{part.name}", kind=part.kind, digest=part.digest) for part in named.parts]
        return tuple(parts), tuple(notes)

    def _decisions(self, name: str) -> list[Part]:
        parts = []
        for choice in self._choices[name].values():
            if isinstance(choice.value, File):
                continue
            try:
                value = digest(without_files(choice.value)).hex()
            except UnkeyableError as error:
                raise UnkeyableError(
                    f"decision {choice.point.path} has no fingerprint: {error}", path=choice.point.path
                ) from error
            shown = MASK if is_secret(choice.point.name, choice.value) else redact(preview(choice.value))
            parts.append(Part(name=f"decision:{choice.point.name}", kind="decision", digest=value, text=shown))
        return parts

    def _files(self, name: str) -> list[Part]:
        return [
            Part(
                name=f"file:{choice.point.name}" + (f"[{number}]" if number else ""),
                kind="file",
                digest=self.files.digest(path, stage=name, name=choice.point.name),
                text=str(path),
            )
            for choice in self._choices[name].values()
            for number, path in enumerate(files_in(choice.value))
        ]

    def _classes(self, references: Mapping[str, None]) -> list[Part]:
        parts: dict[str, Part] = {}
        for reference in references:
            found = find_class(reference)
            if found is None:
                parts[reference] = Part(name=f"class:{reference}", kind="class", digest="missing")
                continue
            for part in class_parts(found, version_of=version_of).parts:
                parts[part.name] = part
        return list(parts.values())

    def _last_seconds(self, name: str) -> float | None:
        """How long it took last time; where items were reused then, as long as all would have taken."""
        last = self._store.get(StageRow, process=self._process.name, stage=name, state=StageState.COMPLETED)
        if last is None or last.seconds is None or not last.items_done:
            return last.seconds if last else None
        return last.seconds * (last.items_done + last.items_reused) / last.items_done
