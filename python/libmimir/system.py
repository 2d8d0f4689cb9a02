"""The system as a whole, and what is around this process: limits that others have set, a container, a cloud.

>>> from libmimir import container_info, system_usage
>>> system_usage().available_memory_bytes > 0
True
"""

from __future__ import annotations

import ctypes
import os
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
    """What is around this process: limits that others have set, what they leave to it, and who has put it there."""

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
    #: The part of `memory_usage_bytes` that is given up when memory is wanted. Linux: ``inactive_file``.
    reclaimable_bytes: int = 0
    #: How many CPUs this process can have at a time: those that it may run on, or `cpu_limit`, if that is less. So many
    #: threads are worth having.
    usable_cpus: float = 0
    #: How much memory there is for it, in bytes: the system's, or `memory_limit_bytes`, if that is less.
    usable_memory_bytes: int = 0
    #: How much of that can still be had without swapping.
    available_memory_bytes: int = 0
    #: What runs the container: ``"docker"``, ``"podman"``, ``"containerd"``, ``"cri-o"``, ``"lxc"`` and others
    #: (``MIMIR_CONTAINER_TEXT_RUNTIME`` in the header lists them); None when none was found.
    runtime: str | None = None
    #: The container's id, or name, as its runtime has it.
    id: str | None = None
    #: What has placed it: ``"kubernetes"``, ``"nomad"`` or ``"ecs"``.
    orchestrator: str | None = None
    #: The name of the pod: the variable ``POD_NAME``, or the host's name, which is the pod's unless it has the node's
    #: network.
    pod: str | None = None
    pod_uid: str | None = None
    namespace: str | None = None
    #: Whose machine it is, by what the firmware says and by the service: ``"aws"``, ``"gcp"``, ``"azure"`` and others.
    cloud: str | None = None
    #: The machine's model by its firmware, in some clouds the kind of instance, such as ``"m5.large"``.
    machine: str | None = None
    #: The service that runs the program for its owner, such as ``"aws-lambda"`` or ``"gcp-cloud-run"``.
    service: str | None = None


_KINDS = {
    c.MIMIR_CONTAINER_CONTROL_GROUP: "control-group",
    c.MIMIR_CONTAINER_JOB_OBJECT: "job-object",
    c.MIMIR_CONTAINER_WINDOWS: "windows-container",
}


_TEXTS = {
    "runtime": c.MIMIR_CONTAINER_TEXT_RUNTIME,
    "id": c.MIMIR_CONTAINER_TEXT_ID,
    "orchestrator": c.MIMIR_CONTAINER_TEXT_ORCHESTRATOR,
    "pod": c.MIMIR_CONTAINER_TEXT_POD,
    "pod_uid": c.MIMIR_CONTAINER_TEXT_POD_UID,
    "namespace": c.MIMIR_CONTAINER_TEXT_NAMESPACE,
    "cloud": c.MIMIR_CONTAINER_TEXT_CLOUD,
    "machine": c.MIMIR_CONTAINER_TEXT_MACHINE,
    "service": c.MIMIR_CONTAINER_TEXT_SERVICE,
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
    """Tell what is around this process: the limits of a container, a service or a `libmimir.run`, and who set them.

    The numbers are read anew each time, the names once. They are found without privilege and without asking anybody
    over the network: somebody who means to can mislead it.

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
        reclaimable_bytes=record.reclaimable_bytes,
        usable_cpus=record.usable_cpu_rate / 1000,
        usable_memory_bytes=record.usable_memory_bytes,
        available_memory_bytes=record.available_memory_bytes,
        **{name: os.fsdecode(_library.text("mimir_container_text", item)) or None for name, item in _TEXTS.items()},
    )
