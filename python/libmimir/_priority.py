"""Priorities: apart from `libmimir.process`, so that a forked child has them without an import."""

from __future__ import annotations

import ctypes

from . import _bindings as c
from . import _library
from ._group import int_within
from .errors import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    #: A nice value, from -20 to 19, or one of `PRIORITIES`.
    Priority = Union[int, str]

#: The priorities that have a name: they are the classes of Windows.
PRIORITIES: dict[str, int] = {
    "low": c.MIMIR_PRIORITY_LOW,
    "below-normal": c.MIMIR_PRIORITY_BELOW_NORMAL,
    "normal": c.MIMIR_PRIORITY_NORMAL,
    "above-normal": c.MIMIR_PRIORITY_ABOVE_NORMAL,
    "high": c.MIMIR_PRIORITY_HIGH,
    "highest": c.MIMIR_PRIORITY_HIGHEST,
}


def parse(value: object, label: str = "priority") -> int:
    """Give the nice value of a priority.

    Raises: `InvalidArgumentError` that names the argument and says what is accepted.
    """
    found = None
    if isinstance(value, str):
        found = PRIORITIES.get(value)
        if found is None and value.removeprefix("-").isdecimal() and value.isascii():  # as the command line gives it
            found = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        found = value
    if found is None or not c.MIMIR_PRIORITY_HIGHEST <= found <= c.MIMIR_PRIORITY_LOW:
        raise InvalidArgumentError(
            f"{label}: {value!r} is not a priority; give a nice value from -20 to 19, or one of "
            + ", ".join(PRIORITIES),
            step="check priority",
        )
    return found


def get_priority(pid: int = 0) -> int:
    """Read the priority of a process, 0 for the caller: a nice value, from -20, the most, to 19, the least.

    Windows knows six classes, which read as the values of `PRIORITIES`.

    Raises: `NoSuchProcessError`; `PermissionDeniedError` when it may not be asked; `InvalidArgumentError`.
    """
    priority = ctypes.c_int32()
    _library.call("mimir_priority_get", int_within(pid, "pid", 63), ctypes.byref(priority))
    return priority.value


def set_priority(priority: Priority, pid: int = 0) -> None:
    """Set the priority of all threads of a process, 0 for the caller, and so of what it starts from then on.

    priority is a nice value, or one of ``"low"``, ``"below-normal"``, ``"normal"``, ``"above-normal"``, ``"high"`` and
    ``"highest"``. On Unix what is lowered cannot be raised again, and nothing above normal be had, without a privilege.

    Raises: `PermissionDeniedError` for that, and for another user's process; `NoSuchProcessError`;
    `InvalidArgumentError`. On failure nothing has changed.

    >>> set_priority(get_priority())
    """
    _library.call("mimir_priority_set", int_within(pid, "pid", 63), parse(priority))
