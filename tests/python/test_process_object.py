"""`libmimir.Process` measures, limits and ends processes that run, with their descendants, and never a stranger."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import libmimir
import pytest
from libmimir import Process
from support import command_of, eventually, is_alive, linux_only, python, root_only, unix_only

pytestmark = unix_only


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "100"]) as process:
        yield process
        process.kill()


@pytest.fixture
def tree() -> Iterator[subprocess.Popen[bytes]]:
    """A shell with a child in a session of its own that ignores SIGTERM, and one with a child."""
    script = "setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & sh -c 'sleep 100 & wait' & echo on; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        eventually(lambda: len(Process(process.pid).children(recursive=True)) >= 4)
        yield process
        if process.poll() is None:
            Process(process.pid).kill_tree()


def test_without_an_id_it_is_the_caller() -> None:
    me = Process()
    assert me.pid == os.getpid()
    assert me.is_running
    assert me.usage().pid == os.getpid()
    assert me == Process(os.getpid())
    assert repr(me) == f"Process({os.getpid()})"
    assert len({me, Process()}) == 1


@pytest.mark.parametrize("pid", [0, -1])
def test_what_is_no_process_id_is_an_error(pid: int) -> None:
    with pytest.raises(ValueError):
        Process(pid)


def test_a_process_that_is_not_there_is_told_at_once(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ProcessLookupError, match=str(sleeper.pid)):
        Process(sleeper.pid)
    assert not process.is_running
    for act in (process.usage, process.limits, process.children, process.kill_tree, process.kill, process.terminate):
        with pytest.raises(ProcessLookupError):
            act()
    with pytest.raises(ProcessLookupError):
        process.limit(open_files=5)


@linux_only
def test_one_that_has_ended_and_is_not_waited_for_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process(sleeper.pid)
    sleeper.kill()
    eventually(lambda: not is_alive(sleeper.pid))
    assert not process.is_running


@linux_only
def test_another_process_with_the_same_id_is_not_taken_for_it() -> None:
    python("""
        import os, time, libmimir
        if os.geteuid() != 0:
            raise SystemExit
        first = os.fork()
        if first == 0:
            time.sleep(100)
        process = libmimir.Process(first)
        os.kill(first, 9)
        os.waitpid(first, 0)
        time.sleep(0.05)
        for _ in range(50):
            try:
                with open("/proc/sys/kernel/ns_last_pid", "w") as file:
                    file.write(str(first - 1))
            except OSError:
                raise SystemExit from None
            second = os.fork()
            if second == 0:
                time.sleep(100)
            if second == first:
                break
            os.kill(second, 9)
            os.waitpid(second, 0)
        else:
            raise SystemExit
        assert not process.is_running
        for act in (process.kill, process.kill_tree, process.usage, lambda: process.limit(open_files=9)):
            try:
                act()
            except ProcessLookupError:
                pass
            else:
                raise AssertionError(act)
        assert os.waitpid(second, os.WNOHANG) == (0, 0)
        assert libmimir.get_limit("open_files", second).soft != 9
        assert process != libmimir.Process(second)
        os.kill(second, 9)
    """)


def test_its_use_is_read() -> None:
    hold = command_of("import time; block = b'x' * (60 << 20); print(flush=True); time.sleep(100)")
    with subprocess.Popen(hold, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = Process(process.pid).usage()
        process.kill()
    assert found.pid == process.pid
    assert found.resident_bytes is not None
    assert found.resident_bytes > 60 << 20


@linux_only
def test_it_is_limited_while_it_runs() -> None:
    code = """
        import sys
        print("on", flush=True)
        sys.stdin.readline()
        try:
            block = bytearray(200 << 20)
        except MemoryError:
            print("refused", flush=True)
        files = []
        try:
            for _ in range(100): files.append(open("/dev/null"))
        except OSError:
            print(len(files) < 20, flush=True)
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(command_of(code), stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ours = Process(process.pid)
        assert ours.limit(memory="100M", open_files=20, cpu=100, file_size="1M", address_space="1G") == dict.fromkeys(
            ["memory", "open_files", "cpu", "file_size", "address_space"], "kernel"
        )
        limits = ours.limits()
        assert (limits["memory"].soft, limits["memory"].hard) == (100 << 20, 100 << 20)
        assert limits["cpu"].soft == 100
        assert process.communicate("\n")[0] == "refused\nTrue\n"


@linux_only
def test_a_limit_that_is_not_understood_changes_none(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process(sleeper.pid)
    before = process.limits()
    with pytest.raises(ValueError, match="file_size"):
        process.limit(open_files=10, file_size="much")
    assert process.limits() == before
    with pytest.raises(TypeError):
        process.limit(wall=3)  # type: ignore[call-arg]


@root_only
def test_another_user_s_process_is_not_ours_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    python(
        """
        import libmimir, os, sys
        libmimir.Process().children()  # all that is imported on use is there
        os.setuid(65534)
        process = libmimir.Process(int(sys.argv[1]))
        assert process.is_running
        for act in (process.kill, process.terminate, process.kill_tree, lambda: process.limit(open_files=3)):
            try:
                act()
            except PermissionError as error:
                assert isinstance(error, libmimir.PermissionDeniedError)
            else:
                raise AssertionError(act)
        """,
        str(sleeper.pid),
    )
    assert sleeper.poll() is None


@linux_only
def test_children_and_descendants_are_listed(tree: subprocess.Popen[bytes]) -> None:
    process = Process(tree.pid)
    children = process.children()
    assert len(children) == 2
    everybody = process.children(recursive=True)
    assert len(everybody) >= 4
    assert set(children) < set(everybody)
    assert process not in everybody


@linux_only
def test_more_children_than_expected_are_all_listed() -> None:
    with subprocess.Popen(["sh", "-c", "for i in $(seq 100); do sleep 100 & done; echo on; wait"], stdout=-1) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        process = Process(shell.pid)
        assert len(process.children()) == 100
        process.kill_tree()
        assert shell.wait() == -signal.SIGKILL


@linux_only
def test_killing_the_tree_leaves_nobody(tree: subprocess.Popen[bytes]) -> None:
    process = Process(tree.pid)
    pids = [tree.pid, *(one.pid for one in process.children(recursive=True))]
    process.kill_tree()
    assert [pid for pid in pids if is_alive(pid)] == []


def test_the_caller_cannot_end_itself_by_its_tree() -> None:
    with pytest.raises(ValueError):
        Process().kill_tree()


def test_it_is_sent_signals(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process(sleeper.pid)
    process.send_signal(0)
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGCONT)
    assert process.is_running
    with pytest.raises(ValueError):
        process.send_signal(1000)
    process.terminate()
    assert sleeper.wait(20) == -signal.SIGTERM


def test_it_is_killed(sleeper: subprocess.Popen[bytes]) -> None:
    Process(sleeper.pid).kill()
    assert sleeper.wait(20) == -signal.SIGKILL


@linux_only
def test_a_forked_child_has_all_of_it() -> None:
    python("""
        import os, subprocess, libmimir
        pid = os.fork()
        if pid == 0:
            try:
                shell = subprocess.Popen(["sh", "-c", "sleep 100 & echo on; wait"], stdout=-1)
                shell.stdout.readline()
                process = libmimir.Process(shell.pid)
                assert len(process.children()) == 1
                process.kill_tree()
                assert shell.wait() == -9
            except BaseException:
                import traceback; traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """)
    assert libmimir.Process is Process
