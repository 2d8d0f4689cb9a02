"""`libmimir.Popen` is used as `subprocess.Popen` is, keeps limits, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import libmimir
import pytest
from libmimir import DEVNULL, PIPE, STDOUT, Popen
from support import command_of, eventually, is_alive, linux_only, python, unix_only

pytestmark = unix_only


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_output_is_read_as_it_comes() -> None:
    with Popen(["sh", "-c", "echo one; read line; echo $line"], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        assert process.poll() is None
        process.stdin.write("two\n")
        process.stdin.flush()
        assert process.stdout.read() == "two\n"
        assert process.wait() == 0
    assert process.result is not None
    assert process.result.termination_reason is None


def test_a_command_that_has_ended_tells_its_whole_verdict() -> None:
    process = Popen(["sh", "-c", "exit 3"], memory="100M", cpu=5, wall=20)
    assert process.pid > 0
    assert process.wait() == 3
    assert (process.poll(), process.returncode) == (3, 3)
    result = process.result
    assert result is not None
    assert (result.exit_code, result.signal, result.args) == (3, None, ["sh", "-c", "exit 3"])
    assert set(result.limits) == set(result.enforcement) == {"memory", "cpu", "wall"}
    assert result.wall_time_seconds > 0
    assert "returncode: 3" in repr(process)


def test_a_timeout_can_be_endless() -> None:
    with Popen(["sh", "-c", "exit 3"]) as process:
        assert process.wait(timeout=float("inf")) == 3


def test_there_is_no_result_while_it_runs() -> None:
    with Popen(["sleep", "100"]) as process:
        assert (process.poll(), process.returncode, process.result) == (None, None, None)
    assert process.returncode == -signal.SIGKILL
    assert process.result is not None
    assert process.result.termination_reason == "killed"


def test_waiting_longer_than_the_timeout_is_the_exception_of_subprocess_and_the_command_goes_on() -> None:
    with Popen(["sh", "-c", "sleep 0.5; exit 4"]) as process:
        with pytest.raises(subprocess.TimeoutExpired) as told:
            process.wait(0.05)
        assert told.value.timeout == 0.05
        assert process.wait(timeout=20) == 4


@pytest.mark.parametrize(
    ("limits", "command", "reason"),
    [
        ({"wall": 0.2}, ["sleep", "100"], "walltime"),
        ({"cpu": 0.3}, command_of("while True: pass"), "cputime"),
        ({"memory": "64M"}, command_of("b = []\nwhile True: b.append(b'x' * (1 << 20))"), "memory"),
        ({"output": "10K"}, ["yes"], "output"),
    ],
)
def test_a_limit_ends_it_and_the_readers_see_the_end(limits: Any, command: list[str], reason: str) -> None:
    with Popen(command, stdout=PIPE, **limits) as process:
        out, err = process.communicate(timeout=30)
    assert err is None
    assert process.result is not None
    assert process.result.termination_reason == reason
    if reason == "output":
        assert 0 < len(out) <= 10 * 1024
        assert process.result.stdout == out


def test_an_output_limit_holds_for_both_pipes_together() -> None:
    script = "head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2; sleep 100"
    with Popen(["sh", "-c", script], stdout=PIPE, stderr=PIPE, output=100_000, wall=30) as process:
        out, err = process.communicate(timeout=30)
    assert process.result is not None
    assert process.result.termination_reason == "output"
    assert len(out) + len(err) <= 100_000


def test_counted_output_comes_as_it_is_written_and_whole() -> None:
    with Popen(["sh", "-c", "echo one; read x; head -c 300000 /dev/zero"], stdin=PIPE, stdout=PIPE, output="1M") as it:
        assert it.stdin is not None
        assert it.stdout is not None
        assert it.stdout.readline() == b"one\n"
        it.stdin.write(b"\n")
        it.stdin.close()
        assert len(it.stdout.read()) == 300_000
        assert it.wait() == 0


def test_the_end_of_counted_output_is_seen_when_the_command_closes_it() -> None:
    with Popen(["sh", "-c", "echo one; exec >&-; sleep 100"], stdout=PIPE, output="1M", wall=60) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"one\n"
        assert process.poll() is None
        process.kill()


def test_counted_output_takes_no_thread_of_python() -> None:
    before = threading.active_count()
    with Popen(["sleep", "100"], stdout=PIPE, stderr=PIPE, output="1M") as process:
        assert threading.active_count() == before
        process.kill()


def test_limits_hold_although_nobody_reads_what_is_counted() -> None:
    with Popen(["yes"], stdout=PIPE, output="10M", wall=0.5) as process:
        assert process.wait(30) == -signal.SIGKILL
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"y\ny\n")
    assert process.result is not None
    assert process.result.termination_reason == "walltime"


def test_communicate_sends_and_reads_more_than_pipes_hold() -> None:
    data = bytes(range(256)) * 4096
    with Popen(["cat"], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.communicate(data) == (data, b"")
    assert process.returncode == 0


def test_communicate_as_text_makes_every_line_end_one() -> None:
    with Popen(["printf", "a\\r\\nb\\rc\\n"], stdout=PIPE, text=True) as process:
        assert process.communicate() == ("a\nb\nc\n", None)
    with Popen(["cat"], stdin=PIPE, stdout=PIPE, encoding="utf-16-le") as process:
        assert process.communicate("ä€") == ("ä€", None)


def test_communicate_that_runs_out_of_time_can_be_called_again_and_loses_nothing(tmp_path: Path) -> None:
    script = "echo one; while [ ! -e go-on ]; do sleep 0.1; done; echo two"
    with Popen(["sh", "-c", script], stdout=PIPE, cwd=tmp_path) as process:
        seen = None
        while seen != b"one\n":
            assert not seen
            with pytest.raises(subprocess.TimeoutExpired) as told:
                process.communicate(timeout=0.2)
            seen = told.value.output
        (tmp_path / "go-on").touch()
        with pytest.raises(ValueError, match="Cannot send input"):
            process.communicate(b"x")
        assert process.communicate(timeout=20) == (b"one\ntwo\n", None)


def test_input_that_nobody_reads_is_no_error() -> None:
    with Popen(["true"], stdin=PIPE, stdout=PIPE) as process:
        assert process.communicate(b"x" * (1 << 20)) == (b"", None)
    with Popen(["true"], stdin=PIPE) as process:
        assert process.stdin is not None
        process.wait()
        process.stdin.write(b"x")  # is written as it is closed


def test_input_without_a_pipe_is_an_error() -> None:
    with Popen(["cat"], stdin=DEVNULL) as process, pytest.raises(ValueError, match="stdin"):
        process.communicate(b"x")


def test_errors_go_where_the_output_goes_and_nowhere(tmp_path: Path) -> None:
    script = ["sh", "-c", "echo out; echo err >&2"]
    with Popen(script, stdout=PIPE, stderr=STDOUT) as process:
        assert process.communicate() == (b"out\nerr\n", None)
    with Popen(script, stdout=DEVNULL, stderr=PIPE) as process:
        assert process.communicate() == (None, b"err\n")
    with open(tmp_path / "file", "wb") as file, Popen(script, stdout=file, stderr=STDOUT) as process:
        process.wait()
    assert (tmp_path / "file").read_bytes() == b"out\nerr\n"


def test_it_is_terminated_politely_and_killed_for_good() -> None:
    with Popen(["sleep", "100"]) as process:
        process.terminate()
        assert process.wait(20) == -signal.SIGTERM
        process.terminate()
        process.kill()
        process.send_signal(signal.SIGUSR1)
    assert process.result is not None
    assert process.result.termination_reason is None
    with Popen(["sh", "-c", "trap '' TERM; echo on; while :; do sleep 1; done"], stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.kill()
        assert process.wait(20) == -signal.SIGKILL
    assert process.result is not None
    assert process.result.termination_reason == "killed"


def test_a_signal_is_sent() -> None:
    with Popen(["sh", "-c", "trap 'exit 7' USR1; echo on; while :; do sleep 0.05; done"], stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
        assert process.wait(20) == 7


def test_its_usage_can_be_read_while_it_runs() -> None:
    hold = command_of("import time; block = b'x' * (60 << 20); print(flush=True); time.sleep(100)")
    with Popen(hold, stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        eventually(lambda: (process.usage().resident_bytes or 0) > 60 << 20)
        assert process.usage().pid == process.pid
    with pytest.raises(ProcessLookupError):
        process.usage()


def test_leaving_the_context_ends_all_of_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"setsid sleep 100 & echo $! >> {pids}; sleep 100 & echo $! >> {pids}; echo on; wait"
    process = Popen(["sh", "-c", script], stdout=PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(KeyError), process:
        raise KeyError
    assert [pid for pid in pids.read_text().split() if is_alive(int(pid))] == []
    assert not is_alive(process.pid)
    assert process.stdout.closed


def test_grace_lets_it_say_goodbye() -> None:
    script = "trap 'echo bye; exit 5' TERM; echo on; while :; do sleep 0.05; done"
    with Popen(["sh", "-c", script], stdout=PIPE, grace=20) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        assert process.stdout.read() == b"bye\n"
        assert process.wait(20) == 5


def test_one_that_nobody_has_any_more_is_ended_with_a_warning() -> None:
    process = Popen(["sleep", "100"])
    pid = process.pid
    processes = [process]
    del process
    with pytest.warns(ResourceWarning, match=f"command {pid} was still running"):
        processes.clear()
    assert not is_alive(pid)


def test_one_that_is_running_when_the_interpreter_ends_is_ended_quietly() -> None:
    for code in ("", "builtins.kept = process\n", "import threading; threading.Thread(target=process.wait).start()\n"):
        wall = "0.5" if "threading" in code else "100"
        done = subprocess.run(
            [
                *(sys.executable, "-X", "dev", "-W", "error", "-c"),
                "import builtins, libmimir\n"
                f"process = libmimir.Popen(['sleep', '100'], stdout=-1, output=10, wall={wall})\n"
                "print(process.pid)\n" + code,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        assert not is_alive(int(done.stdout))


def test_several_threads_can_wait_for_it() -> None:
    codes: list[int] = []
    with Popen(["sh", "-c", "sleep 0.3; exit 6"]) as process:
        threads = [threading.Thread(target=lambda: codes.append(process.wait(20))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert codes == [6] * 8


def test_what_cannot_be_started_raises_and_leaves_nothing() -> None:
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        Popen(["/no/such/program"], stdin=PIPE, stdout=PIPE, stderr=PIPE)
    with pytest.raises(TypeError, match="'nonsense'"):
        Popen(["true"], nonsense=1)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="memory"):
        Popen(["true"], memory="much")
    assert descriptors() == before


@linux_only
def test_no_descriptor_and_no_thread_is_left(tmp_path: Path) -> None:
    def one() -> None:
        with Popen(["cat"], stdin=PIPE, stdout=PIPE, stderr=PIPE, output="1M", wall=20) as process:
            process.communicate(b"x")
        Popen(["true"], stdout=DEVNULL).wait()

    one()
    threads = threading.active_count()
    before = descriptors()
    for _ in range(20):
        one()
    eventually(lambda: descriptors() == before)
    eventually(lambda: threading.active_count() == threads)


def test_a_child_of_this_process_cannot_use_it() -> None:
    python("""
        import os, libmimir
        process = libmimir.Popen(["sleep", "0.5"], stdout=libmimir.PIPE)
        pid = os.fork()
        if pid == 0:
            try:
                process.poll()
            except libmimir.ForkedError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        assert process.communicate() == (b"", None)
        assert process.returncode == 0
    """)


def test_wait_lets_signal_handlers_run() -> None:
    def ring(*_: object) -> None:
        raise InterruptedError

    old = signal.signal(signal.SIGALRM, ring)
    began = time.monotonic()
    try:
        with Popen(["sleep", "100"]) as process:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(InterruptedError):
                process.wait()
    finally:
        signal.signal(signal.SIGALRM, old)
    assert time.monotonic() - began < 20
    assert not is_alive(process.pid)
    assert libmimir.Popen is Popen
