"""The system as a whole, and the limits around a process that others have set."""

from __future__ import annotations

import json
import os
import time

import libmimir
import pytest
from libmimir import ContainerInfo, SystemUsage, container_info, system_usage
from support import libmimir as command
from support import linux_only, python


def test_the_system_agrees_with_psutil() -> None:
    psutil = pytest.importorskip("psutil")
    usage = system_usage()
    assert usage.total_memory_bytes == psutil.virtual_memory().total
    assert usage.available_memory_bytes == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    assert usage.swap_total_bytes == psutil.swap_memory().total
    assert usage.processes == pytest.approx(len(psutil.pids()), abs=20)
    times = psutil.cpu_times()
    assert usage.user_time_seconds == pytest.approx(times.user + times.nice, rel=0.05, abs=2)
    assert usage.idle_time_seconds == pytest.approx(times.idle + times.iowait, rel=0.05, abs=2)


@linux_only
def test_every_reading_is_there_on_linux() -> None:
    assert None not in vars(system_usage()).values()


def test_two_readings_tell_how_busy_the_processors_were() -> None:
    before = system_usage()
    assert before.cpu_percent_since(before) is None
    end = time.monotonic() + 1
    while time.monotonic() < end:
        sum(range(10_000))
    busy = system_usage().cpu_percent_since(before)
    assert busy is not None
    assert 50 / (os.cpu_count() or 1) < busy <= 100
    unknown = SystemUsage(*[None] * 13)
    assert system_usage().cpu_percent_since(unknown) is None


@linux_only
def test_a_command_sees_the_limits_that_it_was_given_as_those_of_a_container() -> None:
    if libmimir.supports("cpu_rate") is None:
        pytest.skip("needs a control group that can be written: root with version 1, or a delegated one of version 2")
    code = "import dataclasses, json, libmimir; print(json.dumps(dataclasses.asdict(libmimir.container_info())))"
    import sys

    result = libmimir.run(
        [sys.executable, "-c", code], memory="200M", processes=60, cpu_rate=0.75, capture_output=True, text=True
    )
    found = ContainerInfo(**json.loads(result.stdout))
    assert found.kind == "control-group"
    assert found.memory_limit_bytes == 200 << 20
    assert found.process_limit == 60
    assert found.cpu_limit == 0.75
    assert found.memory_usage_bytes is not None
    assert 1 << 20 < found.memory_usage_bytes < 200 << 20


@linux_only
def test_the_own_container_has_limits_or_there_is_none() -> None:
    found = container_info()
    limits = (found.memory_limit_bytes, found.cpu_limit, found.process_limit)
    assert found.kind == (None if limits == (None, None, None) else "control-group")


def test_the_command_tells_of_the_system_and_the_container() -> None:
    done = command("info", "--json")
    answer = json.loads(done.stdout)
    assert answer["usage"]["total_memory_bytes"] == answer["total_memory_bytes"]
    assert answer["container"]["kind"] == container_info().kind
    text = command("info").stdout
    assert "processes" in text
    assert "container" in text


def test_a_forked_child_has_it_too() -> None:
    out = python("""
        import os, libmimir
        libmimir.system_usage()
        pid = os.fork()
        if pid == 0:
            assert libmimir.system_usage().processes > 0
            libmimir.container_info()
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """).stdout
    assert out.strip() == "7"
