"""Process groups and signals: apart from `libmimir.process`, so that a forked child has them without an import."""

from __future__ import annotations

import ctypes
import os
import sys
from operator import index

from . import _library
from .errors import InvalidArgumentError, NoSuchProcessError, NotSupportedError, PermissionDeniedError


def create_process_group() -> int:
    """Make the caller the leader of a new process group and give the group's id.

    A process that leads its group already keeps it.

    Raises: `PermissionDeniedError` for a session leader of another group; `NotSupportedError` where there are none.
    """
    group = ctypes.c_int64()
    _library.call("mimir_group_create", ctypes.byref(group))
    return group.value


def setpgrp() -> None:
    """Do what ``os.setpgrp()`` does, on every platform that has process groups. Raises as `create_process_group`."""
    create_process_group()


def killpg(pgid: int, signal: int) -> None:
    """Send a signal to every process of a group; signal 0 tests whether the group has members.

    Raises: `NoSuchProcessError` for a group without members; `PermissionDeniedError` when none may be signalled;
    `InvalidArgumentError` for a group below 1 or what is no signal; `NotSupportedError` where there are no groups.
    """
    _library.call("mimir_group_kill", int_within(pgid, "pgid", 63), int_within(signal, "signal", 31))


def getpgid(pid: int) -> int:
    """Give the process group of a process, 0 for this one, as ``os.getpgid()`` does.

    Raises: `NoSuchProcessError`; `PermissionDeniedError`; `NotSupportedError` on Windows, where no process tells.
    """
    if sys.platform == "win32":
        raise NotSupportedError("getpgid: a process does not tell its job object on Windows")
    try:
        return os.getpgid(pid)
    except ProcessLookupError as error:
        raise NoSuchProcessError(
            f"getpgid: there is no process {pid}", os_code=error.errno or 0, step="getpgid"
        ) from None
    except PermissionError as error:
        raise PermissionDeniedError(f"getpgid: {error.strerror}", os_code=error.errno or 0, step="getpgid") from None


def reset_signals(*signals: int) -> None:
    """Give signals their default disposition and unblock them in this thread; all that can be reset without arguments.

    For a child between fork and exec. In a process that goes on, Python does not learn of it.

    Raises: `InvalidArgumentError` for what is no signal or cannot be reset; `NotSupportedError` where there are none.
    """
    for signal in signals:
        if index(signal) == 0:
            raise InvalidArgumentError("signals: 0 is not a signal")
    for signal in signals or (0,):
        _library.call("mimir_signal_reset", int_within(signal, "signals", 31))


def int_within(value: int, name: str, bits: int) -> int:
    """Check that a number fits, where ctypes would cut it off. Raises: `InvalidArgumentError`."""
    number = index(value)
    if not -(1 << bits) <= number < 1 << bits:
        raise InvalidArgumentError(f"{name}: {value!r} is out of range")
    return number
