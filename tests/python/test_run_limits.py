"""Each limit of `libmimir.run` ends or refuses what goes beyond it, and the reason is told.

Where control groups can be written, all of it runs once with them and once without.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import libmimir
import pytest
from support import TREE, command_of, eventually, is_alive, linux_only, python, unix_only

pytestmark = unix_only

MIB = 1 << 20


@pytest.mark.skipif(TREE != "kernel", reason="no control group can be written here: this run is the one without")
def test_all_of_this_holds_without_control_groups() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "LIBMIMIR_CGROUPS": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(TREE != "kernel", reason="no control group can be written here: there is nothing to do without")
def test_the_variable_can_be_set_by_the_program_itself_after_the_import() -> None:
    done = python(
        "import os, libmimir; os.environ['LIBMIMIR_CGROUPS'] = 'off'\n"
        "print(libmimir.run(['true'], memory='64M').enforcement['memory'])"
    )
    assert done.stdout == "watchdog\n"


def test_a_command_within_its_limits_does_not_notice_them() -> None:
    result = libmimir.run(
        ["echo", "hello"],
        memory="256M",
        cpu=5,
        wall=20,
        processes=10,
        open_files=64,
        file_size="10M",
        address_space="4G",
        output="1M",
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.exit_code, result.termination_reason) == ("hello\n", 0, None)
    assert result.limits == {
        "memory": 256 * MIB,
        "cpu": 5,
        "wall": 20,
        "processes": 10,
        "open_files": 64,
        "file_size": 10 * MIB,
        "address_space": 4 << 30,
        "output": MIB,
    }


@linux_only
def test_the_enforcement_of_each_limit_is_told_by_its_argument() -> None:
    result = libmimir.run(
        ["true"],
        memory="256M",
        cpu=5,
        wall=20,
        processes=10,
        open_files=64,
        file_size="10M",
        address_space="4G",
        output="1M",
    )
    assert result.enforcement == {
        "memory": TREE,
        "cpu": "kernel",
        "wall": "watchdog",
        "processes": TREE,
        "open_files": "kernel",
        "file_size": "kernel",
        "address_space": "kernel",
        "output": "watchdog",
    }


@linux_only
def test_the_limits_are_in_force_before_the_first_instruction() -> None:
    show = command_of("""
        import resource
        print([resource.getrlimit(limit)[0] for limit in (
            resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_CPU)])
    """)
    result = libmimir.run(
        show, open_files=77, file_size=12345, address_space=3 << 30, cpu=7, capture_output=True, text=True
    )
    assert result.stdout.strip() == f"[77, 12345, {3 << 30}, 7]"


GROW = """
    import mmap
    blocks = []
    while True:
        block = mmap.mmap(-1, 1 << 20)
        for at in range(0, 1 << 20, 4096):
            block[at] = 1
        blocks.append(block)
"""


@linux_only
@pytest.mark.parametrize("limit", [64 * MIB, 256 * MIB])
def test_a_command_that_touches_more_memory_is_ended_having_taken_at_most_a_tenth_more(limit: int) -> None:
    result = libmimir.run(command_of(GROW), memory=limit, wall=30)
    assert result.termination_reason == "memory"
    assert (result.signal, result.returncode) == (signal.SIGKILL, -signal.SIGKILL)
    # What a control group counts is more than what is resident.
    assert limit * (0.95 if TREE == "watchdog" else 0.7) <= result.peak_memory_bytes <= limit * 1.1


@linux_only
def test_the_memory_of_descendants_counts() -> None:
    code = """
        import os, sys, time
        for _ in range(4):
            if os.fork() == 0:
                block = bytearray(b"x" * (40 << 20))
                time.sleep(30)
                os._exit(0)
        time.sleep(30)
    """
    result = libmimir.run(command_of(code), memory="100M", wall=30)
    assert result.termination_reason == "memory"


@linux_only
@pytest.mark.skipif(TREE == "kernel", reason="a control group ends who touches memory; asking for it is free")
def test_one_that_asks_for_far_more_at_once_is_refused_by_the_kernel_and_says_so_itself() -> None:
    result = libmimir.run(command_of("bytearray(1 << 30)"), memory="128M", wall=30, stderr=subprocess.PIPE, text=True)
    assert (result.exit_code, result.termination_reason) == (1, None)
    assert "MemoryError" in result.stderr
    assert result.peak_memory_bytes < 128 * MIB


@pytest.mark.parametrize("limit", [1, 0.3])
def test_one_that_spins_is_ended_by_its_cpu_time(limit: float) -> None:
    result = libmimir.run(command_of("while True: pass"), cpu=limit, wall=30)
    assert result.termination_reason == "cputime"
    # The kernel's count for the limit is one of ticks; on a busy machine it runs ahead of the one that is told.
    assert limit * 0.7 <= result.cpu_time_seconds <= limit + 1.2


def test_one_that_catches_the_signal_of_its_cpu_time_is_ended_all_the_same() -> None:
    code = "import signal; signal.signal(signal.SIGXCPU, lambda *_: None)\nwhile True: pass"
    result = libmimir.run(command_of(code), cpu=1, wall=30)
    assert result.termination_reason == "cputime"
    assert result.cpu_time_seconds <= 2.2


@linux_only
def test_the_cpu_time_of_descendants_counts() -> None:
    code = """
        import os
        for _ in range(3):
            if os.fork() == 0:
                while True: pass
        while True: pass
    """
    result = libmimir.run(command_of(code), cpu=1, wall=30)
    assert result.termination_reason == "cputime"


def test_one_that_sleeps_is_ended_by_its_wall_time() -> None:
    result = libmimir.run(["sleep", "100"], wall=0.3)
    assert result.termination_reason == "walltime"
    assert 0.3 <= result.wall_time_seconds < 20
    assert result.signal == signal.SIGKILL


def test_all_of_a_group_is_ended_with_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"(trap \"\" TERM; echo $(sh -c 'echo $PPID') >> {pids}; sleep 100) & echo $! >> {pids}; sleep 100"
    result = libmimir.run(["sh", "-c", script], wall=0.5)
    assert result.termination_reason == "walltime"
    found = {int(pid) for pid in pids.read_text().split()}
    assert found
    for pid in found:
        eventually(lambda pid=pid: not is_alive(pid), f"process {pid} lives on")  # type: ignore[misc]


def test_one_that_ignores_every_signal_is_ended_all_the_same() -> None:
    result = libmimir.run(["sh", "-c", "trap '' TERM INT HUP XCPU; while :; do sleep 1; done"], wall=0.3)
    assert result.termination_reason == "walltime"


def test_one_that_writes_a_larger_file_is_ended_by_its_file_size(tmp_path: Path) -> None:
    file = tmp_path / "file"
    result = libmimir.run(["dd", "if=/dev/zero", f"of={file}", "bs=1k", "count=100"], file_size="10K", stderr=-3)
    assert result.termination_reason == "filesize"
    assert result.signal == signal.SIGXFSZ
    assert file.stat().st_size == 10 * 1024


def test_one_that_writes_more_output_is_ended_by_its_output() -> None:
    result = libmimir.run(["yes"], output="100K", capture_output=True, wall=30)
    assert result.termination_reason == "output"
    assert result.stdout.startswith(b"y\ny\n")
    assert len(result.stdout) <= 100 * 1024


def test_output_that_is_not_captured_counts_as_well(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as file:
        result = libmimir.run(["yes"], output="100K", stdout=file, wall=30)
    assert result.termination_reason == "output"
    assert 0 < (tmp_path / "out").stat().st_size <= 100 * 1024


def test_both_outputs_count_together() -> None:
    script = "head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2; sleep 100"
    result = libmimir.run(["sh", "-c", script], output=100_000, capture_output=True, wall=30)
    assert result.termination_reason == "output"
    assert len(result.stdout) + len(result.stderr) <= 100_000


@linux_only
def test_one_that_starts_more_processes_is_ended_by_its_processes() -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; wait"
    result = libmimir.run(["sh", "-c", script], processes=4, wall=30)
    assert result.termination_reason == "processes"
    assert result.peak_processes is not None
    if TREE == "watchdog":  # the kernel refuses the fifth, which the watchdog has to see
        assert result.peak_processes > 4


def test_one_cannot_open_more_files_than_its_limit() -> None:
    code = """
        import errno
        files = []
        try:
            while True:
                files.append(open("/dev/null"))
        except OSError as error:
            print(len(files), errno.errorcode[error.errno])
    """
    result = libmimir.run(command_of(code), open_files=32, capture_output=True, text=True)
    count, error = result.stdout.split()
    assert 20 <= int(count) < 32
    assert error == "EMFILE"


@linux_only
def test_one_cannot_map_more_than_its_address_space() -> None:
    result = libmimir.run(command_of("import mmap; mmap.mmap(-1, 1 << 30)"), address_space="500M", capture_output=True)
    assert result.exit_code == 1
    assert b"Cannot allocate memory" in result.stderr


def test_a_limit_of_zero_is_zero(tmp_path: Path) -> None:
    file = tmp_path / "file"
    result = libmimir.run(["sh", "-c", f"echo x > {file}"], file_size=0)
    assert result.termination_reason == "filesize"
    assert file.stat().st_size == 0
    assert libmimir.run(["echo", "x"], output=0, capture_output=True).termination_reason == "output"
    assert libmimir.run(["sleep", "100"], wall=0).termination_reason == "walltime"


def test_a_signal_that_the_command_sends_itself_is_no_limit() -> None:
    # SIGXFSZ is not among them: nothing tells the kernel's own from another.
    for number in (signal.SIGKILL, signal.SIGXCPU):
        result = libmimir.run(["sh", "-c", f"kill -{number:d} $$"], memory="200M", cpu=100, wall=30)
        assert (result.signal, result.termination_reason) == (number, None)


def test_a_limit_above_the_hard_limit_says_which_what_was_asked_and_what_is_allowed() -> None:
    done = python("""
        import libmimir, resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        try:
            libmimir.run(["true"], open_files=1000)
        except libmimir.LimitError as error:
            print(error)
        except ValueError as error:
            raise AssertionError(repr(error))
    """)
    assert "open files" in done.stdout
    assert "1000" in done.stdout
    assert "256" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_the_soft_limit_of_this_process_does_not_bind_the_command() -> None:
    done = python("""
        import libmimir, resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        print(libmimir.run(["sh", "-c", "ulimit -n"], open_files=200, capture_output=True, text=True).stdout)
    """)
    assert done.stdout.strip() == "200"


@linux_only
def test_a_command_can_be_run_under_limits_that_python_itself_has_set() -> None:
    python("""
        import libmimir
        adapter = libmimir.get_platform_adapter()
        assert adapter.set_file_descriptor_limit(64)
        assert adapter.set_cpu_limit(100)
        assert libmimir.run(["true"], cpu=5).exit_code == 0
    """)


def test_a_value_that_equals_one_accepted_before_is_read_anew() -> None:
    assert libmimir.run(["true"], open_files=64, wall=1).exit_code == 0
    with pytest.raises(libmimir.InvalidArgumentError, match=r"open_files: 64\.0"):
        libmimir.run(["true"], open_files=64.0, wall=1)  # type: ignore[call-overload]
    with pytest.raises(libmimir.InvalidArgumentError, match="wall: True"):
        libmimir.run(["true"], open_files=64, wall=True)
