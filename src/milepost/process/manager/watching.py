"""The mappings through which decisions are read. In a computation they note what was looked at.

Each is a dict and overrides all that a dict can do. Looking at one key counts as reading that key; anything else counts
as reading all of it, and so does handing it on unread: code in C reads a dict without asking it.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, NoReturn

from milepost.errors import InvalidDataError
from milepost.process.manager.deciding import copied
from milepost.process.manager.naming import StageId, StageNames

_ABSENT: Any = object()


class ReadOnlyDict(dict[Any, Any]):
    """A dict that tells what is read of it and refuses to be changed. Values are copies of the reader's own."""

    def __init__(self, content: Mapping[Any, object]) -> None:
        super().__init__(content)
        self._is_seen = False

    # What is told

    def _saw_key(self, key: Any) -> None:
        """One key was looked at."""

    def _saw_keys(self) -> None:
        """Which keys there are was looked at."""
        self._saw_all()

    def _saw_all(self) -> None:
        """Keys and values were looked at, or may have been."""

    def _found(self, key: Any) -> Any:
        """What a key stands for, or _ABSENT."""
        found = dict.get(self, key, _ABSENT)
        return found if found is _ABSENT else copied(found)

    def _refusal(self) -> str:
        return "this mapping is read only"

    def _one(self, key: Any) -> Any:
        hash(key)
        self._is_seen = True
        self._saw_key(key)
        if not dict.__len__(self):
            self._saw_all()  # code in C sees that a dict is empty without asking it
        return self._found(key)

    def _whole(self) -> dict[Any, Any]:
        self._is_seen = True
        self._saw_all()
        return {key: self._found(key) for key in dict.__iter__(self)}

    def _keys(self) -> dict[Any, Any]:
        self._is_seen = True
        self._saw_keys()
        return dict.fromkeys(dict.__iter__(self))

    def __del__(self) -> None:
        if not getattr(self, "_is_seen", True):
            self._saw_all()

    # One key

    def __getitem__(self, key: Any) -> Any:
        found = self._one(key)
        if found is _ABSENT:
            raise KeyError(key)
        return found

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._one(key)
        return default if found is _ABSENT else found

    def __contains__(self, key: object) -> bool:
        return self._one(key) is not _ABSENT

    # All of it

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys())

    def __reversed__(self) -> Iterator[Any]:
        return iter(list(self._keys())[::-1])

    def __len__(self) -> int:
        return len(self._keys())

    def __bool__(self) -> bool:
        return bool(self._keys())

    def __repr__(self) -> str:
        return repr(self._whole())

    def __eq__(self, other: object) -> bool:
        return self._whole() == (other._whole() if isinstance(other, ReadOnlyDict) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> dict[Any, Any]:
        return self._whole() | other if isinstance(other, dict) else NotImplemented

    def __ror__(self, other: Any) -> dict[Any, Any]:
        return other | self._whole() if isinstance(other, dict) else NotImplemented

    def keys(self) -> KeysView[Any]:  # type: ignore[override]
        return self._keys().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        return self._whole().values()

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        return self._whole().items()

    def copy(self) -> dict[Any, Any]:
        """A dict of the reader's own."""
        return self._whole()

    @classmethod
    def fromkeys(cls, keys: Any, value: Any = None) -> dict[Any, Any]:
        """An ordinary dict."""
        return dict.fromkeys(keys, value)

    def __copy__(self) -> dict[Any, Any]:
        return self._whole()

    def __deepcopy__(self, memo: object) -> dict[Any, Any]:
        return self._whole()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return dict, (self._whole(),)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._whole(),)

    def __sizeof__(self) -> int:
        return self._keys().__sizeof__()

    # Changes

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise InvalidDataError(self._refusal())

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


class StageDecisions(ReadOnlyDict):
    """What is decided in one stage. `saw` is told the name of each decision that is read, None for all of them."""

    def __init__(self, stage: StageId, content: Mapping[str, object], saw: Callable[[str | None], None]) -> None:
        super().__init__(content)
        self._stage = stage
        self._saw = saw

    def _saw_key(self, key: object) -> None:
        if isinstance(key, str):
            self._saw(key)

    def _saw_all(self) -> None:
        self._saw(None)

    def _refusal(self) -> str:
        return (
            f"decisions are not changed in place: make_decisions({self._stage!r}, {{…}}) checks and records them; "
            "for a dict of your own take dict(…) of it"
        )


class AllDecisions(ReadOnlyDict):
    """What is decided, by stage. `saw(stage, name, only_keys)` is told what is read.

    With `only_keys`: whether the stage is there, or which are; else the decision, all of the stage, or all.
    """

    def __init__(
        self,
        names: StageNames,
        content: Mapping[StageId, Mapping[str, object]],
        saw: Callable[[StageId | None, str | None, bool], None],
    ) -> None:
        super().__init__({names.shown(stage): dict(values) for stage, values in content.items()})
        self._names = names
        self._content = content
        self._saw = saw

    def _id(self, key: object) -> StageId | None:
        try:
            return self._names.id_of(key)
        except InvalidDataError:
            return None  # names no stage, so it is in no dict of stages

    def _saw_key(self, key: object) -> None:
        stage = self._id(key)
        if stage is not None:
            self._saw(stage, None, True)

    def _saw_keys(self) -> None:
        self._saw(None, None, True)

    def _saw_all(self) -> None:
        self._saw(None, None, False)

    def _found(self, key: object) -> Any:
        stage = self._id(key)
        if stage is None or stage not in self._content:
            return _ABSENT
        saw = self._saw
        return StageDecisions(stage, self._content[stage], lambda name: saw(stage, name, False))

    def _refusal(self) -> str:
        return "decisions are not changed in place: make_decisions(stage, {…}) checks and records them"
