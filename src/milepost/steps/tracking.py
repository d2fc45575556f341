"""A function whose every call is a step of a document: recorded as it begins and ends, tried again where asked."""

from __future__ import annotations

import functools
import inspect
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from milepost.errors import DefinitionError, DependencyError, StoreError
from milepost.model.retry import Backoff
from milepost.steps import checking
from milepost.steps.under_way import StepUnderWay

if TYPE_CHECKING:
    from milepost.steps.manager import ProcessingStepManager

P = ParamSpec("P")
T = TypeVar("T")
_HIDDEN = (
    "{name} gave something to await, though it is no async function: put the tracking below what hides it, next to "
    "its `async def`, or await it inside"
)
Key = str | Callable[..., object] | None
NOT_TRIED_AGAIN = (DefinitionError, DependencyError, StoreError)  # another try would meet the same


class Tracking:
    """What `manager.tracked(…)` decorates with."""

    def __init__(
        self, manager: ProcessingStepManager, step_name: str | None, key: Key, retries: int, retry_delay: float
    ) -> None:
        if callable(step_name):
            raise DefinitionError(f"tracked needs its brackets: write @manager.tracked() above {_named(step_name)}")
        self._manager = manager
        self._step_name = None if step_name is None else checking.step_name(step_name)
        self._key = key
        attempts = checking.count(retries, "retries") + 1
        self._backoff = Backoff(attempts=attempts, base=checking.seconds(retry_delay, "retry_delay"))

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, recorded. DefinitionError for a generator and for a `key` that is no parameter."""
        name = self._name(function)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(
                f"{function.__name__} gives its values one by one, so it has no one end: "
                "track what makes one value, or open `with manager.step(…)` inside"
            )
        document = self._document(_signature(function, name))
        if is_async(function):
            return self._async(function, name, document)
        return self._sync(function, name, document)

    def _name(self, function: object) -> str:
        if not callable(function):
            step = self._step_name or "a step"
            raise DefinitionError(f"{step}: what is tracked is a function, not {checking.shown(function)}")
        name = self._step_name or getattr(function, "__name__", None)
        if not isinstance(name, str):
            raise DefinitionError(f"{checking.shown(function)} has no name of its own: write tracked('the step')")
        return checking.step_name(name)

    def _sync(self, function: Callable[P, T], name: str, document: Callable[..., str]) -> Callable[P, T]:
        @functools.wraps(function)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> T:
            number = 1
            while True:
                try:
                    with self._step(document(args, kwargs), name, number):
                        result = function(*args, **kwargs)
                        if inspect.iscoroutine(result):
                            result.close()
                            raise DefinitionError(_HIDDEN.format(name=_named(function)))
                        return result
                except NOT_TRIED_AGAIN:
                    raise
                except Exception:
                    delay = self._backoff.delay(number, random.random())
                    if delay is None:
                        raise
                time.sleep(delay)
                number += 1

        return tracked

    def _async(self, function: Callable[P, T], name: str, document: Callable[..., str]) -> Callable[P, T]:
        import asyncio

        @functools.wraps(function)
        async def tracked(*args: P.args, **kwargs: P.kwargs) -> Any:
            number = 1
            while True:
                try:
                    with self._step(document(args, kwargs), name, number):
                        return await cast(Any, function(*args, **kwargs))
                except NOT_TRIED_AGAIN:
                    raise
                except Exception:
                    delay = self._backoff.delay(number, random.random())
                    if delay is None:
                        raise
                await asyncio.sleep(delay)
                number += 1

        return cast("Callable[P, T]", tracked)

    def _step(self, document: str, name: str, number: int) -> StepUnderWay:
        step = self._manager.step(document, name)
        if self._backoff.attempts > 1:
            step.use_up(number >= self._backoff.attempts)
        return step

    def _document(self, signature: inspect.Signature) -> Callable[[tuple[object, ...], Mapping[str, object]], str]:
        """How a call's document is found: the first argument, the parameter that `key` names, or what it returns."""
        key = self._key
        if callable(key):
            return lambda args, kwargs: checking.document_in(key(*args, **kwargs))
        names = [name for place, name in enumerate(signature.parameters) if place or name not in ("self", "cls")]
        wanted = names[0] if key is None and names else key
        if wanted not in names:
            raise DefinitionError(
                f"no parameter {checking.shown(wanted)} names the document: it has {', '.join(names) or 'none'}"
            )

        def document(args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
            value = signature.bind(*args, **kwargs)
            value.apply_defaults()
            return checking.document_in(value.arguments[wanted])

        return document


def is_async(function: Callable[..., object]) -> bool:
    """Whether calling it gives something to await."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _signature(function: Callable[..., object], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{name}: {_named(function)} does not tell its parameters: wrap it in a def") from error


def _named(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
