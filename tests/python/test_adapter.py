"""The adapter limits this process, and reads what it uses."""

from __future__ import annotations

import copy
import dataclasses
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import libmimir
import pytest
from libmimir import _usage, raw
from support import command_of, linux_only, python, root_only, unix_only

MIB = 1 << 20


def test_the_usage_is_that_of_the_process_now() -> None:
    usage = libmimir.get_platform_adapter().get_resource_usage()
    assert 0 < usage.memory_bytes <= usage.peak_memory_bytes
    assert usage.memory_mb == usage.memory_bytes / MIB
    assert usage.cpu_time_seconds == pytest.approx(time.process_time(), abs=0.5)
    assert (usage.memory_percent, usage.cpu_percent) == (0.0, 0.0)
    assert (usage.memory_limit_bytes, usage.cpu_limit_seconds) == (0, 0)
    assert (usage.memory_limit_exceeded, usage.cpu_limit_exceeded) == (False, False)


@linux_only
def test_the_memory_is_the_resident_size_and_the_peak_is_kept_apart() -> None:
    python("""
        import libmimir, mmap
        adapter = libmimir.get_platform_adapter()
        before = adapter.get_resource_usage()
        block = mmap.mmap(-1, 64 << 20)
        block.write(b"x" * (64 << 20))
        grown = adapter.get_resource_usage()
        block.close()
        after = adapter.get_resource_usage()
        assert grown.memory_bytes > before.memory_bytes + (60 << 20)
        assert after.memory_bytes < grown.memory_bytes - (60 << 20)
        assert after.peak_memory_bytes >= grown.memory_bytes - (1 << 20)
        with open("/proc/self/statm") as statm:
            resident = int(statm.read().split()[1]) * mmap.PAGESIZE
        assert abs(adapter.get_resource_usage().memory_bytes - resident) < 4 << 20
    """)


def test_the_cpu_time_is_that_of_all_threads() -> None:
    adapter = libmimir.get_platform_adapter()
    before = adapter.get_resource_usage().cpu_time_seconds
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert adapter.get_resource_usage().cpu_time_seconds >= before + 0.09


def test_the_percentages_and_the_excess_are_those_of_the_limits_given() -> None:
    adapter = libmimir.get_platform_adapter()
    usage = adapter.get_resource_usage(memory_limit=MIB, cpu_limit=1_000_000)
    assert usage.memory_percent == usage.memory_bytes / MIB * 100
    assert usage.cpu_percent == usage.cpu_time_seconds / 1_000_000 * 100
    assert (usage.memory_limit_bytes, usage.cpu_limit_seconds) == (MIB, 1_000_000)
    assert (usage.memory_limit_exceeded, usage.cpu_limit_exceeded) == (True, False)
    assert adapter.get_resource_usage(1 << 50).memory_limit_exceeded is False


def test_limits_that_are_no_positive_whole_numbers_are_treated_as_before() -> None:
    adapter = libmimir.get_platform_adapter()
    usage = adapter.get_resource_usage(memory_limit=-1, cpu_limit=-1)
    assert (usage.memory_percent, usage.cpu_percent) == (0.0, 0.0)
    assert (usage.memory_limit_exceeded, usage.cpu_limit_exceeded) == (False, False)
    fraction = adapter.get_resource_usage(cpu_limit=0.5)  # type: ignore[arg-type]
    assert fraction.cpu_percent == fraction.cpu_time_seconds / 0.5 * 100


def test_a_failure_is_all_zero_usage_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    usage = libmimir.get_platform_adapter().get_resource_usage(memory_limit="much")  # type: ignore[arg-type]
    assert usage == libmimir.ResourceUsage(0, 0.0, 0.0, 0.0, 0.0, "much", 0, False, False)  # type: ignore[arg-type]
    assert [(record.name, record.levelno) for record in caplog.records] == [("libmimir", logging.WARNING)]


def test_a_failing_reading_is_all_zero_usage_and_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_usage, "_refresh", lambda: raw.MIMIR_EOS)
    usage = libmimir.get_platform_adapter().get_resource_usage(10, 20)
    assert usage == libmimir.ResourceUsage(0, 0.0, 0.0, 0.0, 0.0, 10, 20, False, False)
    assert "could not read the resource usage" in caplog.text


def test_the_layout_that_is_read_is_that_of_the_structure() -> None:
    measure = raw.mimir_measure(memory_bytes=1, memory_mb=2.0, cpu_time_seconds=3.0, peak_memory_bytes=4)
    assert _usage._MEASURE.unpack(bytes(measure)) == (1, 3.0, 4)


def test_a_reading_is_complete() -> None:
    usage = libmimir.get_platform_adapter().get_resource_usage(1 << 40, 1000)
    fields = [field.name for field in dataclasses.fields(usage)]
    assert list(vars(usage)) == fields
    assert usage == libmimir.ResourceUsage(**vars(usage))


def test_a_reading_is_a_usage_like_one_that_was_made_by_hand() -> None:
    read = libmimir.get_platform_adapter().get_resource_usage
    made = libmimir.ResourceUsage(**vars(read(1 << 40, 1000)))

    def anew() -> libmimir.ResourceUsage:
        """Answer a reading of which nothing has been looked at, with the values of the one made by hand."""
        usage = read(1 << 40, 1000)
        for name, value in vars(made).items():
            setattr(usage, name, value)
        return usage

    assert isinstance(anew(), libmimir.ResourceUsage)
    assert anew().__class__ is libmimir.ResourceUsage
    assert repr(anew()) == repr(made)
    assert made == anew()
    assert anew() == made
    assert anew() == anew()
    assert copy.copy(anew()) == made == copy.deepcopy(anew())
    assert pickle.loads(pickle.dumps(anew())) == made  # noqa: S301 - our own
    assert dataclasses.asdict(anew()) == dataclasses.asdict(made)
    assert dataclasses.replace(anew(), memory_mb=0.5) == dataclasses.replace(made, memory_mb=0.5)
    with pytest.raises(TypeError, match="unhashable"):
        hash(anew())


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(libmimir.ResourceUsage)])
def test_a_field_that_was_set_before_it_was_read_stays_so(name: str) -> None:
    usage = libmimir.get_platform_adapter().get_resource_usage(1 << 40, 1000)
    setattr(usage, name, "set")
    others = {field.name for field in dataclasses.fields(usage)} - {name}
    assert "set" not in [getattr(usage, other) for other in others]
    assert getattr(usage, name) == "set"
    assert getattr(copy.copy(usage), name) == "set"
    delattr(usage, name)
    assert not hasattr(usage, name)


def test_a_reading_is_of_the_moment_when_it_was_made() -> None:
    read = libmimir.get_platform_adapter().get_resource_usage
    before = read()
    block = bytearray(64 * MIB)
    after = read()
    assert before.memory_bytes + 63 * MIB < after.memory_bytes
    del block


def test_threads_and_signal_handlers_get_readings_that_are_their_own() -> None:
    adapter = libmimir.get_platform_adapter()
    wrong: list[libmimir.ResourceUsage] = []
    stop = threading.Event()

    def read(limit: int) -> None:
        while not stop.is_set():
            usage = adapter.get_resource_usage(limit)
            # A mixture of two readings would not hold together.
            if usage.memory_mb != usage.memory_bytes / MIB or usage.memory_bytes > usage.peak_memory_bytes:
                wrong.append(usage)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=read, args=(1 << n,)) for n in range(20, 28)]
    try:
        for thread in threads:
            thread.start()
        time.sleep(1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert wrong == []


# What each setter is to set: the method, a value, the rlimits and what they are then.
SETTERS = [
    ("set_memory_limit", 2 << 30, ["RLIMIT_DATA", "RLIMIT_RSS"], 2 << 30),
    ("set_cpu_limit", 100, ["RLIMIT_CPU"], 100),
    ("set_file_descriptor_limit", 100, ["RLIMIT_NOFILE"], 100),
    ("set_process_limit", 5000, ["RLIMIT_NPROC"], 5000),
    ("set_file_size_limit", 1 << 20, ["RLIMIT_FSIZE"], 1 << 20),
]


@linux_only
@pytest.mark.parametrize(("method", "value", "names", "expected"), SETTERS, ids=[row[0] for row in SETTERS])
def test_a_setter_sets_soft_and_hard_limit_of_this_process(
    method: str, value: int, names: list[str], expected: int
) -> None:
    python(f"""
        import libmimir, resource
        assert libmimir.get_platform_adapter().{method}({value}) is True
        for name in {names!r}:
            soft, hard = resource.getrlimit(getattr(resource, name))
            assert soft == hard
            # What the library itself has taken is not charged to the host.
            reserve = 1 << 30 if name == "RLIMIT_DATA" else 0
            assert {expected} <= soft <= {expected} + reserve, name
    """)


@linux_only
def test_the_memory_limit_is_read_back_as_it_was_set() -> None:
    python("""
        import libmimir
        assert libmimir.get_platform_adapter().set_memory_limit(2 << 30)
        found = libmimir.get_limit("memory")
        assert (found.soft, found.hard) == (2 << 30, 2 << 30), found
    """)


@linux_only
@pytest.mark.parametrize(("method", "value", "names", "expected"), SETTERS, ids=[row[0] for row in SETTERS])
def test_a_setter_works_in_a_preexec_fn(method: str, value: int, names: list[str], expected: int) -> None:
    adapter = libmimir.get_platform_adapter()
    done = subprocess.run(
        command_of(f"""
            import resource
            for name in {names!r}:
                assert resource.getrlimit(getattr(resource, name)) == ({expected}, {expected}), name
        """),
        preexec_fn=lambda: getattr(adapter, method)(value),
        check=False,
    )
    assert done.returncode == 0


@unix_only
@pytest.mark.parametrize("method", [row[0] for row in SETTERS])
@pytest.mark.parametrize("value", [-1, 1.5, None, "many", 1 << 64])
def test_a_setter_answers_false_and_warns_for_what_is_no_limit(method: str, value: object) -> None:
    done = python(f"""
        import libmimir, logging, resource
        names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
        before = [resource.getrlimit(getattr(resource, name)) for name in names]
        logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
        assert libmimir.get_platform_adapter().{method}({value!r}) is False
        assert [resource.getrlimit(getattr(resource, name)) for name in names] == before
    """)
    assert done.stderr.startswith("WARNING libmimir could not set the ")
    assert repr(value) in done.stderr


@unix_only
def test_cpu_seconds_that_cannot_be_counted_are_as_good_as_the_largest() -> None:
    python("""
        import libmimir, resource
        assert libmimir.get_platform_adapter().set_cpu_limit(1 << 60)
        assert resource.getrlimit(resource.RLIMIT_CPU)[0] > 500 * 365 * 24 * 3600
    """)


@root_only
@linux_only
def test_a_limit_above_the_hard_limit_is_refused_with_what_is_allowed() -> None:
    done = python("""
        import libmimir, logging, os
        logging.basicConfig()
        adapter = libmimir.get_platform_adapter()
        assert adapter.set_file_descriptor_limit(100) is True
        os.setuid(65534)
        assert adapter.set_file_descriptor_limit(200) is False
    """)
    assert "200" in done.stderr
    assert "100" in done.stderr


@unix_only
def test_the_adapter_of_another_platform_sets_nothing_and_says_so() -> None:
    done = python("""
        import libmimir, logging, resource
        logging.basicConfig()
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert libmimir.WindowsPlatformAdapter().set_file_descriptor_limit(64) is False
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
    """)
    assert "WindowsPlatformAdapter sets no limits on " in done.stderr


@linux_only
def test_memory_beyond_the_limit_is_refused_by_the_kernel() -> None:
    python("""
        import libmimir
        assert libmimir.get_platform_adapter().set_memory_limit(512 << 20)
        kept = bytearray(100 << 20)
        try:
            bytearray(1 << 30)
        except MemoryError:
            pass
        else:
            raise AssertionError("the memory was given")
    """)


@unix_only
def test_a_process_that_uses_more_cpu_time_than_its_limit_is_ended() -> None:
    done = python(
        """
        import libmimir
        assert libmimir.get_platform_adapter().set_cpu_limit(1)
        while True:
            pass
        """,
        check=False,
    )
    assert -done.returncode in (signal.SIGXCPU, signal.SIGKILL)


@unix_only
def test_a_file_beyond_the_limit_of_descriptors_cannot_be_opened() -> None:
    python("""
        import errno, libmimir, os
        libmimir.get_platform_adapter().get_resource_usage()
        assert libmimir.get_platform_adapter().set_file_descriptor_limit(20)
        files = []
        try:
            while True:
                files.append(open(os.devnull))
        except OSError as error:
            assert error.errno == errno.EMFILE
        assert len(files) < 20
        # A process that has measured itself before still can.
        assert libmimir.get_platform_adapter().get_resource_usage().cpu_time_seconds > 0
    """)


@linux_only
def test_a_warning_that_cannot_be_logged_for_want_of_a_descriptor_is_printed() -> None:
    done = python("""
        import os, libmimir, libmimir.raw
        assert libmimir.get_platform_adapter().set_file_descriptor_limit(20)
        try:
            files = [open(os.devnull) for _ in range(20)]
        except OSError:
            pass
        libmimir._usage._refresh = lambda: libmimir.raw.MIMIR_EOS
        usage = libmimir.get_platform_adapter().get_resource_usage(5)
        assert usage == libmimir.ResourceUsage(0, 0.0, 0.0, 0.0, 0.0, 5, 0, False, False)
    """)
    assert "could not read the resource usage" in done.stderr


@unix_only
def test_a_file_cannot_be_written_beyond_the_limit_of_its_size(tmp_path: Path) -> None:
    python(
        """
        import errno, libmimir, sys
        assert libmimir.get_platform_adapter().set_file_size_limit(1000)
        with open(sys.argv[1], "wb", buffering=0) as file:
            assert file.write(b"x" * 5000) == 1000
            try:
                file.write(b"x")
            except OSError as error:
                assert error.errno == errno.EFBIG
            else:
                raise AssertionError("it was written")
        """,
        str(tmp_path / "file"),
    )


@root_only
@linux_only
def test_a_user_with_as_many_processes_as_the_limit_cannot_start_another() -> None:
    adapter = libmimir.get_platform_adapter()

    def become_another() -> None:
        os.setgroups([])
        os.setuid(65534)
        adapter.set_process_limit(1)

    done = subprocess.run(
        ["/bin/sh", "-c", "true & wait; echo started"],
        preexec_fn=become_another,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert "started" not in done.stdout
    assert "fork" in done.stderr.lower()


SETUP_CHILD = """
def setup_child():
    adapter.set_memory_limit(1 << 30)
    adapter.set_cpu_limit(300)
    adapter.set_file_descriptor_limit(1024)
    adapter.set_process_limit(4096)
    adapter.set_file_size_limit(100 << 20)
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
"""

SHOW_CHILD = """
import json, os, resource, signal
print(json.dumps({
    "leads": os.getpgrp() == os.getpid(),
    "sigint": signal.getsignal(signal.SIGINT) == signal.default_int_handler,
    "sigterm": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    "limits": [resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0]
               for name in ("DATA", "CPU", "NOFILE", "NPROC", "FSIZE")],
}))
"""


@linux_only
def test_the_isolators_child_setup_works_unchanged_under_asyncio() -> None:
    done = python(f"""
import asyncio, json, os, signal, sys, libmimir
adapter = libmimir.get_platform_adapter()
SHOW = {SHOW_CHILD!r}
{SETUP_CHILD}
async def main():
    signal.signal(signal.SIGTERM, lambda *_: None)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SHOW, stdout=asyncio.subprocess.PIPE, preexec_fn=setup_child)
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    print(out.decode())
asyncio.run(main())
""")
    import json

    shown = json.loads(done.stdout)
    assert shown == {
        "leads": True,
        "sigint": True,
        "sigterm": True,
        "limits": [1 << 30, 300, 1024, 4096, 100 << 20],
    }


@linux_only
def test_many_forked_children_of_a_process_that_has_loaded_the_library_do_not_hang() -> None:
    python(f"""
import os, signal, subprocess, libmimir
adapter = libmimir.get_platform_adapter()
{SETUP_CHILD}
for _ in range(100):
    subprocess.run(["/bin/true"], preexec_fn=setup_child, check=True, timeout=20)
""")


@linux_only
def test_a_forked_child_reads_its_own_usage_and_knows_its_platform() -> None:
    python("""
        import os, libmimir
        assert libmimir.get_platform_adapter().get_resource_usage().memory_bytes > 0
        pid = os.fork()
        if pid == 0:
            try:
                adapter = libmimir.create_platform_adapter()
                usage = adapter.get_resource_usage(1 << 40)
                good = usage.memory_bytes > 0 and usage.cpu_time_seconds < 1 and libmimir.is_linux()
            finally:
                os._exit(0 if good else 1)
        assert os.waitpid(pid, 0)[1] == 0
    """)


@linux_only
def test_a_setter_that_fails_in_a_forked_child_warns_there() -> None:
    done = python("""
        import os, libmimir
        pid = os.fork()
        if pid == 0:
            os._exit(3 if libmimir.get_platform_adapter().set_memory_limit(-1) is False else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    """)
    assert "could not set the memory limit to -1" in done.stderr
