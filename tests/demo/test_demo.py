"""That the demonstration runs, and that it fails when a command ends otherwise than expected."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parent / "demo.py"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="runs jobs, which are on Linux alone"),
    pytest.mark.skipif(shutil.which("go") is None, reason="indexes Go's own source"),
]


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO), "--small"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


def test_it_indexes_a_tree_and_shows_a_command_ended_by_each_limit() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    for verdict in ("memory", "cputime", "walltime", "filesize", "output", "processes"):
        assert f" {verdict}\n" in re.sub(r" +\n", "\n", done.stdout)
    assert "exported functions and methods" in done.stdout
    assert "all commands ended as expected" in done.stdout


def test_it_fails_when_a_command_does_not_end_as_expected(tmp_path: Path) -> None:
    # A tail that does not follow: it returns before the wall time is over.
    impostor = tmp_path / "tail"
    impostor.write_text("#!/bin/sh\nexit 0\n")
    impostor.chmod(impostor.stat().st_mode | stat.S_IXUSR)
    done = run(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a command did not end as expected" in done.stdout
    assert "returned 0, not walltime" in done.stdout
