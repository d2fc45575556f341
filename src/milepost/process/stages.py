"""`@stage`: a plain function with the options under which a process carries it out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar, overload

import msgspec

from milepost.errors import DefinitionError

P = ParamSpec("P")
T = TypeVar("T")

Key = str | Callable[[object], object] | None


class StageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `@stage(...)` was told. None of it counts in the fingerprint, save what `version`, `each` and `key` do."""

    name: str
    each: str | None = None  # the stage whose result is mapped over, item by item
    key: Key = None  # field, attribute or callable that names an item; else its content does
    needs: Mapping[str, str] = {}  # parameter -> stage, where their names differ
    after: tuple[str, ...] = ()  # stages that must be done first, whose result is not handed in
    version: str | None = None  # in place of the code's own fingerprint
    workers: int | None = None
    retries: int = 0
    retry_delay: float = 1.0  # seconds before the first retry; doubled each time, with jitter
    timeout: float | None = None  # seconds for the stage, or for one item of a mapped one
    errors: str = "stop"  # or "collect": failed items are left out and reported


class StageFunction(Generic[P, T]):
    """A function that is a stage. Called outside a run it is the function it wraps."""

    __milepost_stage__ = True

    def __init__(self, function: Callable[P, T], options: StageOptions) -> None:
        self.__wrapped__ = function
        self.options = options
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<stage {self.options.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return StageFunction, (self.__wrapped__, self.options)

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return inspect.iscoroutinefunction(self.__wrapped__)


@overload
def stage(function: Callable[P, T], /) -> StageFunction[P, T]: ...
@overload
def stage(
    *,
    name: str | None = None,
    each: str | StageFunction[..., object] | None = None,
    key: Key = None,
    needs: Mapping[str, object] | Sequence[object] | str | None = None,
    version: str | int | None = None,
    workers: int | None = None,
    retries: int = 0,
    retry_delay: float = 1.0,
    timeout: float | None = None,
    errors: str = "stop",
) -> Callable[[Callable[P, T]], StageFunction[P, T]]: ...
def stage(
    function: Callable[P, T] | None = None,
    /,
    *,
    name: str | None = None,
    each: str | StageFunction[..., object] | None = None,
    key: Key = None,
    needs: Mapping[str, object] | Sequence[object] | str | None = None,
    version: str | int | None = None,
    workers: int | None = None,
    retries: int = 0,
    retry_delay: float = 1.0,
    timeout: float | None = None,
    errors: str = "stop",
) -> StageFunction[P, T] | Callable[[Callable[P, T]], StageFunction[P, T]]:
    """Make a function a stage of a process.

    A parameter named after a stage receives that stage's result; one annotated `Run` or `Stage` a handle; every
    other is a decision point. With `each="orders"` the function is called once per item of that result, and its
    first parameter that is neither a stage nor in `needs` receives the item.

    `needs`: `{parameter: stage}` for other names, or names of stages to wait for. `version`: counts in place of
    the code. `workers`: run it in that many processes. `retries`, `retry_delay` (seconds), `timeout` (seconds).
    `errors="collect"`: items that fail for good are left out and reported, the stage goes on.

    Raises DefinitionError for a generator function and for options that cannot be.

    Example:
        >>> @stage
        ... def clean(orders, drop_refunds: bool = True):
        ...     return [order for order in orders if order["paid"] or not drop_refunds]
        >>> clean([{"paid": False}])
        []
    """

    def decorate(function: Callable[P, T]) -> StageFunction[P, T]:
        wanted, after = _needs(needs)
        options = StageOptions(
            name=name or str(getattr(function, "__name__", "")),
            each=None if each is None else stage_name(each),
            key=key,
            needs=wanted,
            after=after,
            version=None if version is None else str(version),
            workers=workers,
            retries=retries,
            retry_delay=retry_delay,
            timeout=timeout,
            errors=errors,
        )
        _refuse_impossible(function, options)
        return StageFunction(function, options)

    return decorate if function is None else decorate(function)


def stage_name(stage: object) -> str:
    """The name of a stage given as a name or as a decorated function."""
    if isinstance(stage, StageFunction):
        return stage.options.name
    if isinstance(stage, str):
        return stage
    raise DefinitionError(f"expected a stage or the name of one, got {stage!r}")


def _needs(needs: Mapping[str, object] | Sequence[object] | str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    if needs is None:
        return {}, ()
    if isinstance(needs, str):
        return {}, (needs,)
    if isinstance(needs, Mapping):
        return {parameter: stage_name(wanted) for parameter, wanted in needs.items()}, ()
    return {}, tuple(stage_name(wanted) for wanted in needs)


def _refuse_impossible(function: object, options: StageOptions) -> None:
    said = f"stage {options.name!r}"
    if isinstance(function, StageFunction):
        raise DefinitionError(f"{said} is decorated with @stage twice")
    if not callable(function) or isinstance(function, type):
        raise DefinitionError(f"@stage decorates a function, not {function!r}")
    if not options.name.isidentifier() and not options.name.replace("-", "_").isidentifier():
        raise DefinitionError(f"{said}: a stage's name is letters, digits, - and _; pass name='…'")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"{said} is a generator; a stage's result is stored as a whole: return a list, or map a stage over the "
            f"items with each='{options.name}'"
        )
    if options.errors not in ("stop", "collect"):
        raise DefinitionError(f"{said}: errors={options.errors!r} is neither 'stop' nor 'collect'")
    if options.retries < 0 or options.retry_delay < 0:
        raise DefinitionError(f"{said}: retries and retry_delay cannot be negative")
    if options.timeout is not None and options.timeout <= 0:
        raise DefinitionError(f"{said}: timeout={options.timeout} is not a number of seconds above 0")
    if options.workers is not None and options.workers < 1:
        raise DefinitionError(f"{said}: workers={options.workers} is less than 1")
    if options.each is None and (options.key is not None or options.errors == "collect"):
        raise DefinitionError(f"{said}: key= and errors='collect' are for mapped stages; say each='…' too")
