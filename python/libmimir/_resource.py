"""The standard module `resource` by the library, where Python has none: see `libmimir.resource`."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from operator import index, itemgetter

from . import _bindings as c
from . import _library
from .errors import InvalidArgumentError, LimitError, NoSuchProcessError, NotSupportedError, PermissionDeniedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

error = OSError

RLIM_INFINITY = -1

# The numbers of Linux.
RLIMIT_CPU = 0
RLIMIT_FSIZE = 1
RLIMIT_DATA = 2
RLIMIT_STACK = 3
RLIMIT_CORE = 4
RLIMIT_RSS = 5
RLIMIT_NPROC = 6
RLIMIT_NOFILE = 7
RLIMIT_OFILE = 7
RLIMIT_MEMLOCK = 8
RLIMIT_AS = 9

RUSAGE_SELF = 0
RUSAGE_CHILDREN = -1

#: The library's limit behind each of the standard module's; None where it has none.
_LIMITS: dict[int, int | None] = {
    RLIMIT_CPU: c.MIMIR_LIMIT_CPU_TIME,
    RLIMIT_FSIZE: c.MIMIR_LIMIT_FILE_SIZE,
    RLIMIT_DATA: c.MIMIR_LIMIT_MEMORY,
    RLIMIT_STACK: None,
    RLIMIT_CORE: None,
    RLIMIT_RSS: None,
    RLIMIT_NPROC: c.MIMIR_LIMIT_PROCESSES,
    RLIMIT_NOFILE: c.MIMIR_LIMIT_OPEN_FILES,
    RLIMIT_MEMLOCK: None,
    RLIMIT_AS: c.MIMIR_LIMIT_ADDRESS_SPACE,
}

_NANOSECONDS = 1_000_000_000
_ENOTSUP = getattr(errno, "ENOTSUP", errno.ENOSYS)

_FIELDS = (
    "ru_utime",
    "ru_stime",
    "ru_maxrss",
    "ru_ixrss",
    "ru_idrss",
    "ru_isrss",
    "ru_minflt",
    "ru_majflt",
    "ru_nswap",
    "ru_inblock",
    "ru_oublock",
    "ru_msgsnd",
    "ru_msgrcv",
    "ru_nsignals",
    "ru_nvcsw",
    "ru_nivcsw",
)


class _Field:
    """A field of the result, which is read by its name and not written."""

    def __init__(self, position: int) -> None:
        self._get = itemgetter(position)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self._get(instance)

    def __set__(self, instance: Any, value: object) -> None:
        raise AttributeError("readonly attribute")


class struct_rusage(tuple):  # type: ignore[type-arg]
    """What `getrusage` gives: a tuple of 16 numbers whose fields have names, as the standard module's."""

    __slots__ = ()
    __match_args__: Any = _FIELDS
    n_fields = n_sequence_fields = len(_FIELDS)
    n_unnamed_fields = 0

    if TYPE_CHECKING:
        ru_utime: float
        ru_stime: float
        ru_maxrss: int
        ru_ixrss: int
        ru_idrss: int
        ru_isrss: int
        ru_minflt: int
        ru_majflt: int
        ru_nswap: int
        ru_inblock: int
        ru_oublock: int
        ru_msgsnd: int
        ru_msgrcv: int
        ru_nsignals: int
        ru_nvcsw: int
        ru_nivcsw: int

    def __new__(cls, sequence: Iterable[float], dict: dict[str, object] | None = None) -> struct_rusage:  # noqa: A002
        try:
            values = tuple(sequence)
        except TypeError:
            raise TypeError("constructor requires a sequence") from None
        if len(values) != len(_FIELDS):
            raise TypeError(f"resource.struct_rusage() takes a {len(_FIELDS)}-sequence ({len(values)}-sequence given)")
        return super().__new__(cls, values)

    def __repr__(self) -> str:
        pairs = ", ".join(f"{name}={value!r}" for name, value in zip(_FIELDS, self))
        return f"resource.struct_rusage({pairs})"

    def __reduce__(self) -> tuple[Any, ...]:
        return struct_rusage, (tuple(self), {})


for _position, _name in enumerate(_FIELDS):
    setattr(struct_rusage, _name, _Field(_position))


def getrlimit(*arguments: Any) -> tuple[int, int]:
    """Give the soft and the hard limit of a resource; `RLIM_INFINITY` where there is none, or the platform has none.

    Raises: `ValueError` for what is no resource.
    """
    (resource,) = _one("getrlimit", arguments)
    return _read(0, _known(_c_int(resource)))


def setrlimit(*arguments: Any) -> None:
    """Set the soft and the hard limit of a resource of this process.

    Raises: `ValueError` for what is no resource, a soft limit above the hard one, or a hard one above the present one;
    `OSError` for a limit that this platform does not keep, other than `RLIM_INFINITY`.
    """
    if len(arguments) != 2:
        raise TypeError(f"setrlimit expected 2 arguments, got {len(arguments)}")
    _write(0, _known(_c_int(arguments[0])), arguments[1])


def prlimit(*arguments: Any) -> tuple[int, int]:
    """Give the limits of a resource of a process, 0 for this one, and with a third argument set them.

    Raises: as `setrlimit`; `ProcessLookupError` for a process that is not there; `PermissionError`.
    """
    if not 2 <= len(arguments) <= 3:
        raise TypeError("resource.prlimit requires 2 to 3 arguments")
    pid, resource = _c_int(arguments[0]), _known(_c_int(arguments[1]))
    if pid < 0:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    if len(arguments) == 2:
        return _read(pid, resource)
    limits = _pair(arguments[2])
    before = _read(pid, resource)
    _write(pid, resource, limits)
    return before


def getrusage(*arguments: Any) -> struct_rusage:
    """Give what this process has used. `ru_maxrss` is KiB, as on Linux; what the platform does not count is 0.

    Raises: `ValueError` for who is not known; `OSError` for `RUSAGE_CHILDREN` where ended children are not counted.
    """
    (argument,) = _one("getrusage", arguments)
    who = _c_int(argument)
    if who == RUSAGE_CHILDREN:
        raise OSError(_ENOTSUP, "resource: this platform does not count what ended children have used")
    if who != RUSAGE_SELF:
        raise ValueError("invalid who parameter")
    usage = c.mimir_usage()
    usage.size = ctypes.sizeof(usage)
    _library.call("mimir_usage_get", 0, c.MIMIR_USAGE_MEMORY | c.MIMIR_USAGE_CPU, ctypes.byref(usage))
    peak = usage.peak_resident_bytes
    return struct_rusage(
        (
            usage.user_time_ns / _NANOSECONDS,
            usage.system_time_ns / _NANOSECONDS,
            peak if sys.platform == "darwin" else peak // 1024,
            *(0,) * (len(_FIELDS) - 3),
        )
    )


def getpagesize() -> int:
    """Give the size of a page of memory in bytes."""
    system = c.mimir_system()
    system.size = ctypes.sizeof(system)
    _library.call("mimir_system_get", ctypes.byref(system))
    return int(system.page_size_bytes)


def _one(name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(arguments) != 1:
        raise TypeError(f"resource.{name}() takes exactly one argument ({len(arguments)} given)")
    return arguments


def _c_int(value: Any) -> int:
    number = index(value)
    if not -(1 << 31) <= number < 1 << 31:
        raise OverflowError("Python int too large to convert to C int")
    return number


def _known(resource: int) -> int:
    if resource not in _LIMITS:
        raise ValueError("invalid resource specified")
    return resource


def _pair(limits: Any) -> tuple[int, int]:
    pair = tuple(limits)
    if len(pair) != 2:
        raise ValueError("expected a tuple of 2 integers")
    return _c_limit(pair[0]), _c_limit(pair[1])


def _c_limit(value: Any) -> int:
    """Turn Python's number into the library's, in which unlimited is the largest."""
    number = index(value)
    if not -(1 << 63) <= number < 1 << 63:
        raise OverflowError("Python int too large to convert to C long")
    return number % (1 << 64)


def _read(pid: int, resource: int) -> tuple[int, int]:
    limit = _LIMITS[resource]
    if limit is None:
        return RLIM_INFINITY, RLIM_INFINITY
    soft, hard, kept = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_int32()
    try:
        _library.call("mimir_limit_get", pid, limit, ctypes.byref(soft), ctypes.byref(hard), ctypes.byref(kept))
    except NotSupportedError:
        return RLIM_INFINITY, RLIM_INFINITY
    except Exception as failure:
        raise _standard(failure) from None
    return _from_library(resource, soft.value), _from_library(resource, hard.value)


def _from_library(resource: int, value: int) -> int:
    if value == c.MIMIR_UNLIMITED:
        return RLIM_INFINITY
    if resource == RLIMIT_CPU:
        value = -(-value // _NANOSECONDS)
    return value - (1 << 64) if value >= 1 << 63 else value


def _to_library(resource: int, value: int) -> int:
    if resource == RLIMIT_CPU:
        return min(value * _NANOSECONDS, c.MIMIR_UNLIMITED)
    return value


def _write(pid: int, resource: int, limits: Any) -> None:
    soft, hard = _pair(limits)
    if soft > hard:
        raise ValueError("current limit exceeds maximum limit")
    nothing_asked = soft == hard == c.MIMIR_UNLIMITED
    limit = _LIMITS[resource]
    if limit is None:
        if nothing_asked:
            return
        raise OSError(_ENOTSUP, f"resource: the library has no limit of number {resource}")
    kept = ctypes.c_int32()
    try:
        _library.call(
            "mimir_limit_set",
            pid,
            limit,
            _to_library(resource, soft),
            _to_library(resource, hard),
            ctypes.byref(kept),
        )
    except NotSupportedError as failure:
        if not nothing_asked:
            raise OSError(_ENOTSUP, str(failure)) from None
    except Exception as failure:
        raise _standard(failure) from None


def _standard(failure: Exception) -> Exception:
    """Make what the standard module raises in its place."""
    if isinstance(failure, LimitError):
        return ValueError("not allowed to raise maximum limit")
    if isinstance(failure, InvalidArgumentError):
        return ValueError(str(failure))
    if isinstance(failure, NoSuchProcessError):
        return ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    if isinstance(failure, PermissionDeniedError):
        return PermissionError(errno.EPERM, os.strerror(errno.EPERM))
    return failure
