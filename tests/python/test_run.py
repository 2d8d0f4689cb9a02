"""`libmimir.run` runs a command as `subprocess.run` does, and tells more."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import libmimir
import pytest
from support import command_of, eventually, is_alive, linux_only, python, unix_only

pytestmark = unix_only


def test_a_command_that_returns_is_told_with_what_it_used() -> None:
    result = libmimir.run(["sh", "-c", "exit 3"])
    assert (result.exit_code, result.signal, result.returncode) == (3, None, 3)
    assert result.termination_reason is None
    assert result.args == ["sh", "-c", "exit 3"]
    assert [result.stdout, result.stderr] == [None, None]
    assert 0 <= result.cpu_time_seconds < 5
    assert result.cpu_time_seconds == pytest.approx(result.user_time_seconds + result.system_time_seconds)
    assert 0 < result.wall_time_seconds < 20
    assert (result.enforcement, result.limits) == ({}, {})


def test_a_command_that_dies_of_a_signal_is_told_apart() -> None:
    result = libmimir.run(["sh", "-c", "kill -TERM $$"])
    assert (result.exit_code, result.signal, result.returncode) == (None, signal.SIGTERM, -signal.SIGTERM)
    assert result.termination_reason is None


def test_the_times_are_those_of_the_command() -> None:
    result = libmimir.run(command_of("import time\nwhile time.process_time() < 0.3: pass"))
    assert 0.29 <= result.cpu_time_seconds < 5
    assert result.wall_time_seconds >= 0.29
    asleep = libmimir.run(["sleep", "0.3"])
    assert asleep.wall_time_seconds >= 0.3
    assert asleep.cpu_time_seconds < 0.2


@linux_only
def test_the_peak_memory_is_that_of_the_command_and_not_of_this_process() -> None:
    block = bytearray(300 << 20)
    block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
    small = libmimir.run(["sleep", "0.1"])
    assert small.peak_memory_bytes < 50 << 20
    del block
    large = libmimir.run(command_of("import time; b = bytearray(b'x' * (200 << 20)); time.sleep(0.1)"))
    assert 200 << 20 <= large.peak_memory_bytes < 450 << 20


@pytest.mark.parametrize(
    "args",
    [
        ["echo", "a b"],
        ("echo", "a b"),
        ["echo", b"a b"],
        ["echo", Path("a b")],
        iter(["echo", "a b"]),
        [b"echo", "a b"],
    ],
)
def test_a_command_is_a_sequence_of_texts_and_paths(args: list[str]) -> None:
    assert libmimir.run(args, capture_output=True).stdout == b"a b\n"


@pytest.mark.parametrize("args", ["true", b"true", Path("/bin/true")])
def test_a_single_text_is_a_program(args: str) -> None:
    assert libmimir.run(args).exit_code == 0


def test_a_single_text_is_not_split_as_a_shell_would() -> None:
    with pytest.raises(FileNotFoundError):
        libmimir.run("echo hello")


def test_arguments_that_are_no_utf8_arrive_as_they_are() -> None:
    assert libmimir.run(["printf", "%s", b"\xff\xfe"], capture_output=True).stdout == b"\xff\xfe"
    assert libmimir.run(["printf", "%s", "\udcff"], capture_output=True).stdout == b"\xff"


def test_both_outputs_are_captured_apart() -> None:
    result = libmimir.run(["sh", "-c", "echo out; echo err >&2"], capture_output=True)
    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")
    assert result.output_bytes == 8


def test_one_output_is_captured_alone() -> None:
    result = libmimir.run(["sh", "-c", "echo out; echo err >&2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert [result.stdout, result.stderr] == [b"out\n", None]
    result = libmimir.run(["sh", "-c", "echo out; echo err >&2"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert [result.stdout, result.stderr] == [None, b"err\n"]


def test_errors_can_go_where_the_output_goes() -> None:
    result = libmimir.run(
        ["sh", "-c", "echo out; echo err >&2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert [result.stdout, result.stderr] == ["out\nerr\n", None]


def test_a_command_without_output_gives_empty_output() -> None:
    result = libmimir.run(["true"], capture_output=True)
    assert (result.stdout, result.stderr) == (b"", b"")


def test_output_goes_to_files_and_descriptors(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
        libmimir.run(["sh", "-c", "echo out; echo err >&2"], stdout=out, stderr=err.fileno())
    assert (tmp_path / "out").read_bytes() == b"out\n"
    assert (tmp_path / "err").read_bytes() == b"err\n"


def test_output_goes_to_this_processs_own_by_default() -> None:
    code = "import libmimir; libmimir.run(['sh', '-c', 'echo out; echo err >&2'])"
    done = python(code)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_input_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"from a file")
    with open(tmp_path / "in", "rb") as file:
        assert libmimir.run(["cat"], stdin=file, capture_output=True).stdout == b"from a file"
    with open(tmp_path / "in", "rb") as file:
        assert libmimir.run(["cat"], stdin=file.fileno(), capture_output=True).stdout == b"from a file"


def test_input_comes_from_this_processs_own_by_default() -> None:
    done = python("import libmimir; libmimir.run(['cat'])", input="from outside")
    assert done.stdout == "from outside"


@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, subprocess.PIPE])
def test_input_that_nobody_gives_is_at_its_end(stdin: int) -> None:
    assert libmimir.run(["cat"], stdin=stdin, capture_output=True, wall=20).stdout == b""


@pytest.mark.parametrize("data", [b"", b"some", bytearray(b"some"), memoryview(b"some")])
def test_input_is_given_as_bytes(data: bytes) -> None:
    assert libmimir.run(["cat"], input=data, capture_output=True).stdout == bytes(data)


def test_more_input_and_output_than_a_pipe_holds_pass_through() -> None:
    data = os.urandom(1 << 20) * 8
    result = libmimir.run(["tee", "/dev/stderr"], input=data, capture_output=True)
    assert result.stdout == data
    assert result.stderr == data
    assert result.output_bytes == 2 * len(data)


def test_input_that_is_not_read_harms_nobody() -> None:
    assert libmimir.run(["true"], input=b"x" * (1 << 20)).exit_code == 0


def test_text_is_decoded_and_its_line_ends_are_made_one() -> None:
    result = libmimir.run(["printf", "a\\r\\nb\\rc\\nd"], capture_output=True, text=True)
    assert result.stdout == "a\nb\nc\nd"
    assert result.stderr == ""


def test_text_is_encoded_and_decoded_as_asked() -> None:
    assert libmimir.run(["cat"], input="é", encoding="latin-1", stdout=subprocess.PIPE).stdout == "é"
    assert libmimir.run(["cat"], input=b"\xe9", capture_output=True).stdout == b"\xe9"
    replaced = libmimir.run(["printf", b"\\377"], capture_output=True, encoding="utf-8", errors="replace")
    assert replaced.stdout == "\ufffd"
    assert libmimir.run(["echo"], capture_output=True, errors="strict").stdout == "\n"


def test_text_that_cannot_be_decoded_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        libmimir.run(["printf", "\\377"], capture_output=True, encoding="utf-8")


def test_the_result_is_what_subprocess_gives() -> None:
    for arguments in (["echo", "a"], ["sh", "-c", "echo b >&2; exit 7"], ["sh", "-c", "kill -9 $$"]):
        for text in (False, True):
            ours = libmimir.run(arguments, capture_output=True, text=text)
            theirs = subprocess.run(arguments, capture_output=True, text=text, check=False)
            assert isinstance(ours, subprocess.CompletedProcess)
            assert (ours.args, ours.returncode) == (theirs.args, theirs.returncode)
            assert (ours.stdout, ours.stderr) == (theirs.stdout, theirs.stderr)


def test_the_command_starts_in_the_directory_asked_for(tmp_path: Path) -> None:
    assert libmimir.run(["pwd"], cwd=tmp_path, capture_output=True, text=True).stdout == f"{tmp_path}\n"
    (tmp_path / "tool").write_text("#!/bin/sh\necho here\n")
    (tmp_path / "tool").chmod(0o755)
    assert libmimir.run(["./tool"], cwd=str(tmp_path), capture_output=True).stdout == b"here\n"


def test_the_environment_is_this_processs_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_AFTER_LOADING", "yes")
    result = libmimir.run(["sh", "-c", "echo $SET_AFTER_LOADING"], capture_output=True, text=True)
    assert result.stdout == "yes\n"
    monkeypatch.delenv("SET_AFTER_LOADING")
    result = libmimir.run(["sh", "-c", "echo ${SET_AFTER_LOADING-unset}"], capture_output=True, text=True)
    assert result.stdout == "unset\n"


def test_equal_values_of_other_types_are_read_anew() -> None:
    for _ in range(2):
        result = libmimir.run(["true"], open_files=100, cpu=1)
        assert result.limits == {"open_files": 100, "cpu": 1.0}
        result.limits["cpu"] = 2  # a result's own
        result.enforcement.clear()
        assert set(libmimir.run(["true"], open_files=100, cpu=1).enforcement) == {"open_files", "cpu"}
        assert libmimir.run(["true"], open_files=100, cpu=1.0).limits == {"open_files": 100, "cpu": 1.0}
        for bad in (True, 100.0):
            with pytest.raises(libmimir.InvalidArgumentError, match="open_files"):
                libmimir.run(["true"], open_files=bad)  # type: ignore[arg-type]
        with pytest.raises(libmimir.InvalidArgumentError, match="cpu"):
            libmimir.run(["true"], open_files=100, cpu=True)


def test_an_environment_that_is_given_is_the_whole_environment() -> None:
    result = libmimir.run(["/usr/bin/env"], env={"A": "1", "B": "x=y", "C": ""}, capture_output=True, text=True)
    assert sorted(result.stdout.splitlines()) == ["A=1", "B=x=y", "C="]
    assert libmimir.run(["/usr/bin/env"], env={}, capture_output=True).stdout == b""
    assert libmimir.run(["/usr/bin/env"], env={b"A": b"\xff"}, capture_output=True).stdout == b"A=\xff\n"


def test_the_program_is_looked_up_in_the_path_that_the_command_gets(tmp_path: Path) -> None:
    (tmp_path / "only-here").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "only-here").chmod(0o755)
    result = libmimir.run(["only-here"], env={"PATH": str(tmp_path)}, capture_output=True)
    assert result.stdout == b"found\n"
    with pytest.raises(FileNotFoundError):
        libmimir.run(["only-here"])


def test_the_command_leads_a_process_group_of_its_own() -> None:
    shown = libmimir.run(command_of("import os; print(os.getpid(), os.getpgrp())"), capture_output=True, text=True)
    pid, group = shown.stdout.split()
    assert pid == group
    assert int(group) != os.getpgrp()


@linux_only
def test_the_command_gets_none_of_this_processs_descriptors(tmp_path: Path) -> None:
    with open(tmp_path / "open", "wb") as file:
        os.set_inheritable(file.fileno(), False)
        result = libmimir.run(
            command_of("import os; print(os.listdir('/proc/self/fd'))"), capture_output=True, text=True
        )
    # The fourth is that of the listing.
    assert result.stdout.strip() == "['0', '1', '2', '3']"


@linux_only
def test_the_command_gets_default_signals_although_python_ignores_some() -> None:
    result = libmimir.run(["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"], capture_output=True, text=True)
    masks = dict(line.split(":\t") for line in result.stdout.splitlines())
    python_ignores = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    assert int(masks["SigIgn"], 16) & python_ignores == 0
    assert int(masks["SigBlk"], 16) == 0


def test_a_grandchild_that_holds_the_output_does_not_delay_the_return_and_is_ended() -> None:
    result = libmimir.run(["sh", "-c", "sleep 100 & echo $!"], capture_output=True, text=True, wall=20)
    assert result.termination_reason is None
    assert result.exit_code == 0
    pid = int(result.stdout)
    eventually(lambda: not is_alive(pid), "the grandchild lives on")


def test_runs_in_many_threads_keep_apart() -> None:
    answers: dict[int, str] = {}

    def work(number: int) -> None:
        for _ in range(5):
            result = libmimir.run(["sh", "-c", f"echo {number}; exit {number}"], capture_output=True, text=True)
            if result.exit_code == number:
                answers[number] = result.stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"{number}\n" for number in range(16)}


@linux_only
def test_runs_leave_no_descriptor_and_no_process_behind() -> None:
    python("""
        import libmimir, os
        def state():
            return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        def some():
            for _ in range(50):
                libmimir.run(["true"], capture_output=True, input=b"x", memory="100M", cpu=5, wall=20)
                try:
                    libmimir.run(["/nonexistent"])
                except FileNotFoundError:
                    pass
        some()
        descriptors, threads = state()
        some()
        assert state()[0] == descriptors, (state(), descriptors)
        assert state()[1] <= threads + 2, (state(), threads)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        else:
            raise AssertionError("a child was left")
    """)


def test_a_signal_handler_that_raises_ends_the_command(tmp_path: Path) -> None:
    python(
        """
        import libmimir, os, signal, sys, time
        class Stop(Exception): pass
        def stop(*_): raise Stop
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        started = time.monotonic()
        try:
            libmimir.run(["sh", "-c", 'echo $$ > "$1"; sleep 100', "sh", sys.argv[1]])
        except Stop:
            pass
        else:
            raise AssertionError("it was not interrupted")
        assert time.monotonic() - started < 20
        pid = int(open(sys.argv[1]).read())
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            pass
        else:
            raise AssertionError("the command lives on")
        """,
        str(tmp_path / "pid"),
    )


def test_ctrl_c_is_a_keyboard_interrupt_and_ends_the_command() -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", "import libmimir; libmimir.run(['sh', '-c', 'echo $$; exec sleep 100'])"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        started.send_signal(signal.SIGINT)
        assert started.wait(30) == -signal.SIGINT
        assert started.stderr is not None
        assert "KeyboardInterrupt" in started.stderr.read()
    eventually(lambda: not is_alive(pid), "the command lives on")


def test_a_handler_that_returns_lets_the_command_go_on() -> None:
    python("""
        import libmimir, signal
        seen = []
        signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        result = libmimir.run(["sleep", "2"])
        signal.setitimer(signal.ITIMER_REAL, 0)  # an interpreter that ends has no handler any more, and would be killed
        assert result.exit_code == 0
        assert len(seen) >= 3, seen
    """)


def test_a_command_that_fails_is_an_error_when_checked() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        libmimir.run(["sh", "-c", "echo out; exit 3"], capture_output=True, check=True)
    error = caught.value
    assert isinstance(error, libmimir.JobError)
    assert (error.returncode, error.cmd, error.output) == (3, ["sh", "-c", "echo out; exit 3"], b"out\n")
    assert str(error) == "Command ['sh', '-c', 'echo out; exit 3'] returned 3."
    assert error.result.exit_code == 3
    assert libmimir.run(["true"], check=True).exit_code == 0


def test_a_checked_command_that_a_limit_ended_is_an_error_that_names_it() -> None:
    with pytest.raises(libmimir.JobError) as caught:
        libmimir.run(["sleep", "100"], wall=0.2, check=True)
    assert str(caught.value) == "Command ['sleep', '100'] ended by its wall time limit of 200 ms (SIGKILL)."
    assert caught.value.result.termination_reason == "walltime"


def test_a_result_and_its_error_survive_pickling() -> None:
    result = libmimir.run(["sh", "-c", "echo a; exit 1"], capture_output=True, wall=20)
    copy = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert vars(copy) == vars(result)
    error = pickle.loads(pickle.dumps(libmimir.JobError(result)))  # noqa: S301
    assert str(error) == str(libmimir.JobError(result))


def test_a_result_shows_what_matters() -> None:
    shown = repr(libmimir.run(["sleep", "100"], wall=0.1, stdout=subprocess.PIPE))
    assert shown.startswith("JobResult(args=['sleep', '100'], returncode=-9, termination_reason='walltime', stdout=b''")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"args": []}, ValueError, "the command is empty"),
        ({"args": [""]}, ValueError, "the name of the program is empty"),
        ({"args": ""}, ValueError, "the name of the program is empty"),
        ({"args": ["/nonexistent/tool"]}, FileNotFoundError, "/nonexistent/tool"),
        ({"args": ["no-such-tool"]}, FileNotFoundError, "no-such-tool"),
        ({"args": ["/etc/passwd"]}, PermissionError, "/etc/passwd"),
        ({"args": ["/etc"]}, PermissionError, "/etc"),
        ({"args": ["a\0b"]}, ValueError, "embedded null byte"),
        ({"args": ["true", "\0"]}, ValueError, "embedded null byte"),
        ({"args": [1]}, TypeError, "int"),
        ({"args": 1}, TypeError, "int"),
        ({"args": None}, TypeError, "None"),
        ({"memory": "12Q"}, ValueError, "memory: '12Q' is not understood"),
        ({"memory": -1}, ValueError, "memory: -1 is negative"),
        ({"memory": "-1"}, ValueError, "memory: '-1'"),
        ({"memory": 1.5}, ValueError, "memory: 1.5"),
        ({"memory": True}, ValueError, "memory: True"),
        ({"cpu": "long"}, ValueError, "cpu: 'long' is not understood"),
        ({"cpu": -1}, ValueError, "cpu: -1 is negative"),
        ({"wall": float("nan")}, ValueError, "wall: nan"),
        ({"wall": float("inf")}, ValueError, "wall: inf"),
        ({"processes": 1.5}, ValueError, "processes: 1.5"),
        ({"processes": -1}, ValueError, "processes: -1 is negative"),
        ({"open_files": "many"}, ValueError, "open_files: 'many'"),
        ({"file_size": ""}, ValueError, "file_size: ''"),
        ({"address_space": 1 << 64}, ValueError, "address_space: 18446744073709551616 is too large"),
        ({"output": []}, ValueError, r"output: \[\]"),
        ({"cwd": "/nonexistent"}, FileNotFoundError, "/nonexistent"),
        ({"cwd": "/etc/passwd"}, OSError, "/etc/passwd"),
        ({"cwd": "a\0b"}, ValueError, "embedded null byte"),
        ({"cwd": ""}, ValueError, "empty"),
        ({"env": {"A=B": "1"}}, ValueError, "illegal environment variable name 'A=B'"),
        ({"env": {"": "1"}}, ValueError, "illegal environment variable name"),
        ({"env": {"A": "\0"}}, ValueError, "embedded null byte"),
        ({"env": {"A": 1}}, TypeError, "int"),
        ({"input": "text"}, TypeError, "input must be bytes, not str"),
        ({"input": b"bytes", "text": True}, TypeError, "input must be str"),
        ({"input": 1}, TypeError, "int"),
        ({"input": b"", "stdin": subprocess.PIPE}, ValueError, "stdin and input"),
        ({"capture_output": True, "stdout": subprocess.PIPE}, ValueError, "capture_output"),
        ({"capture_output": True, "stderr": subprocess.STDOUT}, ValueError, "capture_output"),
        ({"stdout": subprocess.STDOUT}, ValueError, "STDOUT can only be used for stderr"),
        ({"stdin": subprocess.STDOUT}, ValueError, "STDOUT can only be used for stderr"),
        ({"stdout": -7}, ValueError, "-7"),
        ({"stdout": 987654}, OSError, "987654"),
        ({"stdout": "file"}, AttributeError, "fileno"),
        ({"memroy": 1}, TypeError, "memroy"),
    ],
)
def test_bad_input_is_a_clear_error(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    call: dict[str, object] = {"args": ["true"], **arguments}
    with pytest.raises(error, match=message):
        libmimir.run(**call)  # type: ignore[call-overload]


def test_a_missing_program_says_so_in_one_sentence() -> None:
    with pytest.raises(libmimir.NotFoundError) as caught:
        libmimir.run(["no-such-tool"])
    assert caught.value.errno == 2
    assert "no-such-tool" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_interpreter_is_not_found(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(FileNotFoundError):
        libmimir.run([script])


def test_a_file_that_is_no_program_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x01\x02\x03")
    (tmp_path / "file").chmod(0o755)
    with pytest.raises(OSError, match="file"):
        libmimir.run([tmp_path / "file"])
