"""A process at its own limits: every call answers a status, and the library's runtime never ends it."""

from __future__ import annotations

import concurrent.futures
import functools
import os
import subprocess

import pytest
import support

CALLS = support.number("MIMIR_LIMIT_CALLS", 20_000)
IDLE = support.number("MIMIR_IDLE_SECONDS", 0)

LIMITS = [
    "nothing",
    "files",
    "no-files",
    "host-files",
    "memory",
    "no-memory",
    "host-memory",
    "host-no-memory",
    "address-space",
    "no-address-space",
    "host-address-space",
    "host-no-address-space",
    "file-size",
    "cpu",
    "everything",
]
USER_LIMITS = ["processes", "no-processes", "host-processes", "everything"]


@functools.cache
def _running() -> dict[str, concurrent.futures.Future]:
    """All at once, for they sit idle for long: they then take no processor."""
    support.library()  # these two are made once, before there are threads
    support.program("survive")
    pool = concurrent.futures.ThreadPoolExecutor(len(LIMITS))
    return {limit: pool.submit(_survive, limit) for limit in LIMITS}


def _survive(limit: str, *user: object) -> subprocess.CompletedProcess[str]:
    return support.host("survive", limit, CALLS, IDLE, *user, timeout=120 + IDLE + CALLS / 500)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_process_at_its_limit_gets_a_status_from_every_call_and_lives(limit: str) -> None:
    done = _running()[limit].result() if IDLE else _survive(limit)
    assert "status 0" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("limit", USER_LIMITS)
def test_a_user_at_its_limit_of_processes_gets_a_status_from_every_call_and_lives(limit: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user that has no other process")
    # Each user's processes are counted together: none of these may run beside another.
    assert "status 0" in _survive(limit, support.NOBODY + USER_LIMITS.index(limit)).stdout


@pytest.mark.parametrize("what", ["memory", "address-space"])
def test_a_budget_of_512_mb_is_the_host_s_own_to_within_5_percent(what: str) -> None:
    support.host("survive", f"budget-{what}", 20_000, 0)


SHELL_LIMITS = {
    "address space of 100 MB": "ulimit -v 100000",
    "address space of 500 MB": "ulimit -v 500000",
    "address space of 1 GB": "ulimit -v 1000000",
    "address space of 1.6 GB": "ulimit -v 1600000",
    "address space of 1.8 GB": "ulimit -v 1800000",
    "address space of 2 GB": "ulimit -v 2000000",
    "address space of 3 GB": "ulimit -v 3000000",
    "data of 20 MB": "ulimit -d 20000",
    "data of 100 MB": "ulimit -d 100000",
    "data of 200 MB": "ulimit -d 200000",
    "data of 300 MB": "ulimit -d 300000",
    "data of 1 GB": "ulimit -d 1000000",
    "no file size": "ulimit -f 0",
    "5 open files": "ulimit -n 5",
}


@pytest.mark.parametrize("limit", SHELL_LIMITS)
def test_loading_under_a_limit_works_or_says_that_it_cannot(limit: str) -> None:
    prefix = ["bash", "-c", f'{SHELL_LIMITS[limit]}; exec "$@"', "bash"]
    support.host("survive", "loaded-under", 3000, 0, prefix=prefix)


@pytest.mark.parametrize("option", ["-v", "-d"])
def test_between_a_limit_that_is_enough_and_one_that_is_too_little_there_is_none_at_which_loading_ends_the_host(
    option: str,
) -> None:
    kilobytes = range(1_300_000, 2_600_000, 50_000) if option == "-v" else range(150_000, 600_000, 15_000)
    for limit in kilobytes:
        prefix = ["bash", "-c", f'ulimit {option} {limit}; exec "$@"', "bash"]
        support.host("survive", "loaded-under", 5, 0, prefix=prefix)


@pytest.mark.parametrize("processes", [1, 3, 8, 12, 20, 40])
def test_loading_where_the_user_may_have_few_processes_works_or_says_that_it_cannot(processes: int) -> None:
    prefix = ["bash", "-c", f'ulimit -u {processes}; exec "$@"', "bash"]
    if os.getuid() != 0:
        pytest.skip("only root can become a user that has no other process")
    support.host("survive", "loaded-under", 3000, 0, support.NOBODY + processes, prefix=prefix)


@pytest.mark.parametrize("limit", ["ulimit -v 300000", "ulimit -v 900000", "ulimit -d 60000"])
def test_importing_under_a_limit_that_the_runtime_cannot_live_with_is_an_import_error(limit: str) -> None:
    prefix = ["bash", "-c", f'{limit}; exec "$@"', "bash"]
    done = support.python(
        """
        try:
            import libmimir
        except ImportError as error:
            print("ImportError:", error)
        """,
        prefix=prefix,
    )
    assert done.stdout.startswith("ImportError: libmimir: ")
    assert "limit" in done.stdout
    assert done.stderr == ""


def test_importing_where_the_user_may_have_no_thread_is_an_import_error() -> None:
    prefix = [*support.as_nobody(), "bash", "-c", 'ulimit -u 1; exec "$@"', "bash"]
    code = "try: import libmimir\nexcept ImportError as error: print('ImportError:', error)"
    done = support.python(code, prefix=prefix)
    assert done.stdout.startswith("ImportError: libmimir: ")
    assert "limit" in done.stdout


def test_python_at_its_memory_limit_sees_memory_errors_and_lives() -> None:
    done = support.python("""
        import sys
        import libmimir
        adapter = libmimir.get_platform_adapter()
        libmimir.run(["true"])
        adapter.get_resource_usage()
        assert adapter.set_memory_limit(300 << 20)
        kept = []
        errors = 0
        try:
            while True:
                kept.append(bytearray(1 << 20))
        except MemoryError:
            errors += 1
        assert 200 < len(kept) < 300, len(kept)
        for turn in range(2000):
            try:
                assert adapter.get_resource_usage().memory_bytes > 200 << 20
                libmimir.normalize_path("a//b")
                if turn % 100 == 0:
                    libmimir.run(["sh", "-c", "head -c 3000000 /dev/zero"], capture_output=True)
            except (MemoryError, OSError) as error:
                errors += 1
        kept.clear()
        assert libmimir.run(["sh", "-c", "head -c 3000000 /dev/zero"], capture_output=True).exit_code == 0
        print("lived", errors)
    """)
    assert done.stdout.startswith("lived ")


def test_python_below_an_address_space_set_behind_the_library_s_back_sees_memory_errors_and_lives() -> None:
    done = support.python("""
        import gc, resource
        import libmimir
        adapter = libmimir.get_platform_adapter()
        libmimir.run(["true"], capture_output=True)
        adapter.get_resource_usage()
        resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))
        seen = set()
        for turn in range(3000):
            try:
                libmimir.normalize_path("a/../b" * 200)
                adapter.get_resource_usage()
                if turn % 50 == 0:
                    libmimir.run(["true"], capture_output=True)
            except (MemoryError, OSError) as error:
                seen.add(type(error).__name__)
        try:
            bytearray(64 << 20)
        except MemoryError:
            print("lived")
    """)
    assert done.stdout == "lived\n"


def test_python_at_its_descriptor_limit_sees_os_errors_and_lives() -> None:
    done = support.python("""
        import os
        import libmimir
        adapter = libmimir.get_platform_adapter()
        libmimir.run(["true"], capture_output=True)
        free = os.dup(0)
        os.close(free)
        assert adapter.set_file_descriptor_limit(free)
        try:
            open("/etc/passwd")
        except OSError as error:
            assert error.errno == 24
        for turn in range(300):
            assert adapter.get_resource_usage().memory_bytes > 0
            libmimir.normalize_path("a//b")
            try:
                libmimir.run(["true"], capture_output=True)
            except OSError as error:
                assert isinstance(error, libmimir.MimirError), error
            else:
                raise SystemExit("a pipe was made without a descriptor")
        print("lived")
    """)
    assert done.stdout == "lived\n"


def test_python_at_its_process_limit_sees_errors_and_lives() -> None:
    done = support.python(
        """
        import threading
        import libmimir
        adapter = libmimir.get_platform_adapter()
        libmimir.run(["true"], capture_output=True)
        threads = len(__import__("os").listdir("/proc/self/task"))
        assert adapter.set_process_limit(threads)
        try:
            threading.Thread(target=print).start()
        except RuntimeError:
            pass
        else:
            raise SystemExit("a thread was started above the limit")
        for turn in range(2000):
            assert adapter.get_resource_usage().memory_bytes > 0
            libmimir.normalize_path("a//b" * 500)
            if turn % 50 == 0:
                try:
                    libmimir.run(["true"], capture_output=True)
                except OSError as error:
                    assert isinstance(error, libmimir.MimirError), error
                else:
                    raise SystemExit("a process was started above the limit")
        print("lived")
        """,
        prefix=support.as_nobody(),
    )
    assert done.stdout == "lived\n"


def test_python_at_a_file_size_of_zero_lives() -> None:
    done = support.python("""
        import libmimir, os, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        adapter = libmimir.get_platform_adapter()
        assert adapter.set_file_size_limit(0)
        for turn in range(100):
            adapter.get_resource_usage()
            result = libmimir.run(["sh", "-c", "cat; echo out"], input=b"in " * 100000, capture_output=True)
            assert result.stdout == b"in " * 100000 + b"out\\n"
        print("lived")
    """)
    assert done.stdout == "lived\n"


def test_python_past_its_cpu_limit_keeps_working_in_its_handler_s_time() -> None:
    done = support.python("""
        import resource, signal, time
        import libmimir
        seen = []
        signal.signal(signal.SIGXCPU, lambda *_: seen.append(1))
        libmimir.set_limit("cpu", int(time.process_time()) + 1, None)
        while not seen:
            libmimir.get_platform_adapter().get_resource_usage()
        assert libmimir.run(["true"]).exit_code == 0
        print("lived")
    """)
    assert done.stdout == "lived\n"
