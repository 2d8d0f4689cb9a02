"""Many jobs at once: every verdict is right, and nothing is left behind.

MIMIR_JOBS is their number.
"""

from __future__ import annotations

import os
import time

import libmimir
import pytest
from support import linux_only, python, unix_only

pytestmark = unix_only

JOBS = int(os.environ.get("MIMIR_JOBS", "200"))

MANY = """
import collections, glob, os, subprocess, sys, threading
import libmimir

jobs = int(sys.argv[1])
mark = f"libmimir-many-{os.getpid()}"
# Each has a descendant in a session of its own that holds the output, and that would outlive it.
tree = f"setsid sh -c 'sleep 1000; : {mark}' & exec \\"$@\\""
grow = "b = []\\nwhile True: b.append(b'x' * (1 << 20))"
kinds = [
    ("memory", [sys.executable, "-I", "-S", "-c", grow], {"memory": "100M", "cpu": 100, "wall": 500}),
    ("cputime", ["sh", "-c", "while :; do :; done"], {"cpu": 0.2, "memory": "1G", "wall": 500}),
    ("walltime", ["sleep", "1000"], {"wall": 0.3, "memory": "1G", "cpu": 100}),
    ("output", ["yes"], {"output": "64K", "memory": "1G", "cpu": 100, "wall": 500}),
    (None, ["sh", "-c", "echo $((6 * 7)); exit 3"], {"memory": "1G", "cpu": 100, "wall": 500, "output": "1M"}),
]
wrong = []
left = collections.deque(range(jobs))

def work():
    while True:
        try:
            kind = left.popleft() % len(kinds)
        except IndexError:
            return
        reason, command, limits = kinds[kind]
        try:
            result = libmimir.run(["sh", "-c", tree, "sh", *command], capture_output=True, **limits)
            good = reason or (result.exit_code, result.stdout) == (3, b"42\\n")
            if result.termination_reason != reason or not good:
                wrong.append((reason, result))
        except Exception as error:
            wrong.append((reason, repr(error)))

def all_at_once(count):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

def our_groups():
    # All but the number of the job: so the names of the control groups of this process begin.
    with libmimir.Popen(["sleep", "1000"], memory="1G") as process:
        with open(f"/proc/{process.pid}/cgroup") as file:
            found = {line.rstrip().rpartition("/")[2] for line in file if "/libmimir-" in line}
        names = {name[:-7] for name in found}
        assert bool(names) == (process._launch.enforcement(process._job)["memory"] == "kernel"), names
        assert all(groups(name) for name in names), names
        return names

def groups(name):
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path).startswith(name)]

def others():
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(path + "/cmdline") as file:
                command = file.read()
        except OSError:
            continue
        if mark in command:
            found.append(("survivor", path, command))
        elif fields[0] == "Z" and int(fields[1]) == os.getpid():
            found.append(("zombie", path))
    return found

rest, left = left, collections.deque(range(10))
all_at_once(5)  # what the library keeps for good is there
left = rest
names = our_groups()
before = sorted(os.listdir("/proc/self/fd"))
all_at_once(50)
assert not wrong, (len(wrong), wrong[:5])
assert others() == []
assert [path for name in names for path in groups(name)] == []
assert sorted(os.listdir("/proc/self/fd")) == before
"""


@linux_only
@pytest.mark.parametrize("groups", ["with", "without"])
def test_every_one_of_many_verdicts_is_right_and_nothing_is_left(groups: str) -> None:
    environment = {**os.environ, "LIBMIMIR_CGROUPS": "off"} if groups == "without" else dict(os.environ)
    python(MANY, str(JOBS), env=environment, patience=60 + 2 * JOBS, own_peak=True)


def test_a_timeout_of_a_second_returns_in_a_second_although_a_grandchild_holds_the_pipe() -> None:
    script = "(setsid sh -c 'trap \"\" TERM; sleep 6; sleep 6') & sleep 100"
    began = time.monotonic()
    result = libmimir.run(["sh", "-c", script], wall=1, capture_output=True)
    took = time.monotonic() - began
    assert result.termination_reason == "walltime"
    assert 1 <= took < 4  # 1.2 on a quiet machine; 6 is what waiting for the pipe takes


ESCAPES = {
    "a session of its own": "setsid sleep 1000 & sleep 1000",
    "a double fork": "(setsid sh -c '(sleep 1000 &) ; exit' &) ; sleep 1000",
    "a fork bomb": "for i in $(seq 200); do (setsid sleep 1000 &) ; done; sleep 1000",
    "ignored signals": "(trap '' TERM HUP INT; setsid sleep 1000) & trap '' TERM HUP INT; sleep 1000",
    "a stopped child": "setsid sh -c 'kill -STOP $$; sleep 1000' & sleep 1000",
    "an orphan": "sh -c 'setsid sleep 1000 & exit 0'; sleep 1000",
    "an orphan of a command that ends": "sh -c 'setsid sleep 1000 & exit 0'; exit 0",
}


@linux_only
@pytest.mark.parametrize("groups", ["with", "without"])
@pytest.mark.parametrize("way", ESCAPES)
def test_no_descendant_outlives_its_job(way: str, groups: str) -> None:
    environment = {**os.environ, "LIBMIMIR_CGROUPS": "off"} if groups == "without" else dict(os.environ)
    environment["MIMIR_MARK"] = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    python(
        """
        import glob, libmimir, os, sys
        mark = ("MIMIR_MARK=" + os.environ["MIMIR_MARK"]).encode()
        for limits in ({"wall": 0.3}, {"wall": 0.3, "memory": "500M", "processes": 1000}):
            result = libmimir.run(["sh", "-c", sys.argv[1]], **limits)
            assert result.termination_reason == ("walltime" if "exit 0'; exit" not in sys.argv[1] else None), result
            left = []
            for path in glob.glob("/proc/[0-9]*/environ"):
                try:
                    with open(path, "rb") as file:
                        if mark in file.read() and path != f"/proc/{os.getpid()}/environ":
                            left.append(path)
                except OSError:
                    pass
            assert not left, left
        """,
        ESCAPES[way],
        env=environment,
    )
