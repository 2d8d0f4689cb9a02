"""What `libmimir.run` gives a command beside limits: grace, descriptors, a mask, a user, a session, confinements."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import libmimir
import pytest
from support import TREE, linux_only, python, root_only, unix_only
from support import libmimir as command

pytestmark = unix_only


def shell(script: str, **options: Any) -> libmimir.JobResult[str]:
    result: libmimir.JobResult[str] = libmimir.run(["sh", "-c", script], capture_output=True, text=True, **options)
    return result


def test_a_command_that_is_ended_is_asked_first_and_its_answer_counts() -> None:
    result = shell("trap 'echo bye; exit 7' TERM; while :; do sleep 0.02; done", wall=0.2, grace=30)
    assert (result.stdout, result.exit_code, result.termination_reason) == ("bye\n", 7, "walltime")


def test_one_that_does_not_listen_is_killed_when_the_grace_is_over() -> None:
    result = shell("trap '' TERM; while :; do sleep 0.02; done", wall=0.1, grace="200ms")
    assert (result.signal, result.termination_reason) == (signal.SIGKILL, "walltime")
    assert 0.3 <= result.wall_time_seconds < 20


def test_only_the_descriptors_that_are_passed_are_there() -> None:
    reading, writing = os.pipe()
    other, another = os.pipe()
    try:
        os.write(writing, b"passed")
        os.close(writing)
        os.set_inheritable(other, True)
        look = [sys.executable, "-S", "-c", "import os, sys; print(os.read(int(sys.argv[1]), 9))"]
        result = libmimir.run([*look, str(other)], pass_fds=[reading], capture_output=True, text=True)
        assert "Bad file descriptor" in result.stderr
        result = libmimir.run([*look, str(reading)], pass_fds=[reading], capture_output=True, text=True)
        assert result.stdout == "b'passed'\n"
        assert not os.get_inheritable(reading)
    finally:
        for descriptor in (reading, other, another):
            os.close(descriptor)


def test_a_descriptor_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="pass_fds"):
        libmimir.run(["true"], pass_fds=[-1])
    with pytest.raises(OSError):
        libmimir.run(["true"], pass_fds=[987])


def test_the_mask_is_the_command_s_and_not_this_process_s(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert shell(f"umask; echo x > {tmp_path}/file", umask=0o077).stdout.strip() == "0077"
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
        assert shell("umask").stdout.strip() == "0022"
        assert shell("umask", umask=0).stdout.strip() == "0000"
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    for mask in (0o1000, -2):
        with pytest.raises(ValueError, match="umask"):
            libmimir.run(["true"], umask=mask)


@root_only
def test_it_runs_as_another_user_by_name_or_id() -> None:
    show = "id -u; id -g; id -G"
    assert shell(show, user=65534, group=65533, extra_groups=[65532, 65531]).stdout.split("\n")[:2] == [
        "65534",
        "65533",
    ]
    groups = shell(show, user=65534, group=65533, extra_groups=[65532, 65531]).stdout.split("\n")[2]
    assert set(groups.split()) == {"65533", "65532", "65531"}
    assert shell(show, user="root", group="root", extra_groups=["root"]).stdout.split() == ["0", "0", "0"]
    assert shell("id -u", user="nobody").stdout.strip() == "65534"
    assert shell("id -G", extra_groups=[]).stdout.strip() == "0"
    assert shell("id -u; id -g", group=65533).stdout.split() == ["0", "65533"]


def test_a_user_that_there_is_not_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="'nobody-of-this-name'"):
        libmimir.run(["true"], user="nobody-of-this-name")
    with pytest.raises(ValueError, match="'no-group'"):
        libmimir.run(["true"], group="no-group")
    with pytest.raises(ValueError, match="extra_groups"):
        libmimir.run(["true"], extra_groups="users")
    with pytest.raises(ValueError, match="user"):
        libmimir.run(["true"], user=-1)


@root_only
def test_who_may_not_become_another_user_is_told_so() -> None:
    python("""
        import os, libmimir
        libmimir.run(["true"])
        os.setgid(65534); os.setuid(65534)
        try:
            libmimir.run(["true"], user=1)
        except PermissionError as error:
            assert isinstance(error, libmimir.PermissionDeniedError)
        else:
            raise AssertionError
    """)


def test_a_session_of_its_own_is_one() -> None:
    show = [sys.executable, "-S", "-c", "import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())"]
    assert libmimir.run(show, capture_output=True, text=True).stdout == "False True\n"
    assert libmimir.run(show, start_new_session=True, capture_output=True, text=True).stdout == "True True\n"
    assert libmimir.run(["sleep", "100"], start_new_session=True, wall=0.1).termination_reason == "walltime"


@linux_only
def test_a_rate_of_the_cpu_slows_down_and_ends_nobody() -> None:
    if TREE != "kernel":
        with pytest.raises(NotImplementedError):
            libmimir.run(["true"], cpu_rate=0.5)
        return
    spin = [sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.4: pass"]
    result = libmimir.run(spin, cpu_rate=0.2)
    assert (result.exit_code, result.termination_reason) == (0, None)
    assert result.wall_time_seconds > 1
    assert (result.limits, result.enforcement) == ({"cpu_rate": 0.2}, {"cpu_rate": "kernel"})


@pytest.mark.parametrize("rate", ["much", -1, float("inf"), float("nan"), True, b"1"])
def test_a_rate_that_is_none_is_an_error(rate: Any) -> None:
    with pytest.raises(ValueError, match="cpu_rate"):
        libmimir.run(["true"], cpu_rate=rate)


@linux_only
def test_the_peak_of_processes_is_told() -> None:
    result = shell("for i in 1 2 3 4 5; do sleep 0.3 & done; wait", processes=50)
    assert result.peak_processes == 6


@linux_only
def test_confinements_are_kept_and_told(tmp_path: Path) -> None:
    script = f"echo x > {tmp_path}/file; echo y > {tmp_path}/../other && echo outside; tail -n +3 /proc/net/dev | wc -l"
    try:
        result = shell(script, writable=[tmp_path], no_network=True, no_new_privileges=True)
    except NotImplementedError as error:
        pytest.skip(str(error))
    assert (tmp_path / "file").read_text() == "x\n"
    assert result.stdout.split() == ["1"]
    assert result.enforcement == {"writable": "kernel", "no_network": "kernel", "no_new_privileges": "kernel"}
    assert shell(f"echo x > {tmp_path}/file", writable=[]).exit_code != 0
    with pytest.raises(ValueError, match="writable"):
        libmimir.run(["true"], writable="/tmp")


# The command.


@linux_only
def test_the_command_gives_grace_and_a_rate_and_confines(tmp_path: Path) -> None:
    began = time.monotonic()
    done = command(
        "run", "-q", "--wall", "0.1", "--grace", "30s", "--", "sh", "-c", "trap 'exit 9' TERM; sleep 100 & wait"
    )
    assert done.returncode == 9
    assert time.monotonic() - began < 25
    look = "tail -n +3 /proc/net/dev | wc -l; echo x > inside; echo x > ../outside"
    done = command(
        *("run", "-q", "--no-network", "--writable", str(tmp_path), "--cwd", str(tmp_path), "--", "sh", "-c", look)
    )
    assert done.stdout.split() == ["1"]
    assert "outside" in done.stderr
    assert os.listdir(tmp_path) == ["inside"]
    done = command("run", "--cpu-rate", "much", "--", "true")
    assert done.returncode == 2
    assert "--cpu-rate" in done.stderr
    done = command("run", "--grace", "-1", "--", "true")
    assert "--grace" in done.stderr


@root_only
def test_the_command_runs_as_another_user() -> None:
    assert command("run", "-q", "--user", "nobody", "--", "id", "-u").stdout.strip() == "65534"
    assert command("run", "-q", "--user", "65534", "--", "id", "-u").stdout.strip() == "65534"
    assert "no user 'nobody-of-this-name'" in command("run", "--user", "nobody-of-this-name", "--", "true").stderr
