"""``libmimir run``: a command under limits, as a program of the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from .. import _bindings as c
from .. import _job, _limits
from .._launch import Launch
from .._units import format_seconds, format_size
from ..errors import (
    InvalidArgumentError,
    LimitError,
    MimirError,
    NoSuchProcessError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
)
from ..jobs import JobResult
from ._live import LiveLine
from ._terminal import Foreground, started

CANNOT_RUN, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127


def run(launch: Launch, *, cwd: str | None, stdin: str | None, report: str) -> int:
    """Run a command and answer the exit status for the shell. report is ``"text"``, ``"json"`` or ``"none"``."""
    try:
        if cwd is not None and not os.path.isdir(cwd):
            raise InvalidArgumentError(f"--cwd: {cwd!r} is not a directory")
        with launch.job() as job:
            if stdin is not None:
                job.set_stream(c.MIMIR_STREAM_INPUT, c.MIMIR_MODE_DESCRIPTOR, _opened(stdin))
            _run(job, launch.limits(), live=report != "none")
            result: JobResult[Any] = JobResult(launch.args, job.verdict, launch.limits(), launch.enforcement(job))
    except (InvalidArgumentError, LimitError, NotSupportedError):
        raise
    except (MimirError, OSError) as error:
        return _could_not_run(error, report)
    if report == "json":
        _print_json(_summary(result))
    elif report == "text":
        _print_verdict(result)
    if result.signal is not None:
        return 128 + result.signal
    return result.exit_code if result.exit_code is not None else CANNOT_RUN


def _opened(path: str) -> int:
    """Open the command's input, until this process ends: the job needs it until it is started."""
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise InvalidArgumentError(f"--stdin: cannot open {path!r}: {error.strerror}") from None


def _run(job: _job.Job, limits: Mapping[str, float], *, live: bool) -> None:
    line = LiveLine(limits)
    show = live and LiveLine.is_possible()
    with started(job), Foreground(job, before_stop=line.clear) as foreground:
        try:
            while not job.wait(_job.SLICE):
                foreground.look()
                if show and line.due():
                    with contextlib.suppress(NoSuchProcessError):
                        line.draw(job.usage())
        finally:
            line.clear()


def _could_not_run(error: Exception, report: str) -> int:
    if report == "json":
        _print_json({"error": str(error), "status": getattr(error, "status", None)})
    else:
        print(f"libmimir run: {error}", file=sys.stderr)
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    return NOT_EXECUTABLE if isinstance(error, PermissionDeniedError) else CANNOT_RUN


def _summary(result: JobResult[Any]) -> dict[str, object]:
    return {
        "command": result.args,
        "exit_code": result.exit_code,
        "signal": result.signal,
        "termination_reason": result.termination_reason,
        "user_time_seconds": result.user_time_seconds,
        "system_time_seconds": result.system_time_seconds,
        "cpu_time_seconds": result.cpu_time_seconds,
        "wall_time_seconds": result.wall_time_seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "peak_memory_sampled": result.peak_memory_sampled,
        "peak_processes": result.peak_processes,
        "output_bytes": result.output_bytes,
        "limits": {
            name: {"value": value, "enforcement": result.enforcement[name]} for name, value in result.limits.items()
        },
        "confinement": {name: kept for name, kept in result.enforcement.items() if name not in result.limits},
    }


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value), file=sys.stderr, flush=True)


def _print_verdict(result: JobResult[Any]) -> None:
    split = f"(user {format_seconds(result.user_time_seconds)}, system {format_seconds(result.system_time_seconds)})"
    used = {
        "wall": format_seconds(result.wall_time_seconds),
        "cpu": f"{format_seconds(result.cpu_time_seconds)} {split}",
        "memory": format_size(result.peak_memory_bytes) if result.peak_memory_bytes else "-",
    }
    if result.peak_processes is not None:
        used["processes"] = str(result.peak_processes)
    if "output" in result.limits:
        used["output"] = format_size(result.output_bytes)
    titles = {**_limits.TITLES, "memory": "peak memory"}
    rows = []
    for name in (*used, *(name for name in result.limits if name not in used)):
        limit = f"limit {_limits.describe(name, result.limits[name])}" if name in result.limits else ""
        rows.append((titles[name], used.get(name, "-"), limit, result.enforcement.get(name, "")))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    heading = f"libmimir: {result.describe_end()}"
    sys.stdout.flush()
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        good = result.returncode == 0 and result.termination_reason is None
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(Text(heading, style="bold green" if good else "bold red"), Text("\n".join(lines)), sep="\n")
    else:
        print(heading, *lines, sep="\n", file=sys.stderr, flush=True)
