"""How a read of a computation is called in its trace: one text for each thing that can be read, and back."""

from __future__ import annotations

from milepost.process.manager.naming import StageId

DECISION, STAGE, NAMES, STAGES = "decision", "stage", "names", "stages"
DEFAULT = "default-"  # before one of these: of the defaults, not of what is decided
UPSTREAM = "upstream"
CODE, VALUE, CLASS = "code", "global", "class"  # of the manager itself: methods, attributes, all of its class

EFFECT = "effect"  # not read but left: an attribute of the manager, with the digest that it has afterwards

PART_KINDS = {UPSTREAM: "upstream", CODE: "code", VALUE: "global", CLASS: "class"}


def path_of(kind: str, stage: StageId | None = None, name: str | None = None) -> str:
    """The text of a path.

    Example:
        >>> path_of("decision", 1, "threshold"), path_of("names", "a.b")
        ('decision:1.threshold', 'names:a\\\\.b')
    """
    if stage is None:
        return f"{kind}:{'' if name is None else name}"
    text = str(stage).replace("\\", "\\\\").replace(".", "\\.")
    return f"{kind}:{text}" if name is None else f"{kind}:{text}.{name}"


def of_manager(kind: str, name: str) -> str:
    """The path of something that the manager itself has."""
    return f"{kind}:self.{name}"


def kind_of(path: str) -> str:
    """What kind of thing a path names."""
    return path.partition(":")[0]


def part_kind(path: str) -> str:
    """The kind of part that a read is in a key."""
    return PART_KINDS.get(kind_of(path), "decision")


def stage_and_name(path: str) -> tuple[str, str]:
    """The stage and the name in the path of a decision; "" for the name where it has none.

    Example:
        >>> stage_and_name("decision:a\\\\.b.c.d")
        ('a.b', 'c.d')
    """
    rest = path.partition(":")[2]
    stage, position = "", 0
    while position < len(rest) and rest[position] != ".":
        position += rest[position] == "\\"
        stage += rest[position]
        position += 1
    return stage, rest[position + 1 :]
