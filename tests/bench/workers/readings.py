"""One way of reading this process's own usage in Python, in a process that has loaded nothing else.

Reads lines ``NAME COUNT`` and answers each with the nanoseconds that COUNT readings took. The argument is the name.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

MEMORY_LIMIT = 1 << 30
CPU_LIMIT = 300


@dataclass
class ResourceUsage:
    """What applications keep their readings in today."""

    memory_bytes: int
    memory_mb: float
    memory_percent: float
    cpu_time_seconds: float
    cpu_percent: float
    memory_limit_bytes: int
    cpu_limit_seconds: int
    memory_limit_exceeded: bool
    cpu_limit_exceeded: bool


Reading = Callable[[int, int], object]


def hold_against(memory: int, cpu: float, memory_limit: int, cpu_limit: int) -> ResourceUsage:
    return ResourceUsage(
        memory_bytes=memory,
        memory_mb=memory / (1024 * 1024),
        memory_percent=memory / memory_limit * 100 if memory_limit > 0 else 0.0,
        cpu_time_seconds=cpu,
        cpu_percent=cpu / cpu_limit * 100 if cpu_limit > 0 else 0.0,
        memory_limit_bytes=memory_limit,
        cpu_limit_seconds=cpu_limit,
        memory_limit_exceeded=memory_limit > 0 and memory > memory_limit,
        cpu_limit_exceeded=cpu_limit > 0 and cpu > cpu_limit,
    )


def with_libmimir() -> Reading:
    import libmimir

    return libmimir.get_platform_adapter().get_resource_usage


def with_psutil() -> Reading:
    import psutil

    process = psutil.Process()

    def read(memory_limit: int, cpu_limit: int) -> ResourceUsage:
        with process.oneshot():
            memory = process.memory_info().rss
            times = process.cpu_times()
        return hold_against(memory, times.user + times.system, memory_limit, cpu_limit)

    return read


def with_resource() -> Reading:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024

    def read(memory_limit: int, cpu_limit: int) -> ResourceUsage:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return hold_against(usage.ru_maxrss * unit, usage.ru_utime + usage.ru_stime, memory_limit, cpu_limit)

    return read


WAYS = {"libmimir": with_libmimir, "psutil": with_psutil, "resource": with_resource}


def main() -> None:
    read = WAYS[sys.argv[1]]()
    for line in sys.stdin:
        count = int(line.split()[1])
        begun = time.perf_counter_ns()
        for _ in range(count):
            read(MEMORY_LIMIT, CPU_LIMIT)
        print(time.perf_counter_ns() - begun, flush=True)


if __name__ == "__main__":
    main()
