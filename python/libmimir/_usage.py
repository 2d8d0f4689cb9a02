"""What this process uses: the reading, which takes the time of two system calls and of little else."""

from __future__ import annotations

import ctypes
import struct

from . import _bindings as c
from . import _library
from ._log import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
    from typing import Any
else:
    from ._dataclass import dataclass


@dataclass
class ResourceUsage:
    """What this process uses, held against limits that the caller named."""

    #: Resident memory now, in bytes. Linux: field 2 of ``/proc/self/statm``.
    memory_bytes: int
    #: `memory_bytes` in units of 1024 * 1024 bytes.
    memory_mb: float
    #: `memory_bytes` as a percentage of the memory limit; 0 without one.
    memory_percent: float
    #: User and system CPU time of all threads since the process began, in seconds (``getrusage``).
    cpu_time_seconds: float
    #: `cpu_time_seconds` as a percentage of the CPU limit; 0 without one.
    cpu_percent: float
    #: The limits that the caller named; 0 for none.
    memory_limit_bytes: int
    cpu_limit_seconds: int
    #: Whether there is a limit, and the use is more.
    memory_limit_exceeded: bool
    cpu_limit_exceeded: bool
    #: The most resident memory that was in use at once, in bytes (``ru_maxrss``).
    peak_memory_bytes: int = 0


_FIELDS = tuple(ResourceUsage.__annotations__)

# Of mimir_measure: memory_bytes, cpu_time_seconds, peak_memory_bytes.
_MEASURE = struct.Struct("=8xQ16xd8xQ")


class _Field:
    """A field that is worked out when it is first asked for; the instance then has it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, usage: _Reading | None, owner: type) -> Any:
        if usage is None:
            return self
        try:
            return vars(usage)[self._name]
        except KeyError:
            raise AttributeError(f"the usage has no {self._name} any more") from None


class _Reading(ResourceUsage):
    """What `get_resource_usage` gives: the bytes that it read, and the limits. What nobody asks for is not worked out.

    It is a `ResourceUsage` in all that its users can see.
    """

    # The quickest there is: it takes no arguments and sets nothing.
    __init__ = object.__init__
    for _name in _FIELDS:
        vars()[_name] = _Field(_name)
    _read: tuple[bytes, int, int]

    @property  # type: ignore[misc]
    def __class__(self) -> type[ResourceUsage]:  # type: ignore[override]
        return ResourceUsage

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        values = _stored(self)
        read = values.get("_read")
        if read:
            for name, value in zip(_FIELDS, _work_out(*read)):
                values.setdefault(name, value)
            values.pop("_read", None)  # last: another thread may be here, too
        return values

    def __reduce__(self) -> tuple[Any, ...]:
        values = vars(self)
        return ResourceUsage, tuple(values.get(name) for name in _FIELDS), values


def _work_out(read: bytes, memory_limit: int, cpu_limit: int) -> tuple[Any, ...]:
    memory, cpu, peak = _MEASURE.unpack(read)
    memory_percent = cpu_percent = 0.0
    memory_exceeded = cpu_exceeded = False
    # The library is not given the limits: it would take whole numbers only, and callers have floats.
    try:
        if memory_limit > 0:
            memory_percent = memory / memory_limit * 100
            memory_exceeded = memory > memory_limit
        if cpu_limit > 0:
            cpu_percent = cpu / cpu_limit * 100
            cpu_exceeded = cpu > cpu_limit
    except Exception as error:
        return _nothing(memory_limit, cpu_limit, error)
    megabytes = memory / 1048576
    limits = memory_limit, cpu_limit
    return memory, megabytes, memory_percent, cpu, cpu_percent, *limits, memory_exceeded, cpu_exceeded, peak


def _nothing(memory_limit: int, cpu_limit: int, error: Exception) -> tuple[Any, ...]:
    warn("could not read the resource usage: %s", error)
    return 0, 0.0, 0.0, 0.0, 0.0, memory_limit, cpu_limit, False, False, 0


def get_resource_usage(self: object, memory_limit: int = 0, cpu_limit: int = 0) -> ResourceUsage:
    """Read what this process uses and hold it against limits in bytes and seconds; 0 is none.

    It changes no limit. On failure everything but the limits is 0, and a warning is logged. Safe in all threads.
    """
    # In the interpreter's lock: what is copied is one reading, if not always this thread's.
    status = _refresh()
    if status:
        return ResourceUsage(*_nothing(memory_limit, cpu_limit, _library.failure(_library.current(), status)))
    reading: ResourceUsage = _Reading()
    reading._read = _page.raw, memory_limit, cpu_limit  # type: ignore[attr-defined]
    return reading


_stored: Callable[[ResourceUsage], dict[str, Any]] = ResourceUsage.__dict__["__dict__"].__get__
_refresh = _library.current().mimir_usage_refresh
_address = ctypes.c_uint64()
_library.call("mimir_usage_page", ctypes.byref(_address))
_page = (ctypes.c_char * ctypes.sizeof(c.mimir_measure)).from_address(_address.value)
