"""What stands in a worker for a module's attribute that could not be taken along."""

from __future__ import annotations

from typing import NoReturn

from milepost.errors import WorkerError


class LeftOut:
    """Raises WorkerError with the module, the attribute and the reason as soon as it is used."""

    def __init__(self, module: str, name: str, reason: str) -> None:
        self.__dict__["_told"] = (module, name, reason)

    def __repr__(self) -> str:
        module, name, _ = self.__dict__["_told"]
        return f"<{module}.{name}, left out in workers>"

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)  # probing is not using
        self._refuse()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        module, name, reason = self.__dict__["_told"]
        raise WorkerError(
            f"{module}.{name} is not in this worker: {reason}. Make it inside the function that needs it, "
            "hand it in as a decision or a stage's result, or run with executor 'threads' or 'inline'",
            module=module,
            attribute=name,
        )

    __setattr__ = __delattr__ = __call__ = __getitem__ = __setitem__ = __delitem__ = __contains__ = _refuse
    __iter__ = __next__ = __len__ = __bool__ = __enter__ = __exit__ = __await__ = __aenter__ = __aiter__ = _refuse
    __int__ = __float__ = __index__ = __str__ = __format__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __mod__ = __pow__ = __matmul__ = __and__ = __or__ = __neg__ = __array__ = _refuse
