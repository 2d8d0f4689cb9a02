"""The command shows the system and processes, and runs commands under limits."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import libmimir as package
import pytest
from support import TREE, command_of, eventually, is_alive, libmimir, linux_only, unix_only


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """Read the line of JSON that ends standard error."""
    read: dict[str, object] = json.loads(done.stderr.splitlines()[-1])
    return read


def test_info_tells_the_system_and_what_can_be_limited() -> None:
    done = libmimir("info")
    assert done.returncode == 0
    assert platform.machine() in done.stdout
    assert package.__version__ in done.stdout
    assert "how limits are kept" in done.stdout
    assert "wall time" in done.stdout
    assert "\x1b" not in done.stdout


def test_info_is_one_json_object_on_request() -> None:
    info = json.loads(libmimir("info", "--json").stdout)
    assert info["version"] == package.__version__
    assert info["platform"] == platform.system()
    assert info["architecture"] == platform.machine()
    assert info["logical_cpu_count"] >= info["usable_cpu_count"] >= 1
    assert 0 < info["available_memory_bytes"] < info["total_memory_bytes"]
    assert info["limits"]["wall"] == {"self": "none", "process": "none", "job": "watchdog"}


def test_usage_tells_what_a_process_uses() -> None:
    done = libmimir("usage", str(os.getpid()))
    assert done.returncode == 0
    assert str(os.getpid()) in done.stdout
    assert "resident memory" in done.stdout
    used = json.loads(libmimir("usage", str(os.getpid()), "--json").stdout)
    assert used["pid"] == os.getpid()
    assert used["resident_bytes"] > 1 << 20
    assert used["threads"] >= 1


def test_usage_without_a_process_is_its_own() -> None:
    used = json.loads(libmimir("usage", "--json").stdout)
    assert used["pid"] != os.getpid()
    assert used["cpu_time_seconds"] > 0


@unix_only
def test_limits_tells_what_a_process_may_use() -> None:
    done = libmimir("limits")
    assert "open files" in done.stdout
    limits = json.loads(libmimir("limits", str(os.getpid()), "--json").stdout)
    assert limits["pid"] == os.getpid()
    ours = package.get_limit("open_files")
    assert limits["limits"]["open_files"] == {"soft": ours.soft, "hard": ours.hard, "enforcement": ours.enforcement}


@pytest.mark.parametrize("action", ["usage", "limits"])
def test_a_process_that_is_gone_is_one_line_and_status_1(action: str) -> None:
    done = libmimir(action, "4206789")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"libmimir {action}: ")
    assert "4206789" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "libmimir: "),
        (["nonsense"], "libmimir: argument "),
        (["usage", "abc"], "libmimir usage: argument PID: 'abc' is not a process id"),
        (["usage", "0"], "libmimir usage: argument PID: '0' is not a process id"),
        (["usage", "--", "ls"], "libmimir: usage takes no command"),
        (["run"], "libmimir run: there is no command to run"),
        (["run", "--"], "libmimir run: there is no command to run"),
        (["run", "--", ""], "libmimir run: args: the name of the program is empty"),
        (["run", "--memory"], "libmimir run: argument --memory: expected one argument"),
        (["run", "--memory", "12Q", "--", "ls"], "libmimir run: --memory: '12Q' is not understood; give bytes"),
        (["run", "--memory=-5", "--", "ls"], "libmimir run: --memory: '-5' is not understood"),
        (["run", "--cpu", "soon", "ls"], "libmimir run: --cpu: 'soon' is not understood; give seconds"),
        (["run", "--processes", "x", "ls"], "libmimir run: --processes: 'x' is not understood; give a whole number"),
        (["run", "--env", "NAME", "ls"], "libmimir run: --env: 'NAME' is not NAME=VALUE"),
        (["run", "--cwd", "/nonexistent", "ls"], "libmimir run: --cwd: '/nonexistent' is not a directory"),
        (["run", "--stdin", "/nonexistent", "ls"], "libmimir run: --stdin: cannot open '/nonexistent'"),
        (["run", "--nonsense", "ls"], "libmimir"),
    ],
)
def test_a_wrong_argument_is_one_clear_line_and_status_2(arguments: list[str], message: str) -> None:
    done = libmimir(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(message)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["info", "--help"]])
def test_help_is_given(arguments: list[str]) -> None:
    done = libmimir(*arguments)
    assert done.returncode == 0
    assert "usage: libmimir" in done.stdout


def test_the_version_is_told() -> None:
    assert libmimir("--version").stdout == f"libmimir {package.__version__}\n"


@unix_only
def test_run_passes_output_input_and_exit_status_through() -> None:
    done = libmimir("run", "--", "sh", "-c", "cat; echo err >&2; exit 7", input="from outside")
    assert done.returncode == 7
    assert done.stdout == "from outside"
    assert done.stderr.startswith("err\nlibmimir: returned 7\n")


@unix_only
@pytest.mark.parametrize("arguments", [["--", "echo", "-n", "--json"], ["echo", "-n", "--json"]])
def test_the_commands_own_options_are_its_own(arguments: list[str]) -> None:
    assert libmimir("run", "--wall", "20", *arguments).stdout == "--json"


@unix_only
def test_a_second_double_dash_belongs_to_the_command() -> None:
    assert libmimir("run", "--", "echo", "--", "x").stdout == "-- x\n"


@unix_only
def test_the_verdict_names_the_limit_and_what_was_used() -> None:
    done = libmimir("run", "--wall", "300ms", "--memory", "200M", "--open-files", "64", "--", "sleep", "100")
    lines = done.stderr.splitlines()
    assert lines[0] == "libmimir: ended by its wall time limit of 300 ms (SIGKILL)"
    rows = {line.split("  ")[1]: line.split() for line in lines[1:]}
    assert rows["wall time"][-4:] == ["limit", "300", "ms", "watchdog"]
    assert rows["peak memory"][-4:] == ["limit", "200", "MiB", TREE]
    assert rows["open files"][-3:] == ["limit", "64", "kernel"]
    assert "CPU time" in rows
    assert done.returncode == 128 + signal.SIGKILL


@unix_only
def test_the_verdict_is_one_line_of_json_on_request() -> None:
    done = libmimir(
        "run", "--json", "--cpu", "5", "--memory", "200M", "--", "sh", "-c", "echo out; echo err >&2; exit 3"
    )
    assert done.stdout == "out\n"
    assert len(done.stderr.splitlines()) == 2
    verdict = outcome(done)
    assert verdict["command"] == ["sh", "-c", "echo out; echo err >&2; exit 3"]
    assert (verdict["exit_code"], verdict["signal"], verdict["termination_reason"]) == (3, None, None)
    assert verdict["limits"] == {
        "memory": {"value": 200 << 20, "enforcement": TREE},
        "cpu": {"value": 5, "enforcement": "kernel"},
    }
    for name in ("user_time_seconds", "system_time_seconds", "cpu_time_seconds", "wall_time_seconds"):
        assert isinstance(verdict[name], float)
    assert isinstance(verdict["peak_memory_bytes"], int)


@unix_only
def test_the_verdict_is_left_out_on_request() -> None:
    done = libmimir("run", "--quiet", "--", "sh", "-c", "exit 4")
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "")


@linux_only
@pytest.mark.parametrize(
    ("limit", "command", "reason"),
    [
        (["--memory", "64M"], command_of("b = []\nwhile True: b.append(b'x' * (1 << 20))"), "memory"),
        (["--cpu", "0.3"], command_of("while True: pass"), "cputime"),
        (["--wall", "0.2"], ["sleep", "100"], "walltime"),
        (["--file-size", "1K"], ["dd", "if=/dev/zero", "of=file", "bs=100", "count=100"], "filesize"),
        (["--output", "10K"], ["yes"], "output"),
        (
            ["--processes", "3"],
            ["sh", "-c", "exec 2>/dev/null; for i in 1 2 3 4 5; do sleep 100 & done; wait"],
            "processes",
        ),
    ],
)
def test_each_limit_ends_a_command_and_is_the_reason(
    limit: list[str], command: list[str], reason: str, tmp_path: Path
) -> None:
    done = libmimir("run", "--json", *limit, "--cwd", str(tmp_path), "--", *command)
    verdict = outcome(done)
    assert verdict["termination_reason"] == reason
    if reason == "processes" and TREE == "kernel":  # the kernel refuses one more, and the shell gives up
        return
    assert isinstance(verdict["signal"], int)
    assert done.returncode == 128 + verdict["signal"]


@linux_only
def test_limits_that_the_command_meets_itself_are_its_own_failure() -> None:
    done = libmimir("run", "--address-space", "500M", "--", *command_of("import mmap; mmap.mmap(-1, 1 << 30)"))
    assert done.returncode == 1
    assert "Cannot allocate memory" in done.stderr
    done = libmimir("run", "--open-files", "16", "--", *command_of("[open('/dev/null') for _ in range(20)]"))
    assert done.returncode == 1
    assert "Too many open files" in done.stderr


@unix_only
def test_a_signal_ends_with_128_and_its_number() -> None:
    done = libmimir("run", "--", "sh", "-c", "kill -TERM $$")
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.startswith("libmimir: died of SIGTERM\n")


@unix_only
def test_a_program_that_cannot_be_run_is_one_line_and_the_shells_status(tmp_path: Path) -> None:
    for program, status in (("no-such-tool", 127), ("/no/such/tool", 127), ("/etc/passwd", 126), ("/etc", 126)):
        done = libmimir("run", "--", program)
        assert (done.returncode, done.stdout) == (status, ""), program
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("libmimir run: ")
        assert program in done.stderr
    (tmp_path / "file").write_bytes(b"\x01\x02")
    (tmp_path / "file").chmod(0o755)
    assert libmimir("run", "--", str(tmp_path / "file")).returncode in (125, 126)
    assert "error" in outcome(libmimir("run", "--json", "--", "no-such-tool"))


@unix_only
def test_a_limit_above_the_hard_limit_is_one_line_and_status_2() -> None:
    done = subprocess.run(
        [
            "sh",
            "-c",
            'ulimit -n 128; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "libmimir",
            "run",
            "--open-files",
            "500",
            "ls",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "open files" in done.stderr
    assert "500" in done.stderr
    assert "128" in done.stderr


@unix_only
def test_the_environment_and_the_directory_are_set(tmp_path: Path) -> None:
    script = "echo $A $B; pwd"
    done = libmimir("run", "-q", "--env", "A=1", "--env", "B=x=y", "--cwd", str(tmp_path), "--", "sh", "-c", script)
    assert done.stdout == f"1 x=y\n{tmp_path}\n"
    done = libmimir("run", "-q", "--clear-env", "--env", "A=1", "--", "/usr/bin/env")
    assert done.stdout == "A=1\n"


@unix_only
def test_input_comes_from_a_file_on_request(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from a file")
    assert libmimir("run", "-q", "--stdin", str(tmp_path / "in"), "--", "cat").stdout == "from a file"


@unix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_asks_it_to_end_ends_the_command_first(number: signal.Signals) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "libmimir", "run", "--", "sh", "-c", "echo $$; exec sleep 100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        started.send_signal(number)
        assert started.wait(30) == 128 + number
        assert started.stderr is not None
        assert f"libmimir: died of {number.name}" in started.stderr.read()
    eventually(lambda: not is_alive(pid), "the command lives on")


@unix_only
def test_a_command_that_handles_the_signal_decides_itself() -> None:
    script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    started = subprocess.Popen(
        [sys.executable, "-m", "libmimir", "run", "-q", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    )
    with started:
        assert started.stdout is not None
        started.stdout.readline()
        started.terminate()
        assert started.stdout.read() == "bye\n"
        assert started.wait(30) == 5


@unix_only
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    script = f"{sys.executable} -m libmimir info | true"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


@unix_only
def test_the_installed_command_is_the_module() -> None:
    import shutil

    script = shutil.which("libmimir", path=os.path.dirname(sys.executable))
    if script is None:
        pytest.skip("the package is not installed beside this Python")
    assert (
        subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
        == libmimir("--version").stdout
    )
