"""Processes that run: what they use, their limits, process groups and signals.

A process is named by its id; 0 is the caller. What concerns the caller itself also works in a forked child, between
fork and exec.

>>> from libmimir import get_limit, supports, usage
>>> usage().resident_bytes > 0
True
>>> get_limit("open_files").soft > 0
True
>>> supports("wall", "job")
'watchdog'
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from . import _bindings as c
from . import _library, _limits
from ._group import create_process_group, int_within, killpg, reset_signals, setpgrp
from .errors import InvalidArgumentError, NotSupportedError

__all__ = [
    "SAME",
    "LimitValue",
    "ProcessUsage",
    "create_process_group",
    "get_limit",
    "killpg",
    "limits",
    "reset_signals",
    "set_limit",
    "setpgrp",
    "supports",
    "usage",
]


@dataclass(frozen=True)
class ProcessUsage:
    """What a process uses. A reading that the platform or the permissions do not give is None."""

    pid: int
    #: Physical memory in use now, in bytes. Linux: field 2 of ``/proc/<pid>/statm``.
    resident_bytes: int | None
    #: The most physical memory that was in use at once, in bytes. Linux: ``ru_maxrss`` for the caller, else ``VmHWM``.
    peak_resident_bytes: int | None
    #: The mapped address space, in bytes. Linux: field 1 of ``/proc/<pid>/statm``.
    virtual_bytes: int | None
    #: CPU time in user mode, in seconds: ``getrusage`` for the caller, else field 14 of ``/proc/<pid>/stat``, in steps
    #: of 10 ms.
    user_time_seconds: float | None
    #: CPU time in the kernel, in seconds, from the same source.
    system_time_seconds: float | None
    #: Threads. Linux: field 20 of ``/proc/<pid>/stat``.
    threads: int | None
    #: Open descriptors; handles on Windows. Linux: entries of ``/proc/<pid>/fd``.
    descriptors: int | None

    @property
    def cpu_time_seconds(self) -> float | None:
        """User and system CPU time together, in seconds."""
        if self.user_time_seconds is None or self.system_time_seconds is None:
            return None
        return self.user_time_seconds + self.system_time_seconds


@dataclass(frozen=True)
class LimitValue:
    """A limit as it stands: bytes, seconds (``cpu``, ``wall``) or a number of things; None is unlimited."""

    #: In force now.
    soft: int | float | None
    #: As far as the soft limit can be raised.
    hard: int | float | None
    #: How strongly it is kept: ``"kernel"``, ``"kernel-per-user"``, ``"watchdog"`` or ``"advisory"``.
    enforcement: str


class _Same:
    def __repr__(self) -> str:
        return "SAME"


#: For `set_limit`: the hard limit is to be the same as the soft one.
SAME = _Same()

_READINGS = {
    "memory": c.MIMIR_USAGE_MEMORY,
    "cpu": c.MIMIR_USAGE_CPU,
    "threads": c.MIMIR_USAGE_THREADS,
    "descriptors": c.MIMIR_USAGE_DESCRIPTORS,
}


def usage(pid: int = 0, *readings: str) -> ProcessUsage:
    """Read what a process uses.

    readings select from ``"memory"``, ``"cpu"``, ``"threads"`` and ``"descriptors"``; all are read without them. Each
    costs system calls, the descriptors most.

    Raises: `NoSuchProcessError` when the process is gone; `PermissionDeniedError` when nothing of it may be read;
    `InvalidArgumentError` for an unknown reading or a negative pid.
    """
    fields = 0
    for reading in readings:
        if reading not in _READINGS:
            raise InvalidArgumentError(f"readings: {reading!r} is not a reading; there are {', '.join(_READINGS)}")
        fields |= _READINGS[reading]
    record = c.mimir_usage()
    record.size = ctypes.sizeof(record)
    number = _pid(pid)
    _library.call("mimir_usage_get", number, fields or c.MIMIR_USAGE_ALL, ctypes.byref(record))
    read = record.fields & (fields or c.MIMIR_USAGE_ALL)
    memory = bool(read & c.MIMIR_USAGE_MEMORY)
    cpu = bool(read & c.MIMIR_USAGE_CPU)
    return ProcessUsage(
        pid=number or os.getpid(),
        resident_bytes=record.resident_bytes if memory else None,
        peak_resident_bytes=record.peak_resident_bytes if memory else None,
        virtual_bytes=record.virtual_bytes if memory else None,
        user_time_seconds=record.user_time_ns / 1e9 if cpu else None,
        system_time_seconds=record.system_time_ns / 1e9 if cpu else None,
        threads=record.threads if read & c.MIMIR_USAGE_THREADS else None,
        descriptors=record.descriptors if read & c.MIMIR_USAGE_DESCRIPTORS else None,
    )


def get_limit(limit: str, pid: int = 0) -> LimitValue:
    """Read a limit of a process, by the name that it has in `libmimir.run`.

    Raises: `InvalidArgumentError` for an unknown limit; `NotSupportedError` for one that a running process cannot have
    here; `NoSuchProcessError`; `PermissionDeniedError` for another user's process.
    """
    soft, hard, enforcement = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_int32()
    _library.call(
        "mimir_limit_get",
        _pid(pid),
        _limits.number(limit),
        ctypes.byref(soft),
        ctypes.byref(hard),
        ctypes.byref(enforcement),
    )
    return LimitValue(
        _limits.value(limit, soft.value),
        _limits.value(limit, hard.value),
        _limits.ENFORCEMENTS.get(enforcement.value, "unknown"),
    )


def set_limit(
    limit: str, soft: _limits.Value | None, hard: _limits.Value | _Same | None = SAME, *, pid: int = 0
) -> str:
    """Set a limit of a running process and answer how strongly it is kept.

    The values are those of `libmimir.run`, and None for unlimited. ``"memory"`` sets ``RLIMIT_DATA`` (and
    ``RLIMIT_RSS``) on Linux. ``set_limit(name, value.soft, value.hard)`` puts back what `get_limit` gave.

    Raises: `LimitError` for a value above the hard limit, `InvalidArgumentError` for one that is not understood or a
    soft above the hard limit, and as `get_limit`. On failure nothing has changed.
    """
    number = _limits.number(limit)
    lower = c.MIMIR_UNLIMITED if soft is None else _limits.parse(limit, soft, f"{limit} (soft)")
    if isinstance(hard, _Same):
        upper = lower
    else:
        upper = c.MIMIR_UNLIMITED if hard is None else _limits.parse(limit, hard, f"{limit} (hard)")
    enforcement = ctypes.c_int32()
    _library.call("mimir_limit_set", _pid(pid), number, lower, upper, ctypes.byref(enforcement))
    return _limits.ENFORCEMENTS.get(enforcement.value, "unknown")


def limits(pid: int = 0) -> dict[str, LimitValue]:
    """Read all limits that a process can have here, by name.

    Raises: `NoSuchProcessError`; `PermissionDeniedError` for another user's process.
    """
    found = {}
    for name in _limits.LIMITS:
        try:
            found[name] = get_limit(name, pid)
        except NotSupportedError:
            continue
    return found


def supports(limit: str, scope: str = "job") -> str | None:
    """Tell how strongly this platform keeps a limit, or None where it cannot.

    scope is ``"self"`` (the caller), ``"process"`` (another that runs) or ``"job"`` (what `libmimir.run` starts).

    Raises: `InvalidArgumentError` for an unknown limit or scope.
    """
    if scope not in _limits.SCOPES:
        raise InvalidArgumentError(f"scope: {scope!r} is not a scope; there are {', '.join(_limits.SCOPES)}")
    kept = ctypes.c_int32()
    _library.call("mimir_limit_support", _limits.number(limit), _limits.SCOPES[scope], ctypes.byref(kept))
    if kept.value == c.MIMIR_ENFORCEMENT_NONE:
        return None
    return _limits.ENFORCEMENTS.get(kept.value, "unknown")


def _pid(pid: int) -> int:
    return int_within(pid, "pid", 63)
