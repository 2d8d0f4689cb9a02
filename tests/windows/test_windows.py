"""The package in CPython for Windows: under Wine by ``make test-windows``, and on Windows by continuous integration."""

from __future__ import annotations

import _thread
import asyncio
import json
import os
import subprocess
import sys
import threading
import time

import pytest

if sys.platform != "win32":
    pytest.skip("runs on Windows", allow_module_level=True)

import libmimir
import libmimir.resource as resource

HERE = [sys.executable, "-c"]


def test_the_adapter_is_that_of_windows() -> None:
    adapter = libmimir.get_platform_adapter()
    assert isinstance(adapter, libmimir.WindowsPlatformAdapter)
    info = libmimir.get_system_info()
    assert info.is_windows
    assert info.platform == "Windows"


def test_usage_is_read() -> None:
    usage = libmimir.get_platform_adapter().get_resource_usage(memory_limit=1 << 40)
    assert usage.memory_bytes > 1 << 20
    assert 0 < usage.memory_percent < 1


def test_a_command_gives_its_output_and_code() -> None:
    result = libmimir.run(
        [*HERE, "import sys; print(sys.stdin.read()); sys.exit(3)"], input=b"h\xc3\xa9", capture_output=True
    )
    assert result.returncode == 3
    assert result.stdout == b"h\xc3\xa9\r\n"
    assert result.termination_reason is None


def test_arguments_arrive_as_they_were_given() -> None:
    arguments = ["", "a b", 'c"d', "e\\", 'f\\\\"g', "\u00e9\U0001f600", "%PATH%", "^&|<>", "*"]
    code = "import sys; sys.stdout.buffer.write(ascii(sys.argv[1:]).encode())"
    result = libmimir.run([*HERE, code, *arguments], capture_output=True)
    assert result.stdout is not None
    assert result.stdout.decode() == ascii(arguments)


def test_a_command_that_sleeps_is_ended_for_its_wall_time() -> None:
    result = libmimir.run([*HERE, "import time; time.sleep(100)"], wall=0.5)
    assert result.termination_reason == "walltime"


def test_limits_that_windows_lacks_are_refused() -> None:
    for name in ("open_files", "file_size", "address_space"):
        assert libmimir.supports(name) is None
        with pytest.raises(libmimir.NotSupportedError):
            libmimir.run([*HERE, ""], **{name: 100})


def test_the_whole_tree_is_gone_when_the_result_is_there() -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)']).pid)"
    result = libmimir.run([*HERE, code], capture_output=True)
    assert result.stdout is not None
    pid = int(result.stdout)
    with pytest.raises(libmimir.NoSuchProcessError):
        libmimir.usage(pid)


def test_a_group_that_is_killed_ends_with_what_it_has_started() -> None:
    code = """
import libmimir, subprocess, sys, time
libmimir.setpgrp()
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]).pid, flush=True)
time.sleep(100)
"""
    leader = subprocess.Popen([*HERE, code], stdout=subprocess.PIPE)
    assert leader.stdout is not None
    child = int(leader.stdout.readline())
    libmimir.killpg(leader.pid, 9)
    assert leader.wait(30) == 137
    leader.stdout.close()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            libmimir.usage(child)
        except libmimir.NoSuchProcessError:
            return
        time.sleep(0.01)
    pytest.fail("the child lives")


def test_signals_and_groups_answer() -> None:
    with pytest.raises(libmimir.NotSupportedError):
        libmimir.reset_signals()
    code = "import libmimir, os; assert libmimir.create_process_group() == os.getpid(); libmimir.killpg(os.getpid(), 0)"
    assert subprocess.run([*HERE, code]).returncode == 0


def test_own_limits_are_set_and_read() -> None:
    code = """
import libmimir
libmimir.set_limit("memory", 1 << 40)
limit = libmimir.get_limit("memory")
assert (limit.soft, limit.enforcement) == (1 << 40, "kernel"), limit
try:
    libmimir.set_limit("memory", 1 << 50)
except libmimir.LimitError:
    pass
else:
    raise AssertionError
"""
    assert subprocess.run([*HERE, code]).returncode == 0


def test_the_resource_module_is_there() -> None:
    assert resource.getpagesize() == 4096
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    assert soft == hard == resource.RLIM_INFINITY
    usage = resource.getrusage(resource.RUSAGE_SELF)
    assert usage.ru_maxrss > 1024
    assert usage[0] == usage.ru_utime
    resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_many_commands_end() -> None:
    for number in range(30):
        assert libmimir.run(["cmd", "/c", f"exit {number}"]).returncode == number


def test_a_process_does_not_tell_its_group() -> None:
    with pytest.raises(libmimir.NotSupportedError):
        libmimir.getpgid(0)


def alive(pid: int) -> bool:
    try:
        libmimir.usage(pid, "cpu")
    except ProcessLookupError:
        return False
    return True


def test_a_command_is_streamed_watched_and_ended() -> None:
    code = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    with libmimir.Popen([*HERE, code], stdin=libmimir.PIPE, stdout=libmimir.PIPE, text=True, wall=60) as command:
        assert command.poll() is None
        assert command.stdin is not None
        assert command.stdout is not None
        for word in ("one", "two"):
            command.stdin.write(word + "\n")
            command.stdin.flush()
            assert command.stdout.readline() == word.upper() + "\n"
        resident = command.usage().resident_bytes
        assert resident is not None
        assert resident > 1 << 20
        command.kill()
        assert command.wait(30) != 0
    assert command.result is not None
    assert command.result.termination_reason == "killed"
    assert not alive(command.pid)


def test_communicate_gives_both_streams() -> None:
    code = "import sys; data = sys.stdin.read(); print(len(data)); print('err', file=sys.stderr)"
    pipes = {"stdin": libmimir.PIPE, "stdout": libmimir.PIPE, "stderr": libmimir.PIPE}
    with libmimir.Popen([*HERE, code], text=True, **pipes) as command:
        out, err = command.communicate("x" * 300_000, timeout=60)
    assert (out, err) == ("300000\n", "err\n")
    assert command.returncode == 0


def test_output_beyond_its_limit_ends_the_command() -> None:
    endless = "import sys\nwhile True: sys.stdout.write('x' * 1000)"
    result = libmimir.run([*HERE, endless], output="100K", capture_output=True, wall=60)
    assert result.termination_reason == "output"
    assert result.stdout is not None
    assert 100 << 10 <= len(result.stdout) <= 200 << 10


def test_commands_of_asyncio_run_side_by_side() -> None:
    async def several() -> list[int | None]:
        code = "import sys, time; time.sleep(0.2); sys.exit(int(sys.argv[1]))"
        results = await asyncio.gather(*(libmimir.run_async([*HERE, code, str(n)]) for n in range(4)))
        return [result.exit_code for result in results]

    assert asyncio.run(several()) == [0, 1, 2, 3]


def test_an_interrupt_ends_the_wait_and_the_command() -> None:
    started = time.monotonic()
    threading.Timer(1, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        libmimir.run([*HERE, "import time; time.sleep(100)"])
    assert time.monotonic() - started < 30


def test_a_command_has_the_priority_that_it_was_given() -> None:
    code = "import libmimir; print(libmimir.get_priority())"
    for priority, read in (("low", 19), (12, 10), ("normal", 0), (None, libmimir.get_priority())):
        result = libmimir.run([*HERE, code], priority=priority, capture_output=True, text=True)
        assert result.stdout == f"{read}\n"
    before = libmimir.get_priority()
    libmimir.set_priority("below-normal")
    assert libmimir.Process().priority() == libmimir.PRIORITIES["below-normal"]
    libmimir.set_priority(before)
    with pytest.raises(ValueError, match="is not a priority"):
        libmimir.set_priority("urgent")


def test_the_desktop_is_kept_from_a_command_where_that_is_asked_for() -> None:
    assert libmimir.run([*HERE, ""]).enforcement == {}
    assert libmimir.run([*HERE, ""], no_desktop=True).enforcement == {"no_desktop": "kernel"}
    with pytest.raises(libmimir.NotSupportedError):
        libmimir.run([*HERE, ""], no_network=True)


def test_the_system_is_measured() -> None:
    first = libmimir.system_usage()
    assert first.total_memory_bytes is not None
    assert first.available_memory_bytes is not None
    assert 0 < first.available_memory_bytes < first.total_memory_bytes
    assert first.processes is not None
    assert first.threads is not None
    assert first.threads >= first.processes > 0
    time.sleep(0.5)
    busy = libmimir.system_usage().cpu_percent_since(first)
    assert busy is not None
    assert 0 <= busy <= 100
    assert libmimir.container_info().kind in (None, "job-object")


def test_a_sandbox_runs_its_program_in_a_directory_that_is_gone_afterwards() -> None:
    box = libmimir.Sandbox(allowed_executables=[sys.executable], wall=60)
    code = "import os; open('left', 'w').close(); print(os.getcwd())"
    done = asyncio.run(box.run_sandboxed_command([sys.executable, "-c", code]))
    assert done["success"], done
    assert not os.path.exists(done["stdout"].strip())
    with pytest.raises(PermissionError):
        asyncio.run(box.run_sandboxed_command(["cmd.exe", "/c", "exit 0"]))


def test_the_command_runs_and_reports() -> None:
    line = [sys.executable, "-m", "libmimir"]
    done = subprocess.run(
        [
            *line,
            "run",
            "--json",
            "--wall",
            "60s",
            "--priority",
            "low",
            "--",
            *HERE,
            "import sys; print('out'); sys.exit(7)",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout == "out\n"
    report = json.loads(done.stderr)
    assert report["exit_code"] == 7
    assert report["limits"] == {"wall": {"value": 60.0, "enforcement": "watchdog"}}
    info = json.loads(subprocess.run([*line, "info", "--json"], capture_output=True, text=True, check=True).stdout)
    assert info["platform"] == "Windows"
    assert info["usage"]["processes"] > 0
