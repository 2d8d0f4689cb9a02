"""The system as a whole: what it does now, and the limits around this process that others have set.

>>> from libmimir import container_info, system_usage
>>> system_usage().available_memory_bytes > 0
True
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from . import _bindings as c
from . import _library

__all__ = ["ContainerInfo", "SystemUsage", "container_info", "system_usage"]


@dataclass(frozen=True)
class SystemUsage:
    """What the system does now. A reading that the platform does not give is None."""

    #: CPU time in user mode of all CPUs together since the system started, in seconds. Linux: ``/proc/stat``.
    user_time_seconds: float | None
    #: The same in the kernel, interrupts included.
    system_time_seconds: float | None
    #: Time in which CPUs had nothing to do, waits for disks included.
    idle_time_seconds: float | None
    #: The physical memory, in bytes.
    total_memory_bytes: int | None
    #: Memory that can be given to programs without swapping, in bytes. Linux: ``MemAvailable`` of ``/proc/meminfo``.
    available_memory_bytes: int | None
    #: The swap space (Windows: of paging files), in bytes.
    swap_total_bytes: int | None
    #: How much of it is in use.
    swap_used_bytes: int | None
    #: Memory that was promised to programs, in bytes. Linux: ``Committed_AS``; Windows: the commit charge.
    committed_bytes: int | None
    #: How much can be promised.
    commit_limit_bytes: int | None
    #: How often something had to be read from a disk for a missing page, since the system started. macOS: in pages.
    page_ins: int | None
    #: Threads that want to run. Linux: ``procs_running``, those that run included; Windows: the processor queue length,
    #: those that run not included.
    run_queue: int | None
    processes: int | None
    threads: int | None

    def cpu_percent_since(self, earlier: SystemUsage) -> float | None:
        """Tell how busy the CPUs were between an earlier reading and this one: 100 is all of them, all the time.

        None when the readings do not tell it, or are too close: Linux and macOS count in steps of 10 ms.
        """
        times = []
        for usage in (earlier, self):
            found = (usage.user_time_seconds, usage.system_time_seconds, usage.idle_time_seconds)
            if None in found:
                return None
            times.append(found)
        user, system, idle = (after - before for before, after in zip(*times))
        whole = user + system + idle
        return None if whole <= 0 else max(0.0, 100 * (user + system) / whole)


@dataclass(frozen=True)
class ContainerInfo:
    """The limits around this process that others have set, and what has been used of them."""

    #: What bounds it: ``"control-group"`` (Linux), ``"job-object"`` or ``"windows-container"``; None when nothing does.
    kind: str | None
    #: How much memory all together may take, in bytes; None without a limit. Linux: the least ``memory.max`` of its
    #: group and those above. Windows: of commit.
    memory_limit_bytes: int | None
    #: How much they take, in bytes; None where that is not told.
    memory_usage_bytes: int | None
    #: How many CPUs they may use at a time, such as 1.5; None without a limit. Linux: ``cpu.max``.
    cpu_limit: float | None
    #: How many processes (Linux: and threads) there may be; None without a limit. Linux: ``pids.max``.
    process_limit: int | None


_KINDS = {
    c.MIMIR_CONTAINER_CONTROL_GROUP: "control-group",
    c.MIMIR_CONTAINER_JOB_OBJECT: "job-object",
    c.MIMIR_CONTAINER_WINDOWS: "windows-container",
}


def system_usage() -> SystemUsage:
    """Read what the system does now. Two readings tell what was between them: see `SystemUsage.cpu_percent_since`.

    On Windows the first call opens performance counters, which can take some hundred milliseconds.

    Raises: `OperatingSystemError` when the system does not tell.
    """
    record = c.mimir_system_usage()
    record.size = ctypes.sizeof(record)
    _library.call("mimir_system_measure", ctypes.byref(record))

    def told(bit: int) -> bool:
        return bool(record.fields & bit)

    cpu, memory = told(c.MIMIR_SYSTEM_USAGE_CPU), told(c.MIMIR_SYSTEM_USAGE_MEMORY)
    swap, commit = told(c.MIMIR_SYSTEM_USAGE_SWAP), told(c.MIMIR_SYSTEM_USAGE_COMMIT)
    return SystemUsage(
        user_time_seconds=record.user_time_ns / 1e9 if cpu else None,
        system_time_seconds=record.system_time_ns / 1e9 if cpu else None,
        idle_time_seconds=record.idle_time_ns / 1e9 if cpu else None,
        total_memory_bytes=record.total_memory_bytes if memory else None,
        available_memory_bytes=record.available_memory_bytes if memory else None,
        swap_total_bytes=record.swap_total_bytes if swap else None,
        swap_used_bytes=record.swap_used_bytes if swap else None,
        committed_bytes=record.committed_bytes if commit else None,
        commit_limit_bytes=record.commit_limit_bytes if commit else None,
        page_ins=record.page_ins if told(c.MIMIR_SYSTEM_USAGE_PAGING) else None,
        run_queue=record.run_queue if told(c.MIMIR_SYSTEM_USAGE_QUEUE) else None,
        processes=record.processes if told(c.MIMIR_SYSTEM_USAGE_PROCESSES) else None,
        threads=record.threads if told(c.MIMIR_SYSTEM_USAGE_THREADS) else None,
    )


def container_info() -> ContainerInfo:
    """Read the limits around this process that others have set: of a container, a service, or a `libmimir.run`.

    Raises: `NotSupportedError` on macOS, which has no containers.
    """
    record = c.mimir_container()
    record.size = ctypes.sizeof(record)
    _library.call("mimir_container_get", ctypes.byref(record))

    def number(value: int) -> int | None:
        return None if value == c.MIMIR_UNLIMITED else value

    rate = number(record.cpu_rate_limit)
    return ContainerInfo(
        kind=_KINDS.get(record.kind),
        memory_limit_bytes=number(record.memory_limit_bytes),
        memory_usage_bytes=number(record.memory_usage_bytes),
        cpu_limit=None if rate is None else rate / 1000,
        process_limit=number(record.process_limit),
    )
