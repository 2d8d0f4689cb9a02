"""What a forked child of a process that has loaded the library can call, and that nothing hangs in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
import support


def _table(mode: str, user: int) -> dict[str, str]:
    if user and os.getuid() != 0:
        pytest.skip("only root can run as another user")
    lines = support.host("fork", mode, user).stdout.splitlines()
    return dict(line.split(":", 1) for line in lines)


def _without_reserve(line: str, found: dict[str, int]) -> str:
    """Leave out the limits of address space and data, and note by how much they are above what was asked."""
    asked = re.match(r"limit ([12]) .* to (\d+)/(\d+)", line)

    def note(match: re.Match[str]) -> str:
        resource, soft = match[1], int(match[2])
        if asked and resource == {"1": "2", "2": "9"}[asked[1]] and soft < 1 << 63:
            found[line.split(":")[0]] = soft - int(asked[2])
        return ""

    return re.sub(r" rlimit([29])=(\d+)/(\d+)", note, line)


@pytest.mark.parametrize("user", [0, support.NOBODY])
def test_the_same_calls_answer_the_same_and_do_the_same_in_a_process_and_in_its_forked_child(user: int) -> None:
    normal, forked = _table("normal", user), _table("forked", user)
    assert len(normal) > 40
    assert list(normal) == list(forked)
    added: dict[str, int] = {}
    kept: dict[str, int] = {}
    different = []
    for case, line in normal.items():
        ours = _without_reserve(f"{case}:{line}", added)
        theirs = _without_reserve(f"{case}:{forked[case]}", kept)
        if theirs != ours:
            different.append(f"\nnormal {ours}\nforked {theirs}\n")
    assert not different, "".join(different)
    # The documented difference: what the library itself takes is added for a process that goes on, and not for a child.
    assert added.keys() == kept.keys()
    assert all(value == 0 for value in kept.values()), kept
    finite = {case: value for case, value in added.items() if not case.endswith("/18446744073709551614")}
    assert len(finite) >= 4
    assert all(value > 1 << 20 for value in finite.values()), finite


def test_the_usage_of_another_process_is_refused_in_a_child() -> None:
    support.python("""
        import os, libmimir
        parent = os.getpid()
        assert libmimir.usage(os.getppid()).threads >= 1
        pid = os.fork()
        if pid == 0:
            from libmimir import _bindings as c, _library
            import ctypes
            record = c.mimir_usage(size=ctypes.sizeof(c.mimir_usage))
            functions = c.Functions(ctypes.CDLL(os.environ["LIBMIMIR_LIBRARY"]))
            os._exit(-functions.mimir_usage_get(parent, c.MIMIR_USAGE_ALL, ctypes.byref(record)))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    """)


@pytest.mark.parametrize("whose", ["zero", "self"])
def test_a_child_is_told_of_its_parent_s_limits_as_they_were_asked_for(whose: str) -> None:
    assert support.host("fork", "asked", whose).stdout == "3/5\n"


def test_every_function_works_or_is_refused_at_once_while_the_parent_is_inside_go() -> None:
    support.host("fork", "refusals")


def test_the_eighth_generation_is_as_safe_as_the_first() -> None:
    support.host("fork", "generations", 8)


def test_a_forked_child_s_thread_that_had_called_the_library_ends() -> None:
    support.host("fork", "threads-end", 60)


def test_forking_while_threads_load_copies_of_the_library_is_safe() -> None:
    copies = []
    for n in range(24):
        copies.append(support.workplace() / f"copy-{n}.so")
        if not copies[-1].exists():
            shutil.copyfile(support.library(), copies[-1])
    done = support.host("fork", "while-loading", *copies, timeout=120)
    assert int(done.stdout.split()[0]) > 10


@pytest.mark.parametrize("delay", [0, 1, 20])
def test_forking_while_the_library_s_runtime_starts_is_safe(delay: int) -> None:
    directory = support.workplace()
    (directory / "libmimir.so.0").unlink(missing_ok=True)
    (directory / "libmimir.so.0").symlink_to(support.library())
    flags = ["-Wl,--no-as-needed", str(support.library()), f"-Wl,-rpath,{directory}", "-Wl,-z,now"]
    binary = support.program("early", *flags)
    for _ in range(10):
        support.finish([str(binary), str(delay)], 60, dict(os.environ))


def test_no_fork_of_many_hangs_or_crashes_while_the_parent_is_inside_go() -> None:
    forks = support.number("MIMIR_FORKS", 1000)
    done = support.host("fork", "stress", forks, timeout=60 + forks / 10)
    assert done.stdout == f"{forks} forks: 0 hangs, 0 crashes, 0 wrong\n"


def test_no_fork_of_many_from_python_hangs_or_crashes_and_every_tenth_runs_a_command() -> None:
    forks = max(support.number("MIMIR_FORKS", 1000) // 5, 10)
    done = support.python(
        """
        import os, select, signal, sys, threading
        import libmimir
        forks = int(sys.argv[1])
        adapter = libmimir.get_platform_adapter()
        stop = False

        def busy(what):
            while not stop:
                what()

        works = [
            lambda: libmimir.join_paths(*["a" * 500] * 20),
            lambda: libmimir.run(["true"]),
            lambda: libmimir.usage(os.getppid()),
            lambda: libmimir.run(["sh", "-c", "echo 1"], capture_output=True, memory="1G", cpu=9),
        ]
        threads = [threading.Thread(target=busy, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        ended = {}
        for i in range(forks):
            pid = os.fork()
            if pid == 0:
                code = 99
                try:
                    right = [
                        adapter.set_memory_limit(8 << 30),
                        adapter.set_cpu_limit(600),
                        adapter.set_file_descriptor_limit(200),
                        adapter.set_process_limit(5000),
                        adapter.set_file_size_limit(1 << 30),
                    ]
                    libmimir.setpgrp()
                    libmimir.reset_signals()
                    right.append(adapter.get_resource_usage(1, 1).memory_limit_exceeded)
                    if i % 10 == 9:
                        sum = ["sh", "-c", "echo $((20 + 3))"]
                        result = libmimir.run(sum, capture_output=True, memory="1G", wall=60)
                        right.append(result.stdout == b"23\\n")
                    code = 0 if all(right) else 50
                except BaseException as error:
                    print(repr(error), file=sys.stderr, flush=True)
                finally:
                    os._exit(code)
            pidfd = os.pidfd_open(pid)
            if not select.select([pidfd], [], [], 30)[0]:
                os.kill(pid, signal.SIGKILL)
                ended["hang"] = ended.get("hang", 0) + 1
                os.waitpid(pid, 0)
            else:
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                ended[code] = ended.get(code, 0) + 1
            os.close(pidfd)
        stop = True
        for thread in threads:
            thread.join()
        print(ended)
        """,
        forks,
        timeout=60 + forks,
    )
    assert done.stdout == f"{{0: {forks}}}\n"


def test_what_stands_between_fork_and_exec_works_as_a_preexec_fn() -> None:
    done = support.python("""
        import os, resource, signal, subprocess, sys
        import libmimir
        adapter = libmimir.get_platform_adapter()

        def prepare():
            assert adapter.set_memory_limit(1 << 30) and adapter.set_cpu_limit(100)
            assert adapter.set_file_descriptor_limit(99) and adapter.set_file_size_limit(0)
            libmimir.setpgrp()
            libmimir.reset_signals()

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = ("import os, signal; from resource import *; "
                "limits = RLIMIT_DATA, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE;"
                "print(*map(getrlimit, limits), os.getpgrp() == os.getpid(),"
                "signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)")
        subprocess.run([sys.executable, "-c", code], preexec_fn=prepare, check=True)
    """)
    gib = 1 << 30
    assert done.stdout == f"{(gib, gib)} {(100, 100)} {(99, 99)} {(0, 0)} True True\n"


def test_a_forked_python_child_that_ends_normally_runs_its_exit_handlers() -> None:
    done = support.python("""
        import atexit, os, sys, threading
        import libmimir
        libmimir.run(["true"])
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                atexit.register(print, "bye")
                libmimir.get_platform_adapter().get_resource_usage()
                thread = threading.Thread(target=libmimir.get_platform_adapter().get_resource_usage)
                thread.start()
                thread.join()
                sys.exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    """)
    assert done.stdout == "bye\n" * 20


def test_the_host_of_a_forked_child_is_a_program_of_its_own_after_exec() -> None:
    code = "import libmimir; print(libmimir.run(['true']).exit_code)"
    done = support.python(
        f"""
        import os, subprocess, sys
        import libmimir
        pid = os.fork()
        if pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", {code!r}])
        assert os.waitpid(pid, 0)[1] == 0
        """
    )
    assert done.stdout == "0\n"
    assert isinstance(done, subprocess.CompletedProcess)
