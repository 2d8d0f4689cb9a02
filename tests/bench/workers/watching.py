"""The CPU time of watching the memory of a tree of sleeping processes (the second argument) in one way (the first).

Reads lines ``NAME COUNT`` and answers each with the nanoseconds of CPU time that watching for COUNT milliseconds took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

WAY, PROCESSES = sys.argv[1], int(sys.argv[2])
LOOKS_PER_SECOND = 20
COMMAND = ["sh", "-c", f"for i in $(seq {PROCESSES - 1}); do sleep 1000 & done; wait"]
MEMORY = 4 << 30


def with_libmimir(stop: float) -> None:
    time.sleep(stop - time.monotonic())  # it watches by itself


def with_psutil(stop: float) -> None:
    import psutil

    while time.monotonic() < stop:
        leader = psutil.Process(process.pid)
        if sum(each.memory_info().rss for each in [leader, *leader.children(recursive=True)]) > MEMORY:
            process.kill()
        time.sleep(1 / LOOKS_PER_SECOND)


if WAY == "libmimir":
    import libmimir

    process = libmimir.Popen(COMMAND, memory=MEMORY, wall=1000)
else:
    process = subprocess.Popen(COMMAND, start_new_session=True)
time.sleep(1)  # until all of them are there, and looked at as seldom as they are to be
try:
    for line in sys.stdin:
        count = int(line.split()[1])
        before = time.process_time_ns()
        {"libmimir": with_libmimir, "psutil": with_psutil}[WAY](time.monotonic() + count / 1e3)
        print(time.process_time_ns() - before, flush=True)
finally:
    if WAY == "libmimir":
        process.kill()
    else:
        os.killpg(process.pid, 9)
    process.wait()
