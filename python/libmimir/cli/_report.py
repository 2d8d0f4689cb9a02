"""What ``info``, ``usage`` and ``limits`` print."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import sys
import time
from collections.abc import Iterable, Sequence

from .. import __version__, _library, _limits, process, raw
from .. import _bindings as c
from .._units import format_seconds, format_size
from ..errors import NotSupportedError
from ..platform import get_system_info
from ..system import ContainerInfo, SystemUsage, container_info, system_usage


def info(*, as_json: bool) -> int:
    """Print what is known of the system and the library, and how strongly limits are kept here."""
    system = raw.mimir_system(size=ctypes.sizeof(raw.mimir_system))
    _library.call("mimir_system_get", ctypes.byref(system))
    names = {
        "release": c.MIMIR_SYSTEM_RELEASE,
        "distribution": c.MIMIR_SYSTEM_DISTRIBUTION,
        "hostname": c.MIMIR_SYSTEM_HOSTNAME,
    }
    texts = {name: os.fsdecode(_library.text("mimir_system_text", item)) for name, item in names.items()}
    detected = get_system_info()
    now = system_usage()
    try:
        container = container_info()
    except NotSupportedError:
        container = None
    support = {
        limit: {scope: process.supports(limit, scope) or "none" for scope in _limits.SCOPES} for limit in _limits.LIMITS
    }
    if as_json:
        return _print_json(
            {
                "version": __version__,
                "abi": c.MIMIR_ABI,
                "library": _library.current().path,
                "platform": detected.platform,
                "architecture": detected.architecture,
                **texts,
                "python_version": detected.python_version,
                "logical_cpu_count": system.logical_cpu_count,
                "usable_cpu_count": system.usable_cpu_count,
                "page_size_bytes": system.page_size_bytes,
                "total_memory_bytes": system.total_memory_bytes,
                "available_memory_bytes": system.available_memory_bytes,
                "boot_time_seconds": system.boot_time_seconds,
                "usage": dataclasses.asdict(now),
                "container": None if container is None else dataclasses.asdict(container),
                "limits": support,
            }
        )
    booted = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(system.boot_time_seconds))
    _print_table(
        [
            ("system", f"{texts['distribution']} ({detected.platform} {texts['release']}, {detected.architecture})"),
            ("host", texts["hostname"]),
            ("CPUs", f"{system.usable_cpu_count} usable of {system.logical_cpu_count}"),
            (
                "memory",
                f"{format_size(system.available_memory_bytes)} available of {format_size(system.total_memory_bytes)}",
            ),
            ("swap", _part(now.swap_used_bytes, now.swap_total_bytes)),
            ("running", _running(now)),
            ("container", _container(container)),
            ("around", _around(container)),
            ("left to it", _left(container)),
            ("page size", format_size(system.page_size_bytes)),
            ("started", booted),
            ("Python", detected.python_version.split()[0]),
            ("libmimir", f"{__version__}, ABI {c.MIMIR_ABI}, {_library.current().path}"),
        ]
    )
    print()
    _print_table(
        [(_limits.TITLES[limit], *kept.values()) for limit, kept in support.items()],
        ["how limits are kept", "on itself", "on a process", "on a command"],
    )
    return 0


def _part(used: int | None, total: int | None) -> str:
    return "-" if used is None or total is None else f"{format_size(used)} used of {format_size(total)}"


def _running(now: SystemUsage) -> str:
    counts = [(now.processes, "processes"), (now.threads, "threads"), (now.run_queue, "that want to run")]
    return ", ".join(f"{count} {what}" for count, what in counts if count is not None)


def _container(container: ContainerInfo | None) -> str:
    if container is None or container.kind is None:
        return "none that limits"
    found = []
    if container.memory_limit_bytes is not None:
        limit, used = container.memory_limit_bytes, container.memory_usage_bytes
        found.append(f"memory {format_size(limit) if used is None else _part(used, limit)}")
    if container.cpu_limit is not None:
        found.append(f"CPU {_limits.describe('cpu_rate', container.cpu_limit)}")
    if container.process_limit is not None:
        found.append(f"{container.process_limit} processes")
    return f"{container.kind.replace('-', ' ')}: {', '.join(found) or 'no limit'}"


def _around(container: ContainerInfo | None) -> str:
    found = []
    if container is not None:
        if container.runtime or container.id:
            found.append(" ".join(filter(None, (container.runtime or "a container", (container.id or "")[:12]))))
        if container.orchestrator:
            pod = f" {container.pod}" if container.pod else ""
            found.append(f"{container.orchestrator}{pod}{f' in {container.namespace}' if container.namespace else ''}")
        found += filter(None, (container.service, container.cloud, container.machine))
    return ", ".join(found) or "nothing known"


def _left(container: ContainerInfo | None) -> str:
    if container is None:
        return "-"
    memory = f"{format_size(container.available_memory_bytes)} of {format_size(container.usable_memory_bytes)}"
    return f"{container.usable_cpus:g} CPUs, {memory}"


def usage(pid: int, *, as_json: bool) -> int:
    """Print what a process uses; pid 0 is this one."""
    used = process.usage(pid)
    priority = process.get_priority(pid)
    if as_json:
        return _print_json(
            {
                "pid": used.pid,
                "resident_bytes": used.resident_bytes,
                "peak_resident_bytes": used.peak_resident_bytes,
                "virtual_bytes": used.virtual_bytes,
                "user_time_seconds": used.user_time_seconds,
                "system_time_seconds": used.system_time_seconds,
                "cpu_time_seconds": used.cpu_time_seconds,
                "threads": used.threads,
                "descriptors": used.descriptors,
                "priority": priority,
            }
        )

    def size(value: int | None) -> str:
        return "-" if value is None else format_size(value)

    def seconds(value: float | None) -> str:
        return "-" if value is None else format_seconds(value)

    def number(value: int | None) -> str:
        return "-" if value is None else str(value)

    split = f"(user {seconds(used.user_time_seconds)}, system {seconds(used.system_time_seconds)})"
    _print_table(
        [
            ("process", str(used.pid)),
            ("resident memory", f"{size(used.resident_bytes)} (peak {size(used.peak_resident_bytes)})"),
            ("address space", size(used.virtual_bytes)),
            ("CPU time", f"{seconds(used.cpu_time_seconds)} {split}"),
            ("threads", number(used.threads)),
            ("open descriptors", number(used.descriptors)),
            ("priority", f"{priority} ({_name_of(priority)})"),
        ]
    )
    return 0


def _name_of(priority: int) -> str:
    """Give the name of a priority, or that of the next lower one that has a name."""
    return next(name for name, nice in process.PRIORITIES.items() if priority >= nice)


def limits(pid: int, *, as_json: bool) -> int:
    """Print the limits of a process; pid 0 is this one."""
    found = process.limits(pid)
    if as_json:
        answer = {
            name: {"soft": limit.soft, "hard": limit.hard, "enforcement": limit.enforcement}
            for name, limit in found.items()
        }
        return _print_json({"pid": pid or os.getpid(), "limits": answer})
    _print_table(
        [
            (
                _limits.TITLES[name],
                _limits.describe(name, limit.soft),
                _limits.describe(name, limit.hard),
                limit.enforcement,
            )
            for name, limit in found.items()
        ],
        ["limit", "soft", "hard", "kept by"],
    )
    return 0


def _print_json(value: object) -> int:
    import json

    print(json.dumps(value))
    return 0


def _print_table(rows: Iterable[Sequence[str]], headings: Sequence[str] = ()) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(headings), header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    rows = list(rows)
    for i in range(len(rows[0])):
        table.add_column(headings[i] if headings else "", style="dim" if i == 0 else "", overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    # A file or a pipe has no width that a line would have to fit.
    console = Console(width=None if sys.stdout.isatty() else 1000)
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))
