"""Ways of running /bin/true from a parent of a given size, in MiB (the first argument), and from so many threads.

The other arguments are the ways. Reads lines ``NAME COUNT`` and answers each with the nanoseconds that COUNT runs took.
A process that is not asked for ``libmimir`` does not load the library. With ``--probe`` each way is tried once.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

COMMAND = ["/bin/true"]
# What applications limit their commands to today.
MEMORY, CPU, OPEN_FILES, PROCESSES, FILE_SIZE = 1 << 30, 300, 1024, 32, 100 << 20


def capturing(captured: bool) -> dict[str, Any]:
    """Give what is written to capture the output, and nothing else where it is not."""
    return {"capture_output": True} if captured else {}


def with_libmimir(limited: bool, grouped: bool = False, captured: bool = False) -> Callable[[], None]:
    import libmimir

    if grouped and libmimir.run(COMMAND, memory=MEMORY).enforcement["memory"] != "kernel":
        raise SystemExit("no control group can be written here")

    limits = {}
    if limited:
        limits = {
            "memory": MEMORY,
            "cpu": CPU,
            "open_files": OPEN_FILES,
            "processes": PROCESSES,
            "file_size": FILE_SIZE,
        }
    options: dict[str, Any] = {**limits, **capturing(captured)}
    run = libmimir.run

    def start() -> None:
        if run(COMMAND, **options).returncode:
            raise RuntimeError("it failed")

    return start


def with_subprocess(*before: str, captured: bool = False) -> Callable[[], None]:
    command = [*before, *COMMAND]
    options = capturing(captured)

    def start() -> None:
        subprocess.run(command, check=True, **options)

    return start


def with_preexec() -> None:
    subprocess.run(COMMAND, check=True, preexec_fn=limit_child)


def limit_child() -> None:
    import resource

    for limit, value in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
    ):
        resource.setrlimit(limit, (value, value))
    os.setpgrp()


def with_posix_spawn() -> None:
    pid = os.posix_spawn(COMMAND[0], COMMAND, os.environ)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("it failed")


WAYS: dict[str, Callable[[], Callable[[], None]]] = {
    "libmimir-limits": lambda: with_libmimir(limited=True),
    "libmimir": lambda: with_libmimir(limited=False),
    "libmimir-capture": lambda: with_libmimir(limited=True, captured=True),
    "libmimir-groups": lambda: with_libmimir(limited=True, grouped=True),
    "subprocess": with_subprocess,
    "subprocess-capture": lambda: with_subprocess(captured=True),
    "preexec": lambda: with_preexec,
    "posix-spawn": lambda: with_posix_spawn,
    "timeout": lambda: with_subprocess("timeout", "60"),
    "prlimit": lambda: with_subprocess(
        "prlimit",
        f"--data={MEMORY}",
        f"--cpu={CPU}",
        f"--nofile={OPEN_FILES}",
        f"--nproc={PROCESSES}",
        f"--fsize={FILE_SIZE}",
        "--",
    ),
    "systemd-run": lambda: with_subprocess("systemd-run", "--scope", "--quiet", "--"),
}


def ballast(mebibytes: int) -> mmap.mmap | None:
    """Take resident memory in small pages, as the heap of a Python program has."""
    if not mebibytes:
        return None
    memory = mmap.mmap(-1, mebibytes << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(0, len(memory), mmap.PAGESIZE):
        memory[at] = 1
    return memory


def repeat(start: Callable[[], None], count: int, threads: int) -> None:
    if threads == 1:
        for _ in range(count):
            start()
        return
    left = iter(range(count))  # whose steps are each one of the interpreter's

    def work() -> None:
        for _ in left:
            start()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main() -> None:
    import resource  # noqa: F401 - the forked child is not to be charged for the import

    names = [name for name in sys.argv[3:] if name != "--probe"]
    held, threads = ballast(int(sys.argv[1])), int(sys.argv[2])
    ways = {name: WAYS[name]() for name in names}
    if len(names) < len(sys.argv) - 3:
        for start in ways.values():
            start()
        return
    for line in sys.stdin:
        name, count = line.split()
        start = ways[name]
        begun = time.perf_counter_ns()
        repeat(start, int(count), threads)
        print(time.perf_counter_ns() - begun, flush=True)
    del held


if __name__ == "__main__":
    main()
