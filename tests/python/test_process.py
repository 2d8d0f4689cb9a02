"""Processes are measured and limited by their id, and groups and signals are what they are in os and signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import libmimir
import pytest
from support import TREE, command_of, linux_only, python, root_only, unix_only

GONE = (1 << 22) + 12345  # above the largest process id that Linux gives


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command_of("print(flush=True); import time; time.sleep(100)"), stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def test_the_own_usage_is_complete() -> None:
    used = libmimir.usage()
    assert used.pid == os.getpid()
    assert used.resident_bytes is not None
    assert used.peak_resident_bytes is not None
    assert used.virtual_bytes is not None
    assert 0 < used.resident_bytes <= used.peak_resident_bytes
    assert used.virtual_bytes > used.resident_bytes
    assert used.cpu_time_seconds == pytest.approx(time.process_time(), abs=0.5)
    assert used.threads is not None
    assert used.threads >= 1
    assert used.descriptors is not None
    assert used.descriptors >= 3


def test_only_the_readings_asked_for_are_made() -> None:
    used = libmimir.usage(0, "cpu")
    assert used.cpu_time_seconds is not None
    assert (used.resident_bytes, used.threads, used.descriptors) == (None, None, None)
    used = libmimir.usage(0, "threads", "descriptors")
    assert (used.resident_bytes, used.cpu_time_seconds) == (None, None)
    assert used.threads is not None
    assert used.descriptors is not None


@linux_only
def test_the_usage_of_another_process_is_what_proc_tells(sleeper: subprocess.Popen[bytes]) -> None:
    used = libmimir.usage(sleeper.pid)
    with open(f"/proc/{sleeper.pid}/status") as file:
        status = dict(line.split(":", 1) for line in file)
    assert used.pid == sleeper.pid
    # The kernel adds up late what each CPU has counted: its peak can be less than what is resident, which then counts.
    assert used.peak_resident_bytes == pytest.approx(int(status["VmHWM"].split()[0]) * 1024, abs=1 << 20)
    assert used.resident_bytes is not None
    assert used.peak_resident_bytes is not None
    assert used.peak_resident_bytes >= used.resident_bytes
    assert used.virtual_bytes == int(status["VmSize"].split()[0]) * 1024
    assert used.resident_bytes == pytest.approx(int(status["VmRSS"].split()[0]) * 1024, abs=1 << 20)
    assert used.threads == int(status["Threads"])
    assert used.descriptors == len(os.listdir(f"/proc/{sleeper.pid}/fd"))


def test_the_usage_agrees_with_psutil(sleeper: subprocess.Popen[bytes]) -> None:
    psutil = pytest.importorskip("psutil", reason="psutil is not installed")
    for pid in (0, sleeper.pid):
        theirs = psutil.Process(pid or None)
        used = libmimir.usage(pid)
        assert used.resident_bytes == pytest.approx(theirs.memory_info().rss, abs=4 << 20)
        assert used.cpu_time_seconds == pytest.approx(sum(theirs.cpu_times()[:2]), abs=0.2)
        assert used.threads == theirs.num_threads()


@pytest.mark.parametrize(
    "ask",
    [libmimir.usage, libmimir.limits, lambda pid: libmimir.get_limit("cpu", pid)],
    ids=["usage", "limits", "limit"],
)
def test_a_process_that_is_gone_is_no_such_process(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(ProcessLookupError) as caught:
        ask(GONE)
    assert isinstance(caught.value, libmimir.NoSuchProcessError)
    assert str(GONE) in str(caught.value)


@unix_only
def test_a_process_that_has_just_ended_is_no_such_process() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(ProcessLookupError):
        libmimir.usage(child.pid)


@pytest.mark.parametrize("pid", [-1, 1 << 40, 1 << 70])
def test_what_is_no_process_id_is_refused(pid: int) -> None:
    with pytest.raises(ValueError):
        libmimir.usage(pid)
    with pytest.raises(ValueError):
        libmimir.get_limit("cpu", pid)


def test_an_unknown_reading_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="'weight' is not a reading; there are memory, cpu, threads, descriptors"):
        libmimir.usage(0, "weight")


RLIMITS = {
    "memory": "RLIMIT_DATA",
    "cpu": "RLIMIT_CPU",
    "processes": "RLIMIT_NPROC",
    "open_files": "RLIMIT_NOFILE",
    "file_size": "RLIMIT_FSIZE",
    "address_space": "RLIMIT_AS",
}


@linux_only
@pytest.mark.parametrize(("limit", "name"), RLIMITS.items())
def test_a_limit_is_read_as_the_kernel_has_it(limit: str, name: str) -> None:
    import resource

    def value(number: int) -> int | None:
        return None if number == resource.RLIM_INFINITY else number

    soft, hard = resource.getrlimit(getattr(resource, name))
    found = libmimir.get_limit(limit)
    assert (found.soft, found.hard) == (value(soft), value(hard))
    assert found.enforcement in ("kernel", "kernel-per-user", "advisory")


@linux_only
@pytest.mark.parametrize(("limit", "name"), RLIMITS.items())
def test_a_limit_of_another_process_is_set_and_read_back(
    limit: str, name: str, sleeper: subprocess.Popen[bytes]
) -> None:
    import resource

    kept = libmimir.set_limit(limit, 5000, 6000, pid=sleeper.pid)
    found = libmimir.get_limit(limit, sleeper.pid)
    assert (found.soft, found.hard, found.enforcement) == (5000, 6000, kept)
    assert resource.prlimit(sleeper.pid, getattr(resource, name)) == (5000, 6000)
    assert libmimir.get_limit(limit) != found


@linux_only
def test_the_hard_limit_is_the_soft_one_unless_it_is_given(sleeper: subprocess.Popen[bytes]) -> None:
    libmimir.set_limit("file_size", "10M", pid=sleeper.pid)
    assert libmimir.get_limit("file_size", sleeper.pid).hard == 10 << 20


@linux_only
def test_what_a_limit_was_can_be_put_back(sleeper: subprocess.Popen[bytes]) -> None:
    for limit, value in libmimir.limits(sleeper.pid).items():
        libmimir.set_limit(limit, value.soft, value.hard, pid=sleeper.pid)
        assert libmimir.get_limit(limit, sleeper.pid) == value


@linux_only
def test_the_limits_are_those_that_a_process_can_have() -> None:
    assert set(libmimir.limits()) == set(RLIMITS)


def test_an_unknown_limit_is_refused_with_those_that_there_are() -> None:
    for ask in (libmimir.get_limit, libmimir.supports):
        with pytest.raises(ValueError, match="'weight' is not a limit; there are memory, cpu, wall"):
            ask("weight")


@pytest.mark.parametrize("limit", ["wall", "output"])
def test_a_limit_of_jobs_is_not_supported_for_a_process(limit: str) -> None:
    with pytest.raises(NotImplementedError):
        libmimir.get_limit(limit)
    with pytest.raises(NotImplementedError):
        libmimir.set_limit(limit, 1)


@unix_only
def test_a_soft_limit_above_the_hard_one_changes_nothing() -> None:
    before = libmimir.get_limit("file_size")
    with pytest.raises(ValueError):
        libmimir.set_limit("file_size", "2M", "1M")
    assert libmimir.get_limit("file_size") == before


@root_only
@linux_only
def test_a_limit_above_the_hard_limit_is_a_limit_error_that_says_what_is_allowed() -> None:
    python("""
        import libmimir, os
        libmimir.set_limit("file_size", "1M")
        os.setuid(65534)
        try:
            libmimir.set_limit("file_size", "2M")
        except libmimir.LimitError as error:
            assert "file size" in str(error) and "2097152" in str(error) and "1048576" in str(error), str(error)
        else:
            raise AssertionError("it was raised")
        assert libmimir.get_limit("file_size").soft == 1 << 20
    """)


@root_only
@linux_only
def test_another_users_process_is_a_permission_error() -> None:
    python("""
        import libmimir.process, os
        parent = os.getppid()
        os.setuid(65534)
        try:
            libmimir.set_limit("cpu", 1000, pid=parent)
        except PermissionError as error:
            assert isinstance(error, libmimir.PermissionDeniedError)
        else:
            raise AssertionError("it was set")
    """)


@linux_only
def test_the_support_table_is_that_of_the_platform() -> None:
    assert libmimir.supports("memory", "self") == "kernel"
    assert libmimir.supports("memory") == TREE
    assert libmimir.supports("wall", "self") is None
    assert libmimir.supports("wall") == "watchdog"
    assert libmimir.supports("processes", "process") == "kernel-per-user"
    with pytest.raises(ValueError, match="'planet' is not a scope"):
        libmimir.supports("memory", "planet")


@unix_only
def test_a_process_becomes_the_leader_of_a_group() -> None:
    python("""
        import libmimir, os
        assert os.getpgrp() != os.getpid()
        assert libmimir.create_process_group() == os.getpid() == os.getpgrp()
        assert libmimir.create_process_group() == os.getpid()
        libmimir.setpgrp()
    """)


@unix_only
def test_a_group_is_signalled_as_a_whole() -> None:
    child = subprocess.Popen(
        ["sh", "-c", "sleep 100 & echo; wait"], stdout=subprocess.PIPE, preexec_fn=libmimir.setpgrp
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        libmimir.killpg(child.pid, 0)
        libmimir.killpg(child.pid, signal.SIGTERM)
        # The end of the output is there when the last member that holds it has ended.
        assert child.stdout.read() == b""
        assert child.wait(30) == -signal.SIGTERM


@unix_only
def test_a_group_without_members_is_no_such_process() -> None:
    child = subprocess.Popen(["true"], preexec_fn=libmimir.setpgrp)
    child.wait()
    with pytest.raises(ProcessLookupError):
        libmimir.killpg(child.pid, 0)


@unix_only
@pytest.mark.parametrize(("group", "number"), [(0, 15), (-1, 15), (1 << 40, 15), (1 << 70, 15), (os.getpid(), 999)])
def test_what_is_no_group_or_no_signal_is_refused(group: int, number: int) -> None:
    with pytest.raises(ValueError):
        libmimir.killpg(group, number)


# 32 and 33, which the C library keeps: what it starts by posix_spawn, as make does, has them ignored.
LIBC_SIGNALS = 3 << 31


@linux_only
def test_signals_are_reset_and_unblocked_in_a_preexec_fn() -> None:
    def child() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
        libmimir.reset_signals()

    done = subprocess.run(
        ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"],
        preexec_fn=child,
        capture_output=True,
        text=True,
        check=True,
        restore_signals=False,
    )
    assert {int(line.split(":")[1], 16) & ~LIBC_SIGNALS for line in done.stdout.splitlines()} == {0}


@linux_only
def test_one_signal_is_reset_alone() -> None:
    def child() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        libmimir.reset_signals(signal.SIGTERM)

    done = subprocess.run(
        ["grep", "SigIgn", "/proc/self/status"], preexec_fn=child, capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split(":")[1], 16) & ~LIBC_SIGNALS == 1 << (signal.SIGUSR1 - 1)


@unix_only
@pytest.mark.parametrize("number", [0, -1, 999, signal.SIGKILL if sys.platform != "win32" else 9])
def test_what_cannot_be_reset_is_refused(number: int) -> None:
    with pytest.raises(ValueError):
        libmimir.reset_signals(number)
