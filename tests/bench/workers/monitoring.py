"""The CPU time of a process that samples what it uses 20 times a second, in one way (the argument), and sleeps else.

Reads lines ``NAME COUNT`` and answers each with the nanoseconds of CPU time that sampling for COUNT milliseconds took.
"""

from __future__ import annotations

import sys
import threading
import time

WAY = sys.argv[1]
INTERVAL = 1 / 20

if WAY == "libmimir":
    import libmimir

    monitor = libmimir.Monitor(interval=INTERVAL, history=100)
else:
    from collections import deque

    import psutil

    samples: deque[tuple[float, ...]] = deque(maxlen=100)

    def sample() -> None:
        process = psutil.Process()
        while True:
            with process.oneshot():
                memory = process.memory_info()
                times = process.cpu_times()
                samples.append((memory.rss, memory.vms, process.memory_percent(), process.cpu_percent(), times.user))
                samples[-1] += (process.num_threads(), process.num_fds())
            time.sleep(INTERVAL)

    threading.Thread(target=sample, daemon=True).start()

time.sleep(0.2)
for line in sys.stdin:
    count = int(line.split()[1])
    before = time.process_time_ns()
    time.sleep(count / 1e3)
    print(time.process_time_ns() - before, flush=True)
