"""That what the README says holds: its programs and commands run and print what it shows, and its tables are true.

A fenced block is run by its language. ``python`` and ``sh`` are run; one that names a file (``c example.c``) is written
to it; ``text`` is what the block before it printed, to the letter; ``text sample`` the same but for the numbers, with
``stderr`` from standard error. ``console`` is not run: those commands are what ran to get here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIBRARY = ROOT / "build" / "libmimir.so"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="limits and jobs work on Linux alone")


@dataclass
class Block:
    line: int
    language: str
    words: list[str]
    text: str


def blocks() -> list[Block]:
    found = []
    for match in re.finditer(r"^```(\S+)([^\n]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        line = README.count("\n", 0, match.start()) + 1
        found.append(Block(line, match[1], match[2].split(), match[3]))
    return found


BLOCKS = blocks()
RUN = [(at, block) for at, block in enumerate(BLOCKS) if block.language in ("python", "sh")]
SOURCES = [block for block in BLOCKS if block.language in ("c", "go")]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory that holds the files which the README names."""
    directory = tmp_path_factory.mktemp("readme")
    for block in SOURCES:
        file = directory / block.words[0]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
    return directory


def environment() -> dict[str, str]:
    scripts = Path(sys.executable).parent
    return {**os.environ, "LIBMIMIR": str(ROOT), "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


def without_numbers(text: str) -> str:
    """Leave out what differs from run to run and between machines: numbers, units of time, the width of columns, and
    whether a control group (kernel) or the watchdog keeps a limit.
    """
    text = re.sub(r"\d+(\.\d+)?( (ms|s)\b)?", "#", text)
    return re.sub(r"[ \t]+", " ", re.sub(r"\b(kernel|watchdog)$", "@", text, flags=re.MULTILINE)).strip()


@linux_only
@pytest.mark.parametrize(("at", "block"), RUN, ids=[f"{block.language}-line-{block.line}" for _, block in RUN])
def test_an_example_runs_and_prints_what_the_readme_shows(at: int, block: Block, workspace: Path) -> None:
    command = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    done = subprocess.run(
        [*command, block.text], cwd=workspace, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = BLOCKS[at + 1] if at + 1 < len(BLOCKS) and BLOCKS[at + 1].language == "text" else None
    if shown is None:
        return
    printed = done.stderr if "stderr" in shown.words else done.stdout
    if "sample" in shown.words:
        assert without_numbers(printed) == without_numbers(shown.text)
    else:
        assert printed == shown.text


@linux_only
@pytest.mark.parametrize(
    ("compiler", "suffix", "standard"), [("cc", "c", "c99"), ("cc", "c", "c17"), ("c++", "cpp", "c++17")]
)
def test_the_c_example_compiles_without_a_warning(
    compiler: str, suffix: str, standard: str, workspace: Path, tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.fail(f"{compiler} is not installed")
    [block] = [block for block in SOURCES if block.language == "c"]
    source = tmp_path / f"example.{suffix}"
    source.write_text(block.text, encoding="utf-8")
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-std={standard}"]
    done = subprocess.run(
        [compiler, *strict, "-I", ROOT / "include", "-o", tmp_path / "example", source, LIBRARY],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_go_example_is_formatted(workspace: Path) -> None:
    if shutil.which("gofmt") is None:
        pytest.skip("there is no gofmt")
    files = [workspace / block.words[0] for block in SOURCES if block.language == "go"]
    done = subprocess.run(["gofmt", "-d", *files], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def table(first_heading: str) -> dict[str, list[str]]:
    """Read the table with a first heading: the other cells by the first one, without backquotes."""
    rows = {}
    inside = False
    for line in README.splitlines():
        cells = [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        if line.startswith(f"| {first_heading} |"):
            inside = True
        elif inside and not line.startswith("|"):
            break
        elif inside and not line.startswith("|---"):
            rows[cells[0]] = cells[1:]
    assert rows, f"no table begins with {first_heading!r}"
    return rows


KEPT = """
import json
import libmimir
from libmimir import _limits
print(json.dumps({
    limit: {scope: libmimir.supports(limit, scope) or "none" for scope in _limits.SCOPES} for limit in _limits.LIMITS
}))
"""


@linux_only
@pytest.mark.parametrize("control_groups", [True, False])
def test_the_platform_table_says_of_linux_what_the_library_says(control_groups: bool) -> None:
    variables = environment()
    if not control_groups:
        variables["LIBMIMIR_CGROUPS"] = "off"
    done = subprocess.run([sys.executable, "-c", KEPT], env=variables, capture_output=True, text=True, check=True)
    kept = json.loads(done.stdout)
    shown = table("limit")
    assert set(shown) == set(kept)
    for limit, cells in shown.items():
        assert {kept[limit]["self"], kept[limit]["process"]} == {cells[0]}, limit
        # "kernel, else watchdog": with a control group that can be written, and without.
        words = cells[1].split(", else ")
        assert kept[limit]["job"] in words if control_groups else kept[limit]["job"] == words[-1], limit


def test_the_table_of_enforcements_has_all_of_them() -> None:
    from libmimir import _limits

    assert set(table("enforcement")) == set(_limits.ENFORCEMENTS.values())


def test_the_table_of_targets_has_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE)) - {"help"}
    assert {name.removeprefix("make ") for name in table("target")} == targets


def test_every_option_of_the_command_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"`(--[a-z-]+)`", README))
    assert named
    there = set()
    for action in ("run", "monitor"):
        command = [sys.executable, "-m", "libmimir", action, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
        there |= set(re.findall(r"--[a-z-]+", done.stdout))
    assert named <= there


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 4
    headings = {
        "#" + re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    for link in links:
        assert link in headings if link.startswith("#") else (ROOT / link).exists(), link
