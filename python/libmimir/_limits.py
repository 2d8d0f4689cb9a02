"""The names of limits, enforcements and reasons, and how their values are read and written in Python."""

from __future__ import annotations

from . import _bindings as c
from . import _units
from .errors import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Union

    #: What a limit can be given as: see `libmimir.run`.
    Value = Union[int, float, str]

#: The limits by the names that `libmimir.run` gives its arguments.
LIMITS: dict[str, int] = {
    "memory": c.MIMIR_LIMIT_MEMORY,
    "cpu": c.MIMIR_LIMIT_CPU_TIME,
    "wall": c.MIMIR_LIMIT_WALL_TIME,
    "processes": c.MIMIR_LIMIT_PROCESSES,
    "open_files": c.MIMIR_LIMIT_OPEN_FILES,
    "file_size": c.MIMIR_LIMIT_FILE_SIZE,
    "address_space": c.MIMIR_LIMIT_ADDRESS_SPACE,
    "output": c.MIMIR_LIMIT_OUTPUT,
    "cpu_rate": c.MIMIR_LIMIT_CPU_RATE,
}

ENFORCEMENTS: dict[int, str] = {
    c.MIMIR_ENFORCEMENT_NONE: "none",
    c.MIMIR_ENFORCEMENT_KERNEL: "kernel",
    c.MIMIR_ENFORCEMENT_KERNEL_PER_USER: "kernel-per-user",
    c.MIMIR_ENFORCEMENT_WATCHDOG: "watchdog",
    c.MIMIR_ENFORCEMENT_ADVISORY: "advisory",
}

SCOPES: dict[str, int] = {
    "self": c.MIMIR_SCOPE_SELF,
    "process": c.MIMIR_SCOPE_PROCESS,
    "job": c.MIMIR_SCOPE_JOB,
}

#: BenchExec's words; a job that ended by itself has none.
REASONS: dict[int, str] = {
    c.MIMIR_REASON_CPU_TIME: "cputime",
    c.MIMIR_REASON_WALL_TIME: "walltime",
    c.MIMIR_REASON_MEMORY: "memory",
    c.MIMIR_REASON_OUTPUT: "output",
    c.MIMIR_REASON_FILE_SIZE: "filesize",
    c.MIMIR_REASON_PROCESSES: "processes",
    c.MIMIR_REASON_KILLED: "killed",
    c.MIMIR_REASON_FAILED: "failed",
}

#: The limit that a reason speaks of.
LIMIT_OF_REASON: dict[str, str] = {
    "cputime": "cpu",
    "walltime": "wall",
    "memory": "memory",
    "output": "output",
    "filesize": "file_size",
    "processes": "processes",
}

#: The limits in plain words.
TITLES: dict[str, str] = {
    "memory": "memory",
    "cpu": "CPU time",
    "wall": "wall time",
    "processes": "processes",
    "open_files": "open files",
    "file_size": "file size",
    "address_space": "address space",
    "output": "output",
    "cpu_rate": "CPU rate",
}

_UNLIMITED = c.MIMIR_UNLIMITED
_TIMES = ("cpu", "wall")
#: What the library's value is divided by.
_SCALES = {**dict.fromkeys(_TIMES, 1e9), "cpu_rate": 1000}
_COUNTS = ("processes", "open_files")

#: What reads the value of each limit: it is given the value and the name of the argument.
READERS: dict[str, Callable[[object, str], int]] = {
    name: _units.duration
    if name in _TIMES
    else _units.count
    if name in _COUNTS
    else _units.rate
    if name == "cpu_rate"
    else _units.size
    for name in LIMITS
}


def number(name: str) -> int:
    """Give the constant of a limit's name.

    Raises: `InvalidArgumentError` that lists the names.
    """
    found = LIMITS.get(name)
    if found is None:
        raise InvalidArgumentError(f"limit: {name!r} is not a limit; there are {', '.join(LIMITS)}")
    return found


def parse(name: str, value: object, label: str | None = None) -> int:
    """Turn the value of a limit into the library's unit: bytes, nanoseconds, 1/1000 CPU or a number of things.

    Raises: `InvalidArgumentError` that names the argument (`label`, else the limit) and says what is accepted.
    """
    return READERS[name](value, label or name)


def values(amounts: Mapping[str, int]) -> dict[str, int | float]:
    """Turn the library's values of limits into Python's: bytes, seconds, CPUs or a number. Unlimited is left out."""
    found: dict[str, int | float] = {}
    for name, amount in amounts.items():
        if amount != _UNLIMITED:
            found[name] = amount / _SCALES[name] if name in _SCALES else amount
    return found


def value(name: str, amount: int) -> int | float | None:
    """Turn the library's value of a limit into Python's, as `values` does; None for unlimited."""
    return values({name: amount}).get(name)


def describe(name: str, amount: float | None) -> str:
    """Write Python's value of a limit for a person."""
    if amount is None:
        return "unlimited"
    if name in _TIMES:
        return _units.format_seconds(amount)
    if name == "cpu_rate":
        return f"{amount:g} CPU" + ("" if amount == 1 else "s")
    return str(amount) if name in _COUNTS else _units.format_size(amount)
