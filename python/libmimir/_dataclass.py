"""Dataclasses that do without the standard module until it is asked about them.

Importing `dataclasses` brings in inspect, ast, re and enum and takes longer than all the rest of `import libmimir`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Fields:
    """Stands for ``__dataclass_fields__`` until somebody reads it, who has imported `dataclasses` already."""

    def __init__(self, cls: type) -> None:
        self._cls = cls

    def __get__(self, instance: object, owner: type) -> Any:
        from dataclasses import dataclass as complete

        return complete(self._cls).__dict__["__dataclass_fields__"]


def dataclass(cls: type) -> type:
    """Make a dataclass of a class with annotated fields, whose defaults are plain values.

    It is one in all that its users can see. `dataclasses` completes it when one of its functions, or the decorator of a
    subclass, first looks at it.
    """
    names = tuple(cls.__annotations__)
    parameters = ", ".join(f"{name}=cls.{name}" if hasattr(cls, name) else name for name in names)
    body = "; ".join(f"self.{name} = {name}" for name in names)
    scope: dict[str, Any] = {"cls": cls}
    exec(f"def __init__(self, {parameters}): {body}", scope)  # noqa: S102 - as dataclasses itself does

    def __repr__(self: Any) -> str:  # noqa: N807
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({shown})"

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in names)

    initialize = scope["__init__"]
    initialize.__annotations__ = {**cls.__annotations__, "return": "None"}
    for method in (initialize, __repr__, __eq__):
        method.__module__ = cls.__module__
        method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
        setattr(cls, method.__name__, method)
    cls.__hash__ = None  # type: ignore[assignment]
    cls.__match_args__ = names  # type: ignore[attr-defined,misc]
    cls.__dataclass_fields__ = _Fields(cls)  # type: ignore[attr-defined]
    return cls
