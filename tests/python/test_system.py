"""The system as a whole, and the limits around a process that others have set."""

from __future__ import annotations

import json
import os
import sys
import time

import libmimir
import pytest
from libmimir import ContainerInfo, SystemUsage, container_info, system_usage
from support import libmimir as command
from support import linux_only, python

has_containers = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no containers")


@pytest.mark.skipif(sys.platform != "darwin", reason="a container can be there, and is told")
def test_macos_says_that_it_has_no_containers() -> None:
    with pytest.raises(NotImplementedError):
        container_info()
    assert "container" in command("info").stdout


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


@has_containers
def test_what_the_limits_leave_is_told() -> None:
    found, now = container_info(), system_usage()
    assert 0 < found.usable_cpus <= (os.cpu_count() or 1)
    assert now.total_memory_bytes is not None
    assert found.available_memory_bytes <= found.usable_memory_bytes <= now.total_memory_bytes
    assert found.available_memory_bytes > 1 << 20


@linux_only
def test_a_command_under_limits_can_have_what_they_leave() -> None:
    if libmimir.supports("cpu_rate") is None:
        pytest.skip("needs a control group that can be written: root with version 1, or a delegated one of version 2")
    code = "import libmimir as m; c = m.container_info()"
    code += "; print(c.usable_cpus, c.usable_memory_bytes, c.available_memory_bytes)"
    result = libmimir.run([sys.executable, "-c", code], memory="200M", cpu_rate=0.75, capture_output=True, text=True)
    cpus, memory, available = result.stdout.split()
    assert (float(cpus), int(memory)) == (0.75, 200 << 20)
    assert 100 << 20 < int(available) < 200 << 20


IN_A_POD = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "POD_NAME": "web-0",
    "POD_NAMESPACE": "shop",
    "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
}


@has_containers
def test_who_has_put_the_process_there_is_told() -> None:
    code = "import dataclasses, json, libmimir; print(json.dumps(dataclasses.asdict(libmimir.container_info())))"
    found = json.loads(python(code, env={**os.environ, **IN_A_POD}).stdout)
    assert (found["orchestrator"], found["pod"], found["namespace"]) == ("kubernetes", "web-0", "shop")
    assert found["service"] == "aws-fargate"
    assert found["cloud"]
    assert "kubernetes web-0 in shop, aws-fargate" in command("info", env={**os.environ, **IN_A_POD}).stdout


@has_containers
def test_without_signs_nothing_is_found() -> None:
    names = [
        name
        for name in os.environ
        if name.startswith(("KUBERNETES_", "NOMAD_", "ECS_", "AWS_EXECUTION", "AWS_LAMBDA", "K_REV"))
    ]
    if names or os.path.exists("/var/run/secrets/kubernetes.io"):
        pytest.skip(f"this runs in an orchestrator: {names}")
    assert (container_info().orchestrator, container_info().pod, container_info().service) == (None, None, None)


@has_containers
def test_the_command_tells_of_the_system_and_the_container() -> None:
    done = command("info", "--json")
    answer = json.loads(done.stdout)
    assert answer["usage"]["total_memory_bytes"] == answer["total_memory_bytes"]
    assert answer["container"]["kind"] == container_info().kind
    text = command("info").stdout
    assert "processes" in text
    assert "container" in text


@linux_only
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
