"""How parts make a key, how accepted changes leave it, how two fingerprints differ, how they are stored."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milepost.model.fingerprint.parts import (
    Change,
    Part,
    compare,
    diff_text,
    dump_parts,
    load_parts,
    stage_key,
    texts_by_digest,
)
from milepost.model.rows import AcceptedRow

NAMES = st.sampled_from(["code", "code:sales.f", "global:sales.RATE", "decision:threshold"])
DIGESTS = st.sampled_from(["aa", "bb", "cc", "dd"])
PARTS = st.dictionaries(NAMES, DIGESTS).map(
    lambda found: [Part(name, name.partition(":")[0], digest) for name, digest in found.items()]
)
ROWS = st.lists(st.tuples(NAMES, DIGESTS | st.just(""), DIGESTS | st.just("")), max_size=8).map(
    lambda found: [accept(part, old, new, seq) for seq, (part, old, new) in enumerate(found, 1)]
)


def accept(part: str, old: str, new: str, seq: int = 1) -> AcceptedRow:
    return AcceptedRow(seq=seq, stage="clean", part=part, old=old, new=new, who="ada", at=0.0)


def part(name: str, digest: str, text: str | None = None) -> Part:
    return Part(name, name.partition(":")[0], digest, text)


@given(PARTS, st.randoms())
def test_order_texts_and_kinds_do_not_count(parts, random):
    """A key depends on the names and digests of the parts alone."""
    shuffled = [msgspec.structs.replace(part, text="text", kind="other") for part in parts]
    random.shuffle(shuffled)
    assert stage_key(parts) == stage_key(shuffled)


@given(PARTS, PARTS)
def test_other_parts_other_key(one, other):
    """Two keys are equal exactly when nothing differs."""
    assert (stage_key(one) == stage_key(other)) == (compare(one, other) == [])


def test_a_key_begins_with_its_format():
    """The format of keys can change one day without one being taken for another."""
    key = stage_key([part("code", "aa")])
    assert key.startswith("f1:")
    assert len(key) == 35
    assert (
        len({key, stage_key([]), stage_key([part("codea", "a")]), stage_key([part("code", "aa"), part("x", "")])}) == 3
    )


@given(PARTS, PARTS)
def test_accepting_every_change_gives_the_old_key(old, new):
    """Whoever accepts all that `compare` names, added and removed parts too, gets the old results."""
    rows = [accept(c.name, c.old.digest if c.old else "", c.new.digest if c.new else "") for c in compare(old, new)]
    assert stage_key(new, rows) == stage_key(old) == stage_key(old, rows)


@given(PARTS, ROWS)
def test_acceptance_ends_and_can_be_repeated(parts, rows):
    """Circles of accepted changes change nothing for ever; the same rows twice are the same."""
    assert stage_key(parts, rows) == stage_key(parts, list(reversed(rows)))
    again = [msgspec.structs.replace(row, seq=row.seq + 100) for row in rows]
    assert isinstance(stage_key(parts, rows + again), str)


def test_acceptance_is_transitive_and_of_one_part():
    """c counts as b, b as a: so c counts as a, for this part only."""
    rows = [accept("code", "a", "b", 1), accept("code", "b", "c", 2)]
    assert stage_key([part("code", "c")], rows) == stage_key([part("code", "a")])
    assert stage_key([part("default:x", "c")], rows) == stage_key([part("default:x", "c")])


def test_there_and_back_again():
    """Accepted both ways, both are the first."""
    rows = [accept("code", "a", "b", 1), accept("code", "b", "a", 2)]
    assert (
        stage_key([part("code", "a")], rows) == stage_key([part("code", "b")], rows) == stage_key([part("code", "a")])
    )


def test_a_later_acceptance_wins():
    """The same new part accepted for another old one counts as that."""
    rows = [accept("code", "a", "c", 1), accept("code", "b", "c", 2)]
    assert stage_key([part("code", "c")], rows) == stage_key([part("code", "b")])


def test_compare_names_what_differs_code_first():
    """Added, removed and changed parts, code before data."""
    old = [part("global:sales.RATE", "aa"), part("code", "aa"), part("package:numpy", "aa"), part("file:path", "aa")]
    new = [part("global:sales.RATE", "bb"), part("code", "bb"), part("code:sales.f", "aa"), part("file:path", "aa")]
    found = [(change.name, change.what) for change in compare(old, new)]
    assert found == [
        ("code", "changed"), ("code:sales.f", "added"), ("global:sales.RATE", "changed"), ("package:numpy", "removed"),
    ]  # fmt: skip


@given(PARTS, PARTS)
def test_compare_both_ways(one, other):
    """Seen from the other side, what was added is removed."""
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    back = [Change(c.name, c.kind, turned[c.what], c.new, c.old) for c in compare(other, one)]
    assert sorted(compare(one, other), key=str) == sorted(back, key=str)


def test_the_difference_in_words():
    """A unified diff of code, old -> new of values; what is not known is said."""
    old = [
        part("code", "aa", "def f(x):\n    return 1\n"),
        part("decision:t", "aa", "0.75"),
        part("class:a", "aa", "same"),
    ]
    new = [
        part("code", "bb", "def f(x):\n    return 2\n"),
        part("decision:t", "bb", "0.8"),
        part("class:a", "bb", "same"),
    ]
    code, same, value = (diff_text(change) for change in compare(old, new))
    assert code.splitlines() == [
        "--- code before",
        "+++ code now",
        "@@ -1,2 +1,2 @@",
        " def f(x):",
        "-    return 1",
        "+    return 2",
    ]
    assert same.startswith("# the text is the same")
    assert value == "0.75 -> 0.8"
    assert diff_text(compare([], new[1:2])[0]) == "(absent) -> 0.8"
    assert diff_text(compare([part("code", "aa")], [part("code", "bb")])[0]) == ""
    assert "old code is not known" in diff_text(compare([part("code", "aa")], new[:1])[0])
    assert "+    return 2" in diff_text(compare([], new[:1])[0])


@given(PARTS)
def test_parts_are_stored_without_their_texts(parts):
    """Texts are kept once, by digest, and come back with the parts."""
    full = [msgspec.structs.replace(one, text=f"text of {one.name} \udc80") for one in parts]
    stored, texts = dump_parts(full), texts_by_digest(full)
    assert b"text of" not in stored
    assert [(one.name, one.kind, one.digest, one.text) for one in load_parts(stored, texts.get)] == [
        (one.name, one.kind, one.digest, one.text) for one in full
    ]
    assert stage_key(load_parts(stored)) == stage_key(parts)


def test_what_is_no_list_of_parts_is_refused():
    """Damaged parts are an error, not an empty list."""
    with pytest.raises(msgspec.DecodeError):
        load_parts(b'[{"name": 1}]')
