"""Run real commands under limits on real input, and show what each used and what ended it.

    demo.py [--small]

First an index of Go's own standard library is made with ordinary tools, each under limits. Then commands are given less
than they need, one for each limit. The exit status is 1 when a command did not end as expected.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libmimir
from libmimir.jobs import JobResult
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

HERE = Path(__file__).resolve().parent
ENVIRONMENT = dict(os.environ, LC_ALL="C")
FUNCTION = r"^func (\([^)]*\) )?[A-Z][A-Za-z0-9_]*"


@dataclass
class Step:
    """A command, its limits, and how it is expected to end."""

    title: str
    command: Sequence[str | Path]
    limits: dict[str, Any]
    #: The file that receives its output; None throws it away.
    output: Path | None = None
    #: The reason for which it is to end; None when it is to return 0.
    expected: str | None = None
    captured: bool = False

    def run(self) -> JobResult[Any]:
        if self.captured:
            return libmimir.run(self.command, env=ENVIRONMENT, capture_output=True, **self.limits)
        with open(self.output or os.devnull, "wb") as output:
            return libmimir.run(self.command, env=ENVIRONMENT, stdout=output, **self.limits)

    def ended_as_expected(self, result: JobResult[Any]) -> bool:
        if self.expected is not None:
            return result.termination_reason == self.expected
        return result.termination_reason is None and result.exit_code == 0


def go_source() -> Path:
    """Find the source of Go's standard library."""
    try:
        root = subprocess.run(["go", "env", "GOROOT"], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"demo: cannot ask Go for its root: {error}") from None
    source = Path(root) / "src"
    if not source.is_dir():
        raise SystemExit(f"demo: {source} does not exist")
    return source


def word_index(source: Path, work: Path) -> list[str | Path]:
    return [sys.executable, "-I", "-S", HERE / "wordindex.py", source, work / "words"]


def index_steps(root: Path, source: Path, work: Path) -> list[Step]:
    """The index: each step reads what the steps before it have written."""
    usual = {"memory": "256M", "cpu": 60, "wall": 120, "open_files": 256, "file_size": "256M"}
    files, functions, names = work / "files", work / "functions", work / "names"
    return [
        Step("find -name *.go", ["find", source, "-name", "*.go", "-type", "f", "-print0"], usual, files),
        Step("wc -lc", ["wc", "-lc", f"--files0-from={files}"], usual, work / "counts"),
        Step("grep -rhoE ^func", ["grep", "-rhoE", "--include=*.go", FUNCTION, source], usual, functions),
        Step("sed -E", ["sed", "-E", r"s/^func (\([^)]*\) )?//", functions], usual, names),
        Step("sort", ["sort", "-o", work / "sorted", names], usual),
        Step("uniq -c", ["uniq", "-c", work / "sorted"], usual, work / "counted"),
        Step("sort -k1,1nr", ["sort", "-k1,1nr", work / "counted"], usual, work / "ranked"),
        Step("wordindex.py", word_index(source, work), {**usual, "memory": "1G"}),
        Step("xargs sha256sum", ["xargs", "-0", "-a", files, "sha256sum"], {**usual, "processes": 8}, work / "sums"),
        Step(
            "tar -czf",
            ["tar", "-czf", work / "tree.tar.gz", "-C", source, "."],
            {**usual, "processes": 8},
        ),
        Step("gofmt -l strings", ["gofmt", "-l", root / "strings"], usual, work / "unformatted"),
        Step(
            "go list std",
            ["go", "list", "std"],
            {"memory": "1G", "cpu": 60, "wall": 120, "processes": 64},
            work / "packages",
        ),
    ]


def starved_steps(source: Path, work: Path) -> list[Step]:
    """Commands that get less than they need, one for each limit."""
    many = "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait"
    pack = ["tar", "-cf", work / "small.tar", "-C", source, "."]
    return [
        Step("wordindex.py", word_index(source, work), {"memory": "16M"}, expected="memory"),
        Step("sha256sum zeros", ["sha256sum", "/dev/zero"], {"cpu": 1}, expected="cputime"),
        Step("tail -f", ["tail", "-f", "/dev/null"], {"wall": 0.5}, expected="walltime"),
        Step("tar -cf", pack, {"file_size": "1M"}, expected="filesize"),
        Step("grep -r", ["grep", "-r", "", source], {"output": "1M"}, expected="output", captured=True),
        Step("sh, 8 x sleep &", ["sh", "-c", many], {"processes": 4}, expected="processes"),
    ]


def describe(result: JobResult[Any]) -> str:
    """Say how a command ended."""
    if result.termination_reason is not None:
        return result.termination_reason
    return "returned 0" if result.exit_code == 0 else result.describe_end()


def seconds(value: float) -> str:
    return f"{value:.2f} s"


def mebibytes(value: int) -> str:
    return f"{value / (1 << 20):.1f} MiB"


def peak(result: JobResult[Any]) -> str:
    """Write the peak memory, with a sign where it was sampled and the true one may be a little more."""
    return ("~" if result.peak_memory_sampled else "") + mebibytes(result.peak_memory_bytes)


def new_table(title: str, *headings: str) -> Table:
    """Make a table that fits 80 columns; a heading that ends in ">" aligns to the right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for heading in headings:
        table.add_column(heading.rstrip(">"), justify="right" if heading.endswith(">") else "left", no_wrap=True)
    return table


def run_index(steps: list[Step], source: Path, console: Console) -> bool:
    """Run the steps and show what each used."""
    table = new_table(
        f"Indexing {source} under limits", "command", "wall>", "CPU>", "peak>", "limit>", "processes>", "ended"
    )
    good = True
    for step in steps:
        with console.status(step.title):
            result = step.run()
        fine = step.ended_as_expected(result)
        good = good and fine
        table.add_row(
            step.title,
            seconds(result.wall_time_seconds),
            seconds(result.cpu_time_seconds),
            peak(result),
            step.limits["memory"],
            str(result.peak_processes or ""),
            Text(describe(result), style="green" if fine else "bold red"),
        )
        if not fine:
            break  # the next ones would read what is not there
    console.print(table)
    return good


def show_index(work: Path, console: Console) -> None:
    """Show what the index holds."""
    lines, size = (work / "counts").read_text().splitlines()[-1].split()[:2]
    files = (work / "files").read_bytes().count(b"\0")
    ranked = [line.split() for line in (work / "ranked").read_text().splitlines()]
    words = json.loads((work / "words").read_text())
    console.print(
        f"{files:,} files, {int(lines):,} lines, {mebibytes(int(size))}; "
        f"{len((work / 'packages').read_text().splitlines())} packages; "
        f"packed {mebibytes((work / 'tree.tar.gz').stat().st_size)}",
        highlight=False,
    )
    console.print(
        f"{sum(int(count) for count, _ in ranked):,} exported functions and methods of {len(ranked):,} names, "
        f"{len(words):,} words\n" + ", ".join(f"{name} {count}" for count, name in ranked[:7]) + "\n",
        highlight=False,
    )


def run_starved(steps: list[Step], console: Console) -> bool:
    """Run the steps and show the verdict on each."""
    table = new_table("Too little of something", "command", "limit", "kept by", "wall>", "CPU>", "peak>", "ended by")
    good = True
    for step in steps:
        with console.status(step.title):
            result = step.run()
        fine = step.ended_as_expected(result)
        good = good and fine
        [(name, value)] = step.limits.items()
        table.add_row(
            step.title,
            f"{name} {value}",
            result.enforcement[name],
            seconds(result.wall_time_seconds),
            seconds(result.cpu_time_seconds),
            peak(result),
            Text(describe(result) + ("" if fine else f", not {step.expected}"), style="green" if fine else "bold red"),
        )
    console.print(table)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description="Run real commands under limits and show their verdicts.")
    parser.add_argument("--small", action="store_true", help="index one part of the library only")
    options = parser.parse_args()
    root = go_source()
    source = root / "net" if options.small else root
    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    with tempfile.TemporaryDirectory(prefix="mimir-demo-") as directory:
        work = Path(directory)
        good = run_index(index_steps(root, source, work), source, console)
        if good:
            show_index(work, console)
        good = run_starved(starved_steps(source, work), console) and good
    console.print("~: the highest sample; without it, the kernel's own count", highlight=False)
    console.print("all commands ended as expected" if good else "[bold red]a command did not end as expected[/]")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
