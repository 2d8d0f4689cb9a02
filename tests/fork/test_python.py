"""The package in the less usual lives of an interpreter."""

from __future__ import annotations

import pytest
import support

STRICT = ("-X", "dev", "-W", "error")


def test_everything_works_in_development_mode_with_warnings_as_errors() -> None:
    done = support.python(
        """
        import gc, os
        import libmimir
        adapter = libmimir.get_platform_adapter()
        for _ in range(3):
            result = libmimir.run(["sh", "-c", "cat; echo x >&2"], input="in", text=True, capture_output=True,
                                  memory="1G", cpu=10, wall=60, env={"PATH": "/bin:/usr/bin"}, cwd="/")
            assert (result.stdout, result.stderr) == ("in", "x\\n")
        assert libmimir.run(["sleep", "9"], wall=0.05).termination_reason == "walltime"
        adapter.get_resource_usage(1, 1)
        libmimir.usage(os.getppid())
        libmimir.limits()
        libmimir.set_limit("file_size", 1 << 40)
        run, usage, get_limit = libmimir.run, libmimir.usage, libmimir.get_limit
        for bad in (lambda: run(["/nonexistent"]), lambda: usage(-1), lambda: get_limit("x")):
            try:
                bad()
            except libmimir.MimirError:
                pass
            else:
                raise SystemExit("no error")
        gc.collect()
        """,
        flags=STRICT,
    )
    assert done.stderr == ""


def test_forked_workers_work_in_development_mode() -> None:
    # Python 3.12 and later warn of every fork beside threads: that is their business.
    done = support.python(
        """
        import os, warnings
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*multi-threaded.*")
        import libmimir
        pid = os.fork()
        if pid == 0:
            ok = libmimir.run(["true"]).exit_code == 0
            os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        """,
        flags=STRICT,
    )
    assert done.stderr == ""


@pytest.mark.parametrize("how", ["running", "ended", "prepared", "in a thread", "in a daemon thread"])
def test_an_interpreter_ends_at_once_with_jobs_still_open(how: str) -> None:
    done = support.python(
        f"""
        import sys, threading, time
        import libmimir
        from libmimir._job import Job
        how = {how!r}
        job = Job([b"sleep", b"100" if how != "ended" else b"0"])
        if how != "prepared":
            job.start()
        if how == "ended":
            job.wait(10**9)
        if how.startswith("in a"):
            thread = threading.Thread(target=lambda: libmimir.run(["sleep", "1" if how == "in a thread" else "100"]))
            thread.daemon = how == "in a daemon thread"
            thread.start()
            time.sleep(0.1)
        kept = [job, lambda: job]
        print("end")
        """,
        timeout=20,
    )
    assert (done.stdout, done.stderr) == ("end\n", "")


def test_jobs_of_a_host_that_has_lost_its_first_thread_and_its_descriptors_live_as_long_as_it() -> None:
    done = support.python(
        """
        import ctypes, os, platform, threading, time
        import libmimir
        job = libmimir.Popen(["sleep", "1000"], stdin=libmimir.PIPE)
        def stay():
            time.sleep(0.5)
            os.closerange(3, 1024)
            time.sleep(3)
            state = open("/proc/self/stat").read().rpartition(") ")[2][0]
            print(state, os.path.exists(f"/proc/{job.pid}"), flush=True)
            os._exit(0)
        threading.Thread(target=stay).start()
        ctypes.CDLL(None).syscall(93 if platform.machine() == "aarch64" else 60, 0)  # exit, of this thread alone
        """,
        timeout=20,
    )
    assert done.stdout == "Z True\n"  # and the job, which holds the output open, is gone: that has come to its end


def test_an_interpreter_that_exits_in_the_middle_of_a_run_does_not_crash() -> None:
    for _ in range(5):
        done = support.python("""
            import os, sys, threading, time
            import libmimir
            def work():
                while True:
                    libmimir.run(["true"], capture_output=True)
                    libmimir.get_platform_adapter().get_resource_usage()
                    libmimir.normalize_path("a//b" * 100)
            for _ in range(4):
                threading.Thread(target=work, daemon=True).start()
            time.sleep(0.2)
            sys.exit(7)
        """, check=False, timeout=20)  # fmt: skip
        assert done.returncode == 7
        assert "goroutine" not in done.stderr
        assert "Fatal Python error" not in done.stderr


def test_importing_the_package_anew_works() -> None:
    support.python("""
        import importlib, os, sys
        import libmimir
        descriptors = len(os.listdir("/proc/self/fd"))
        threads = len(os.listdir("/proc/self/task"))
        for _ in range(3):
            importlib.reload(libmimir)
            assert libmimir.run(["true"]).exit_code == 0
        for name in [name for name in sys.modules if name.partition(".")[0] == "libmimir"]:
            del sys.modules[name]
        import libmimir
        assert libmimir.run(["true"]).exit_code == 0
        assert libmimir.get_platform_adapter().get_resource_usage().memory_bytes > 0
        # One library, however often it is imported.
        assert len({line.split()[-1] for line in open("/proc/self/maps") if "libmimir.so" in line}) == 1
        assert len(os.listdir("/proc/self/task")) <= threads + 6
    """)


def test_reloading_its_modules_works() -> None:
    support.python("""
        import importlib
        import libmimir, libmimir.jobs, libmimir.process, libmimir.platform, libmimir.errors
        for module in (libmimir.errors, libmimir.platform, libmimir.process, libmimir.jobs, libmimir):
            importlib.reload(module)
            assert libmimir.run(["true"]).exit_code == 0
    """)


def test_a_subinterpreter_works_or_is_refused_clearly() -> None:
    done = support.python("""
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            try:
                import _interpreters as interpreters
            except ImportError:
                print("none")
                raise SystemExit
        import libmimir
        code = "\\n".join([
            "try:",
            "    import libmimir",
            "    assert libmimir.run(['true']).exit_code == 0",
            "    assert libmimir.get_platform_adapter().get_resource_usage().memory_bytes > 0",
            "    told = 'works'",
            "except ImportError as error:",
            "    told = 'refused: ' + str(error)",
            "import os",
            "os.write(1, (told + chr(10)).encode())",
        ])
        for _ in range(3):
            one = interpreters.create()
            interpreters.run_string(one, code)
            interpreters.destroy(one)
        assert libmimir.run(["true"]).exit_code == 0
        print("end")
    """)
    if done.stdout == "none\n":
        pytest.skip("this Python has no subinterpreters")
    lines = done.stdout.splitlines()
    assert lines[-1] == "end"
    assert len(lines) == 4
    for line in lines[:3]:
        assert line == "works" or (line.startswith("refused: ") and "interpreter" in line)


def test_calls_in_signal_handlers_and_finalizers_work() -> None:
    support.python("""
        import gc, os, signal, threading
        import libmimir
        calls = []
        def handler(number, frame):
            calls.append(libmimir.get_platform_adapter().get_resource_usage().memory_bytes)
            libmimir.normalize_path("a//b")
        signal.signal(signal.SIGUSR1, handler)
        stop = threading.Event()
        def pester():
            while not stop.is_set():
                os.kill(os.getpid(), signal.SIGUSR1)
                stop.wait(0.0005)
        thread = threading.Thread(target=pester)
        thread.start()
        class Last:
            def __del__(self):
                libmimir.normalize_path("x//y")
        for _ in range(100):
            result = libmimir.run(["sh", "-c", "echo a"], capture_output=True)
            assert result.stdout == b"a\\n"
            first = Last()
            first.me = first
            del first
            gc.collect()
        stop.set()
        thread.join()
        assert len(calls) > 10
    """)


def test_many_threads_run_commands_and_read_at_once() -> None:
    support.python("""
        import threading
        import libmimir
        wrong = []
        def work(n):
            try:
                for turn in range(25):
                    result = libmimir.run(["sh", "-c", f"echo {n} {turn}"], capture_output=True, text=True, memory="1G")
                    assert result.stdout == f"{n} {turn}\\n", result
                    assert libmimir.get_platform_adapter().get_resource_usage(1 << 50).memory_percent > 0
                    try:
                        libmimir.run([f"/nonexistent-{n}-{turn}"])
                    except libmimir.NotFoundError as error:
                        assert f"/nonexistent-{n}-{turn}" in str(error), error
            except BaseException as error:
                wrong.append(error)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not wrong, wrong
    """)
