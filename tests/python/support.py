"""What several tests need: processes of their own, and waiting for what is to come."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from typing import Any

import libmimir as libmimir_package
import pytest

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc or needs what only Linux keeps")
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such thing")
root_only = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="becomes another user, which only root can"
)

#: What keeps the memory and the number of processes of a job here: "kernel" with control groups, else "watchdog".
TREE = libmimir_package.run(["true"], memory="1G").enforcement["memory"] if sys.platform != "win32" else "kernel"

#: Long enough for a slow machine; nothing that passes waits for it.
PATIENCE = 30


def python(
    code: str,
    *arguments: str,
    check: bool = True,
    patience: float = 2 * PATIENCE,
    own_peak: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, so that nothing it does to its process is done to the test's.

    With `own_peak` a shell starts it, which forks: the kernel's count of its peak memory begins from the shell's, and
    not from the test's, which hides that of a smaller command.
    """
    shell = ["sh", "-c", '"$@"; exit $?', "sh"] if own_peak else []
    done = subprocess.run(
        [*shell, sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=patience,
        **options,
    )
    if check:
        assert done.returncode == 0, f"returned {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def libmimir(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "libmimir", *arguments],
        text=True,
        timeout=2 * PATIENCE,
        **{"capture_output": True, **options},
    )


def eventually(condition: Callable[[], bool], message: str = "it did not happen") -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs. One that has ended and not been reaped by its parent does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def command_of(code: str) -> Sequence[str]:
    """Make a command of Python code that does not load the library."""
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)]
