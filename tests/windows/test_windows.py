"""The package in CPython for Windows: under Wine by ``make test-windows``, and on Windows by continuous integration."""

from __future__ import annotations

import subprocess
import sys
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
