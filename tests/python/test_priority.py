"""Priorities: of this process, of others and of commands, in force before a command's first instruction."""

from __future__ import annotations

import asyncio
import os
import subprocess

import libmimir
import pytest
from libmimir import PRIORITIES, Process, get_priority, set_priority
from support import libmimir as command
from support import python, root_only, unix_only

pytestmark = unix_only


def test_the_own_priority_is_read_and_set_and_inherited() -> None:
    out = python("""
        import os, threading, time, libmimir
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        assert libmimir.get_priority() == os.getpriority(os.PRIO_PROCESS, 0)
        libmimir.set_priority(12)
        assert libmimir.get_priority() == os.getpriority(os.PRIO_PROCESS, 0) == 12
        assert {os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir("/proc/self/task")} == {12}
        assert libmimir.Process().priority() == 12
        libmimir.Process().set_priority("low")
        print(libmimir.run(["nice"], capture_output=True, text=True).stdout.strip())
    """).stdout
    assert out.strip() == "19"


def test_another_process_is_set_and_its_end_is_told() -> None:
    with subprocess.Popen(["sleep", "100"]) as sleeper:
        process = Process(sleeper.pid)
        process.set_priority("below-normal")
        assert process.priority() == os.getpriority(os.PRIO_PROCESS, sleeper.pid) == PRIORITIES["below-normal"] == 10
        sleeper.kill()
    for act in (process.priority, lambda: process.set_priority(19), lambda: get_priority(sleeper.pid)):
        with pytest.raises(ProcessLookupError):
            act()


@pytest.mark.parametrize("value", [20, -21, 1.5, True, "urgent", "", "--3", b"low", 1 << 40])
def test_what_is_no_priority_is_a_clear_error(value: object) -> None:
    before = get_priority()
    with pytest.raises(
        ValueError, match="priority: .* is not a priority; give a nice value from -20 to 19, or one of low"
    ):
        set_priority(value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="priority"):
        libmimir.run(["true"], priority=value)  # type: ignore[call-overload]
    assert get_priority() == before


def test_a_process_id_that_is_none_is_an_error() -> None:
    for pid in (-1, 1 << 31, 1 << 40):
        with pytest.raises(ValueError):
            get_priority(pid)
        with pytest.raises(ValueError):
            set_priority(0, pid)


@pytest.mark.parametrize(("priority", "nice"), [("low", 19), (7, 7), ("7", 7), ("below-normal", 10)])
def test_a_command_starts_with_its_priority(priority: int | str, nice: int) -> None:
    result = libmimir.run(["sh", "-c", "nice; sh -c nice"], priority=priority, capture_output=True, text=True)
    assert result.stdout.split() == [str(nice)] * 2
    with libmimir.Popen(["nice"], priority=priority, stdout=libmimir.PIPE, text=True) as process:
        assert process.communicate()[0].strip() == str(nice)
    done = asyncio.run(libmimir.run_async(["nice"], priority=priority, capture_output=True, text=True))
    assert done.stdout.strip() == str(nice)
    assert command("run", "-q", "--priority", str(priority), "--", "nice").stdout.strip() == str(nice)


def test_the_command_tells_a_priority_and_what_is_none() -> None:
    done = command("run", "--priority", "urgent", "--", "true")
    assert done.returncode == 2
    assert "--priority: 'urgent' is not a priority" in done.stderr
    assert "priority" in command("usage").stdout


@root_only
def test_what_needs_a_privilege_is_refused_without_it_and_changes_nothing() -> None:
    out = python("""
        import os, libmimir
        from libmimir import jobs
        os.setresuid(65534, 65534, 65534)
        libmimir.set_priority(5)
        for act in (
            lambda: libmimir.set_priority(4),
            lambda: libmimir.set_priority("highest"),
            lambda: libmimir.set_priority("low", 1),
            lambda: libmimir.run(["true"], priority="above-normal"),
        ):
            try:
                act()
            except PermissionError as error:
                print(error.step)
        print(libmimir.get_priority())
    """).stdout
    assert out.split() == ["setpriority"] * 4 + ["5"]


@root_only
def test_root_can_raise_it() -> None:
    result = libmimir.run(["nice"], priority="high", capture_output=True, text=True)
    assert result.stdout.strip() == "-14"


def test_it_can_be_set_between_fork_and_exec() -> None:
    def setup() -> None:
        set_priority("below-normal")

    assert subprocess.run(["nice"], preexec_fn=setup, capture_output=True, text=True).stdout.strip() == "10"
