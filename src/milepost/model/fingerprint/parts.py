"""The parts of a stage's key: how they make the key, how two sets of them differ, how they are stored.

A part has a name ("code", "code:sales.round_up", "decision:threshold") and a digest. The key covers names and digests
alone; texts are there for `why`. A digest of "" stands for an absent part, here as in AcceptedRow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from milepost import typed

if TYPE_CHECKING:
    from milepost.model.rows import AcceptedRow

KEY_FORMAT = "f1"
_KINDS = (
    "code",
    "class",
    "default",
    "decision",
    "closure",
    "global",
    "upstream",
    "file",
    "package",
    "python",
    "version",
)
_ORDER = {kind: position for position, kind in enumerate(_KINDS)}
_COUNTED_AS_CODE = frozenset({"code", "class"})


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a result depends on.

    `text` is its source or a preview, `text_digest` the name under which a stored text is found.
    """

    name: str
    kind: str
    digest: str
    text: str | None = None
    text_digest: str | None = None


class Change(NamedTuple):
    """How one part differs between two fingerprints; `what` is "added", "removed" or "changed"."""

    name: str
    kind: str
    what: str
    old: Part | None
    new: Part | None


def stage_key(parts: Iterable[Part], accepted: Iterable[AcceptedRow] = ()) -> str:
    """The key of these parts: "f1:" and 32 hexadecimal digits. The order of the parts does not count.

    `accepted` are the rows of this stage: a part that the user called compatible counts as the one before it.

    Example:
        >>> stage_key([Part("code", "code", "ab")])
        'f1:38d8bf3cb78a761644565cf5798f4914'
    """
    from blake3 import blake3

    mappings = _mappings(accepted)
    counted = [(part.name, representative(part.digest, mappings.get(part.name, {}))) for part in parts]
    present = {name for name, _ in counted}
    counted += [(name, representative("", mapping)) for name, mapping in mappings.items() if name not in present]
    encoded = bytearray(KEY_FORMAT.encode())
    for pair in sorted(pair for pair in counted if pair[1]):
        for text in pair:
            raw = text.encode("utf-8", "surrogatepass")
            encoded += len(raw).to_bytes(8, "big") + raw
    return f"{KEY_FORMAT}:{blake3(encoded).hexdigest(length=16)}"


def representative(digest: str, mapping: Mapping[str, str]) -> str:
    """What `digest` counts as, following new -> old to the end."""
    while digest in mapping:
        digest = mapping[digest]
    return digest


def _mappings(accepted: Iterable[AcceptedRow]) -> dict[str, dict[str, str]]:
    """For each part new -> old; the later row wins, and one that would close a circle changes nothing."""
    mappings: dict[str, dict[str, str]] = {}
    for row in sorted(accepted, key=lambda row: row.seq):
        mapping = mappings.setdefault(row.part, {})
        before = mapping.pop(row.new, None)
        if representative(row.old, mapping) != row.new:
            mapping[row.new] = row.old
        elif before is not None:
            mapping[row.new] = before
    return mappings


def compare(old: Sequence[Part], new: Sequence[Part]) -> list[Change]:
    """The parts that differ, code first.

    Example:
        >>> [change.what for change in compare([Part("code", "code", "ab")], [Part("code", "code", "cd")])]
        ['changed']
    """
    before, after = ({part.name: part for part in parts} for parts in (old, new))
    changes = [_change(name, before.get(name), after.get(name)) for name in before | after]
    differing = [change for change in changes if change is not None]
    return sorted(differing, key=lambda change: (_ORDER.get(change.kind, len(_ORDER)), change.name))


def _change(name: str, old: Part | None, new: Part | None) -> Change | None:
    if old is not None and new is not None:
        return None if old.digest == new.digest else Change(name, new.kind, "changed", old, new)
    if new is not None:
        return Change(name, new.kind, "added", None, new)
    return Change(name, old.kind, "removed", old, None) if old is not None else None


def unaccepted(changes: Iterable[Change], accepted: Iterable[AcceptedRow]) -> list[Change]:
    """The changes that still count when the user's accepted ones do not."""
    mappings = _mappings(accepted)

    def counts_as(name: str, part: Part | None) -> str:
        return representative(part.digest if part else "", mappings.get(name, {}))

    return [change for change in changes if counts_as(change.name, change.old) != counts_as(change.name, change.new)]


def diff_text(change: Change) -> str:
    """A unified diff of code, "0.75 -> 0.8" of values, "" when neither side's text is known."""
    old = change.old.text if change.old else None
    new = change.new.text if change.new else None
    if old is None and new is None:
        return ""
    if change.kind == "upstream":
        return ""  # its text is the stage's name; what changed there is that stage's own matter
    if change.kind not in _COUNTED_AS_CODE:
        return f"{_shown(change.old, old)} -> {_shown(change.new, new)}"
    if change.what == "changed" and (old is None or new is None):
        return f"# the text of the {'old' if old is None else 'new'} code is not known\n{old or new}"
    if change.what == "changed" and old == new:
        return "# the text is the same; what a name in it stands for, or a type in its signature, changed"
    return _unified(change.name, old or "", new or "")


def _shown(part: Part | None, text: str | None) -> str:
    if part is None:
        return "(absent)"
    return "(not kept)" if text is None else text


def _unified(name: str, old: str, new: str) -> str:
    from difflib import unified_diff

    lines = unified_diff(old.splitlines(), new.splitlines(), f"{name} before", f"{name} now", lineterm="")
    return "\n".join(lines)


def dump_parts(parts: Iterable[Part]) -> bytes:
    """The parts as JSON for PartsRow: texts are left out, their digests kept (see `texts_by_digest`)."""
    return msgspec.json.encode([_without_text(part) for part in parts])


def load_parts(stored: bytes, text: Callable[[str], str | None] | None = None) -> tuple[Part, ...]:
    """What `dump_parts` wrote; `text` finds a text by its digest. Raises msgspec.DecodeError for anything else."""
    parts = typed.from_json(stored, tuple[Part, ...])
    if text is None:
        return parts
    return tuple(
        msgspec.structs.replace(part, text=text(part.text_digest)) if part.text_digest else part for part in parts
    )


def texts_by_digest(parts: Iterable[Part]) -> dict[str, str]:
    """The texts of these parts as SourceRow keeps them: digest -> text."""
    return {_text_digest(part.text): part.text for part in parts if part.text is not None}


def _without_text(part: Part) -> Part:
    if part.text is None:
        return part
    return msgspec.structs.replace(part, text=None, text_digest=_text_digest(part.text))


def _text_digest(text: str) -> str:
    from xxhash import xxh3_128_hexdigest

    return xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))
