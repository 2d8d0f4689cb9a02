"""The package's types are complete, and a caller's checker sees them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import libmimir
import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "python" / "pyproject.toml"

needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
needs_ruff = pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")


def tool(*arguments: str | Path) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_mypy
def test_the_package_and_its_tests_are_typed_strictly() -> None:
    tool("mypy", "--config-file", CONFIG)


@needs_ruff
def test_the_package_and_its_tests_are_clean() -> None:
    tool("ruff", "check", "--no-cache", "--config", CONFIG, ROOT / "python", ROOT / "tests" / "python")


CALLER = """
from __future__ import annotations
import libmimir
from libmimir import JobResult, PlatformAdapter

bytes_result: JobResult[bytes] = libmimir.run(["ls"], memory="1G", capture_output=True)
text_result: JobResult[str] = libmimir.run(["ls"], cpu=1.5, capture_output=True, text=True)
encoded_result: JobResult[str] = libmimir.run("ls", wall="10s", encoding="utf-8", input="x")
reason: str | None = text_result.termination_reason
adapter: PlatformAdapter = libmimir.get_platform_adapter()
percent: float = adapter.get_resource_usage(memory_limit=1 << 30).memory_percent
soft: int | float | None = libmimir.get_limit("cpu").soft
"""

MISTAKES = [
    'libmimir.run(["ls"], memroy="1G")',
    'libmimir.run(["ls"], memory=1.5)',
    "libmimir.run([1])",
    'libmimir.get_platform_adapter().set_memory_limit("1G")',
    "libmimir.nonsense",
]


@needs_mypy
def test_a_callers_checker_sees_the_types_and_the_mistakes(tmp_path: Path) -> None:
    assert (Path(libmimir.__file__).parent / "py.typed").exists()
    caller = tmp_path / "caller.py"
    caller.write_text(CALLER + "\n".join(MISTAKES) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", caller],
        capture_output=True,
        text=True,
        cwd=ROOT / "python",
        check=False,
    )
    lines = (CALLER + "\n".join(MISTAKES)).splitlines()
    complained_of = [lines[int(line.split(":")[1]) - 1] for line in done.stdout.splitlines() if ": error:" in line]
    assert list(dict.fromkeys(complained_of)) == MISTAKES, done.stdout + done.stderr
