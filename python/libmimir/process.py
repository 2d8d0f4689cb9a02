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
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _bindings as c
from . import _library, _limits
from ._group import create_process_group, int_within, killpg, reset_signals, setpgrp
from ._priority import PRIORITIES, get_priority, set_priority
from .errors import InvalidArgumentError, MimirError, NoSuchProcessError, NotSupportedError, PermissionDeniedError

if TYPE_CHECKING:
    from ._priority import Priority
    from ._units import Duration, Size

__all__ = [
    "PRIORITIES",
    "SAME",
    "LimitValue",
    "Process",
    "ProcessUsage",
    "create_process_group",
    "get_limit",
    "get_priority",
    "killpg",
    "limits",
    "reset_signals",
    "set_limit",
    "set_priority",
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
    return usage_of(record, number or os.getpid(), fields or c.MIMIR_USAGE_ALL)


def usage_of(record: c.mimir_usage, pid: int, fields: int = c.MIMIR_USAGE_ALL) -> ProcessUsage:
    """Make Python's form of a reading of the library, of those fields that were asked for."""
    read = record.fields & fields
    memory = bool(read & c.MIMIR_USAGE_MEMORY)
    cpu = bool(read & c.MIMIR_USAGE_CPU)
    return ProcessUsage(
        pid=pid,
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


class Process:
    """A process that runs, whoever started it: what it uses, its limits, its children and its end.

    It is known by its id and by when it started: another that has been given the same id is not taken for it, and is
    sent no signal.

    Raises: `NoSuchProcessError` (a `ProcessLookupError`) when there is no such process; so does every method once it
    is gone. `PermissionDeniedError` (a `PermissionError`) for what another user's process does not allow.

    >>> Process().usage().resident_bytes > 0
    True
    """

    #: The process id.
    pid: int

    def __init__(self, pid: int | None = None) -> None:
        """Find a process; without a pid, the caller."""
        number = os.getpid() if pid is None else _pid(pid)
        if number < 1:
            raise InvalidArgumentError(f"pid: {pid!r} is not a process id", step="check process id")
        self.pid = number
        self._started = _start_of(number)
        if self._started == _GONE:
            raise NoSuchProcessError(f"there is no process {number}", step="find process")

    @property
    def is_running(self) -> bool:
        """Whether it still runs. One that has ended and is not yet waited for by its parent does not."""
        return _start_of(self.pid) == self._started

    def usage(self, *readings: str) -> ProcessUsage:
        """Read what it uses: see `libmimir.usage`."""
        self._find()
        return usage(self.pid, *readings)

    def limits(self) -> dict[str, LimitValue]:
        """Read all limits that it can have here, by name."""
        self._find()
        return limits(self.pid)

    def limit(
        self,
        *,
        memory: Size | None = None,
        cpu: Duration | None = None,
        open_files: int | None = None,
        file_size: Size | None = None,
        processes: int | None = None,
        address_space: Size | None = None,
    ) -> dict[str, str]:
        """Limit it, soft and hard, and tell how strongly each limit is kept, by its name.

        What is asked for is looked at before anything is changed. When the system then refuses one, those before it, in
        the order above, are in force.

        Raises: `InvalidArgumentError`, `LimitError`, `NotSupportedError`: see `libmimir.set_limit`.
        """
        values = {
            "memory": memory,
            "cpu": cpu,
            "open_files": open_files,
            "file_size": file_size,
            "processes": processes,
            "address_space": address_space,
        }
        given = {name: value for name, value in values.items() if value is not None}
        for name, value in given.items():
            _limits.parse(name, value)
            if supports(name, "self" if self.pid == os.getpid() else "process") is None:
                raise NotSupportedError(f"{name}: a running process cannot be limited in this here", step="find limit")
        self._find()
        return {name: set_limit(name, value, pid=self.pid) for name, value in given.items()}

    def priority(self) -> int:
        """Read its priority: see `libmimir.get_priority`."""
        self._find()
        return get_priority(self.pid)

    def set_priority(self, priority: Priority) -> None:
        """Set its priority: see `libmimir.set_priority`."""
        self._find()
        set_priority(priority, self.pid)

    def children(self, recursive: bool = False) -> list[Process]:
        """List its children, or with recursive all its descendants, as they are now.

        Those that lose their parent are no longer anybody's descendants to the system.
        """
        self._find()
        room = 64
        count = ctypes.c_uint64()
        while True:
            pids = (ctypes.c_int64 * room)()
            functions = _library.current()
            arguments = (self.pid, int(recursive), pids, room, ctypes.byref(count))
            status = functions.mimir_process_children(*arguments)
            if status == c.MIMIR_EFORKED:
                _library.renew(functions)
                continue
            if status == c.MIMIR_OK:
                break
            if status != c.MIMIR_ERANGE:
                raise _library.failure(functions, status)
            room = 2 * count.value  # more may come meanwhile
        found = []
        for pid in pids[: count.value]:
            try:
                found.append(Process(pid))
            except NoSuchProcessError:
                continue
        return found

    def kill_tree(self) -> None:
        """End it and all its descendants, and return when they are gone.

        They are stopped first, so that none can start another meanwhile. Descendants that had lost their parent before
        are not found: those of a command that is to be ended whole are, with `libmimir.run` or `libmimir.Popen`.
        """
        self._find()
        _library.call("mimir_process_kill_tree", self.pid)

    def send_signal(self, sig: int) -> None:
        """Send it a signal."""
        number = int_within(sig, "sig", 31)
        try:
            if not hasattr(signal, "pidfd_send_signal"):
                self._find()
                os.kill(self.pid, number)
                return
            # What this descriptor stands for stays the same process, whatever happens to the number.
            try:
                descriptor = os.pidfd_open(self.pid)
            except ProcessLookupError:
                raise self._gone() from None
            try:
                self._find()
                signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)
        except MimirError:
            raise
        except ProcessLookupError:
            raise self._gone() from None
        except PermissionError as error:
            raise PermissionDeniedError(
                f"process {self.pid} may not be signalled", os_code=error.errno or 0, step="send signal"
            ) from None
        except OSError as error:
            raise InvalidArgumentError(f"sig: {sig!r} is not a signal", os_code=error.errno or 0) from None

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); on Windows, which cannot ask, end it."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, and it alone."""
        self.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    def _find(self) -> None:
        if not self.is_running:
            raise self._gone()

    def _gone(self) -> NoSuchProcessError:
        return NoSuchProcessError(f"process {self.pid} has ended", step="find process")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Process):
            return NotImplemented
        return (self.pid, self._started) == (other.pid, other._started)

    def __hash__(self) -> int:
        return hash((self.pid, self._started))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pid})"


_GONE = -1


def _start_of(pid: int) -> int | None:
    """Tell when a process started, in a unit of the system; None when it may not be asked, _GONE when it has ended."""
    start = ctypes.c_uint64()
    try:
        _library.call("mimir_process_identify", pid, ctypes.byref(start))
    except NoSuchProcessError:
        return _GONE
    except PermissionDeniedError:
        return None
    return start.value


def _pid(pid: int) -> int:
    return int_within(pid, "pid", 63)
