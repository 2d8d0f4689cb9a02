"""Loading the library changes nothing that its host can see."""

from __future__ import annotations

import functools
import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import support

# What Go's runtime must have (export/load.c says why), and the two that the C library keeps to itself.
GO_NEEDS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE}
C_LIBRARY = {32, 33}


def test_every_exported_function_is_called_here() -> None:
    assert support.without_call() == [], "add a call to tests/fork/calls.h"
    assert (support.HERE / "functions.h").read_text() == support.generate(), "run tests/fork/support.py"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a host with nothing left at its default sees of itself, before and after the load and the calls."""
    where = tmp_path_factory.mktemp("load") / "shown"
    done = support.host("load", "show", where, LC_ALL="C.UTF-8")
    shown = {file.suffix[1:]: file.read_text().splitlines() for file in where.parent.iterdir()}
    shown["threads"] = done.stdout.splitlines()
    shown["stdout"], shown["stderr"] = [done.stdout], [done.stderr]
    return shown


def _differences(before: list[str], after: list[str], *, but: set[int] = frozenset()) -> list[str]:
    ignored = tuple(f"signal {number}:" for number in but)
    left = [line for line in before if not line.startswith(ignored)] if ignored else before
    right = [line for line in after if not line.startswith(ignored)] if ignored else after
    return sorted(f"-{line}" for line in set(left) - set(right)) + sorted(f"+{line}" for line in set(right) - set(left))


def test_a_host_with_its_own_everything_finds_it_all_unchanged_after_loading(seen: dict[str, list[str]]) -> None:
    assert len(seen["0"]) > 100
    assert _differences(seen["0"], seen["1"], but=GO_NEEDS | C_LIBRARY) == []


def test_the_first_call_of_every_function_changes_nothing_but_keeps_a_few_descriptors_out_of_the_way(
    seen: dict[str, list[str]],
) -> None:
    """Of the process's own statm, of the last process id, and of the pipe at which the guardian of its jobs waits."""
    changed = _differences(seen["1"], seen["2"], but=C_LIBRARY)
    assert 0 < len(changed) <= 4
    for line in changed:
        found = re.fullmatch(r"\+descriptor (\d+): (/proc/\d+/statm|/proc/loadavg|pipe:\[\d+\]) 1 .*", line)
        assert found, changed
        assert int(found[1]) >= 192, changed


def test_50_collections_of_garbage_later_the_host_is_still_as_it_was(seen: dict[str, list[str]]) -> None:
    moved = [line for line in _differences(seen["2"], seen["3"]) if "/statm " not in line]  # its offset
    assert moved == []


def test_a_program_started_after_loading_inherits_what_one_started_before_did(seen: dict[str, list[str]]) -> None:
    assert "limit 7: 256 " in "\n".join(seen["child-before"])
    # 33 is the C library's own, which it handles from a process's first thread on.
    after, before = (
        [line for line in seen[when] if not line.startswith("signal 33:")] for when in ("child-after", "child-before")
    )
    assert after == before


def test_the_library_prints_nothing(seen: dict[str, list[str]]) -> None:
    assert seen["stdout"][0].startswith("threads ")
    assert seen["stdout"][0].count("\n") == 1
    assert seen["stderr"] == [""]


def test_no_thread_comes_after_loading_but_those_set_aside_for_jobs(seen: dict[str, list[str]]) -> None:
    loaded, later = map(int, seen["threads"][0].split()[1:])
    assert later <= loaded + 6  # export/threads.go: fewestWatchers and spareThreads


def test_a_host_s_sigurg_handler_gets_its_signals_and_no_others() -> None:
    support.host("load", "urgent")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_that_all_threads_of_the_host_block_waits_for_its_sigwait(when: str) -> None:
    support.host("load", "blocked", when)


FAULTS = {
    "segv": signal.SIGSEGV,
    "bus": signal.SIGBUS,
    "fpe": signal.SIGFPE,
    "ill": signal.SIGILL,
    "abrt": signal.SIGABRT,
    "kill-segv": signal.SIGSEGV,
    "raise-segv": signal.SIGSEGV,
}


def _fault(directory: Path, path: object, *words: str) -> subprocess.CompletedProcess[str]:
    command = [support.program("load"), str(path), "fault", *words]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=8)


@functools.cache
def _dumps_core() -> bool:
    """Whether a program without the library leaves a core here."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return False
    directory = support.workplace() / "core"
    directory.mkdir(exist_ok=True)
    _fault(directory, "none", "nothing", "uncalled", "main", "segv")
    return bool(list(directory.iterdir()))


@pytest.mark.parametrize("thread", ["main", "thread"])
@pytest.mark.parametrize("called", ["uncalled", "called"])
@pytest.mark.parametrize("how", FAULTS)
def test_a_fault_of_the_host_ends_it_as_it_would_without_the_library(
    tmp_path: Path, how: str, called: str, thread: str
) -> None:
    done = _fault(tmp_path, support.library(), "nothing", called, thread, how)
    assert (done.returncode, done.stdout, done.stderr) == (-FAULTS[how], "", "")


@pytest.mark.parametrize("how", ["segv", "bus", "fpe"])
def test_a_fault_ends_a_host_that_ignores_its_signal_too(tmp_path: Path, how: str) -> None:
    assert _fault(tmp_path, "none", "ignored", "called", "main", how).returncode == -FAULTS[how]
    assert _fault(tmp_path, support.library(), "ignored", "called", "main", how).returncode == -FAULTS[how]


def test_a_fault_of_the_host_leaves_a_core(tmp_path: Path) -> None:
    if not _dumps_core():
        pytest.skip("programs leave no core in their directory here (RLIMIT_CORE or core_pattern)")
    done = _fault(tmp_path, support.library(), "nothing", "called", "main", "segv")
    assert done.returncode == -signal.SIGSEGV
    assert list(tmp_path.iterdir()) != []


@pytest.mark.parametrize("called", ["uncalled", "called"])
@pytest.mark.parametrize("how", ["segv", "bus", "fpe", "ill", "abrt", "kill-segv"])
@pytest.mark.parametrize("when", ["handler", "later"])
def test_a_host_s_own_handler_of_faults_is_called_whether_set_before_or_after_loading(
    tmp_path: Path, when: str, how: str, called: str
) -> None:
    for thread in "main", "thread":
        done = _fault(tmp_path, support.library(), when, called, thread, how)
        assert (done.returncode, done.stderr) == (42, "")
        assert done.stdout.startswith(f"handler {int(FAULTS[how])} ")
        if how == "segv":
            assert done.stdout.endswith(" 0x8\n")


@pytest.mark.parametrize("first", ["faulthandler", "libmimir"])
@pytest.mark.parametrize("how", ["_sigsegv", "_sigfpe", "_sigabrt"])
def test_faulthandler_tells_where_python_died(how: str, first: str) -> None:
    done = support.python(
        f"""
        import {first}
        import faulthandler, libmimir
        if "{first}" == "faulthandler":
            faulthandler.enable()
            import importlib
        else:
            faulthandler.enable()
        libmimir.run(["true"])
        faulthandler.{how}()
        """,
        check=False,
    )
    assert done.returncode == -{"_sigsegv": signal.SIGSEGV, "_sigfpe": signal.SIGFPE, "_sigabrt": signal.SIGABRT}[how]
    assert "Fatal Python error" in done.stderr
    assert "goroutine" not in done.stderr
    assert 'File "<string>", line' in done.stderr


def test_faulthandler_enabled_before_the_import_tells_where_python_died() -> None:
    for how, number in ("_sigsegv", signal.SIGSEGV), ("_sigfpe", signal.SIGFPE):
        done = support.python(
            f"import faulthandler; faulthandler.enable(); import libmimir; libmimir.usage(); faulthandler.{how}()",
            check=False,
        )
        assert done.returncode == -number
        assert "Fatal Python error" in done.stderr
        assert "goroutine" not in done.stderr


def test_control_c_interrupts_a_run_and_ends_its_command() -> None:
    done = support.python("""
        import os, signal, subprocess, sys, threading, time
        import libmimir
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        try:
            libmimir.run(["sh", "-c", "echo $$ >&2; exec sleep 30"])
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - start < 10)
    """)
    assert done.stdout == "interrupted True\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stderr), 0)


def test_python_s_signal_handlers_and_wakeup_descriptor_keep_working() -> None:
    support.python("""
        import os, signal, sys, threading, time
        names = ["SIGHUP", "SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1", "SIGURG", "SIGPIPE", "SIGCHLD",
                 "SIGPROF", "SIGXCPU", "SIGWINCH", "SIGVTALRM", "SIGIO", "SIGQUIT", "SIGTRAP", "SIGILL"]
        numbers = [getattr(signal, name) for name in names]
        got = []
        early = numbers[::2]
        for number in early:
            signal.signal(number, lambda number, frame: got.append(number))
        here, there = os.pipe()
        os.set_blocking(there, False)
        signal.set_wakeup_fd(there)
        import libmimir
        for number in numbers[1::2]:
            signal.signal(number, lambda number, frame: got.append(number))
        libmimir.run(["true"])
        got.clear()
        os.set_blocking(here, False)
        try:
            os.read(here, 4096)
        except BlockingIOError:
            pass
        for number in numbers:
            for turn in range(20):
                os.kill(os.getpid(), number)
                end = time.monotonic() + 5
                while got != [number] and time.monotonic() < end:
                    time.sleep(0)
                assert got == [number], (number, turn, got)
                got.clear()
                assert os.read(here, 4096) == bytes([number])
        assert signal.getsignal(signal.SIGPIPE) in (signal.SIG_IGN, None) or callable(signal.getsignal(signal.SIGPIPE))
    """)


def test_python_s_ignored_sigpipe_stays_ignored() -> None:
    done = support.python("""
        import os, subprocess, sys
        import libmimir
        libmimir.run(["true"])
        here, there = os.pipe()
        os.close(here)
        try:
            os.write(there, b"x")
        except BrokenPipeError:
            print("refused")
        line = [line for line in open("/proc/self/status") if line.startswith("SigIgn")][0]
        print(bool(int(line.split()[1], 16) >> 12 & 1))
    """)
    assert done.stdout.split() == ["refused", "True"]


def test_a_host_may_close_every_descriptor_and_go_on() -> None:
    """As a daemon does."""
    support.python("""
        import os
        import libmimir
        libmimir.get_platform_adapter().get_resource_usage()
        keep = os.dup(2)
        os.closerange(0, keep)
        os.closerange(keep + 1, 4096)
        fds = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(6)]
        usage = libmimir.get_platform_adapter().get_resource_usage()
        assert usage.memory_bytes > 1 << 20, usage
        assert libmimir.usage().descriptors >= len(fds)
        assert libmimir.run(["true"], stdin=-3, stdout=-3, stderr=-3).exit_code == 0
        for fd in fds:
            assert os.read(fd, 4) == open("/etc/passwd", "rb").read(4)
    """)
