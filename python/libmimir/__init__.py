"""Run commands under limits, limit this process, and measure it: one API for Linux, macOS and Windows.

    import libmimir

    result = libmimir.run(["make"], memory="2G", cpu=600, wall=900)
    result.termination_reason          # None, or the limit that ended it: "memory", "cputime", "walltime", ...

    adapter = libmimir.get_platform_adapter()
    adapter.get_resource_usage(memory_limit=1 << 30).memory_percent

    libmimir.get_limit("open_files")   # LimitValue(soft=1024, hard=1048576, enforcement='kernel')

`libmimir.platform` has the adapter; `libmimir.jobs` commands under limits, `libmimir.popen` those that run beside their
caller, `libmimir.aio` those of asyncio, `libmimir.sandbox` those that are kept to a directory; `libmimir.process` has
running processes, `libmimir.system` the whole system and the container around this process, `libmimir.monitor` all of
this over time, `libmimir.errors` the exceptions, and `libmimir.raw` the C interface.

Everything can be called from all threads at once, also without the interpreter's lock: on a free-threaded build nothing
here turns it on. Forked children have the package as well: between fork and exec what limits them, groups them, resets
signals and measures them; in a child that lives on, everything (Linux), by a copy of the library that the first call
loads. A job belongs to the process that started it. Subinterpreters share the library; one that cannot have ctypes gets
an ImportError.
"""

from __future__ import annotations

# The library is loaded here and now: it has to be there before the process forks to work in the child.
from . import _library as _library
from ._bindings import VERSION as _VERSION
from ._group import create_process_group, getpgid, killpg, reset_signals, setpgrp
from ._priority import get_priority, set_priority
from .errors import (
    BadHandleError,
    BufferTooShortError,
    ForkedError,
    InternalError,
    InterruptedCallError,
    InvalidArgumentError,
    LimitError,
    MimirError,
    NoSuchProcessError,
    NotFoundError,
    NotSupportedError,
    OperatingSystemError,
    OutOfResourcesError,
    PermissionDeniedError,
    StateError,
    TimedOutError,
)
from .platform import (
    PlatformAdapter,
    ResourceUsage,
    SystemInfo,
    UnixPlatformAdapter,
    WindowsPlatformAdapter,
    create_platform_adapter,
    get_config_directory,
    get_executable_name,
    get_home_directory,
    get_path_separator,
    get_platform_adapter,
    get_platform_context,
    get_system_info,
    get_temp_directory,
    is_linux,
    is_macos,
    is_unix_like,
    is_windows,
    join_paths,
    normalize_path,
)

__version__: str = _VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import aio, cli, errors, jobs, monitor, platform, popen, process, raw, sandbox, system
    from .aio import AsyncProcess, create_process, run_async
    from .jobs import JobError, JobResult, run
    from .monitor import Monitor
    from .popen import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired
    from .process import (
        PRIORITIES,
        SAME,
        LimitValue,
        Process,
        ProcessUsage,
        get_limit,
        limits,
        set_limit,
        supports,
        usage,
    )
    from .sandbox import IsolatedEnvironment, ProcessIsolator, ResourceLimiter, Sandbox
    from .system import ContainerInfo, SystemUsage, container_info, system_usage

# What is imported on its first use: each costs more than the rest of the package together.
_LAZY_MODULES = ("aio", "cli", "jobs", "monitor", "popen", "process", "raw", "sandbox", "system")
_LAZY_NAMES = {
    "AsyncProcess": "aio",
    "create_process": "aio",
    "run_async": "aio",
    "JobError": "jobs",
    "JobResult": "jobs",
    "run": "jobs",
    "Monitor": "monitor",
    "DEVNULL": "popen",
    "PIPE": "popen",
    "STDOUT": "popen",
    "Popen": "popen",
    "TimeoutExpired": "popen",
    "PRIORITIES": "process",
    "SAME": "process",
    "LimitValue": "process",
    "Process": "process",
    "ProcessUsage": "process",
    "get_limit": "process",
    "limits": "process",
    "set_limit": "process",
    "supports": "process",
    "usage": "process",
    "IsolatedEnvironment": "sandbox",
    "ProcessIsolator": "sandbox",
    "ResourceLimiter": "sandbox",
    "Sandbox": "sandbox",
    "ContainerInfo": "system",
    "SystemUsage": "system",
    "container_info": "system",
    "system_usage": "system",
}

__all__ = [
    "__version__",
    # platform
    "PlatformAdapter",
    "ResourceUsage",
    "SystemInfo",
    "UnixPlatformAdapter",
    "WindowsPlatformAdapter",
    "create_platform_adapter",
    "get_config_directory",
    "get_executable_name",
    "get_home_directory",
    "get_path_separator",
    "get_platform_adapter",
    "get_platform_context",
    "get_system_info",
    "get_temp_directory",
    "is_linux",
    "is_macos",
    "is_unix_like",
    "is_windows",
    "join_paths",
    "normalize_path",
    # jobs
    "AsyncProcess",
    "DEVNULL",
    "JobError",
    "JobResult",
    "PIPE",
    "Popen",
    "STDOUT",
    "TimeoutExpired",
    "create_process",
    "run",
    "run_async",
    # monitor
    "Monitor",
    # sandbox
    "IsolatedEnvironment",
    "ProcessIsolator",
    "ResourceLimiter",
    "Sandbox",
    # process
    "PRIORITIES",
    "SAME",
    "LimitValue",
    "Process",
    "ProcessUsage",
    "create_process_group",
    "get_limit",
    "get_priority",
    "getpgid",
    "killpg",
    "limits",
    "reset_signals",
    "set_limit",
    "set_priority",
    "setpgrp",
    "supports",
    "usage",
    # system
    "ContainerInfo",
    "SystemUsage",
    "container_info",
    "system_usage",
    # errors
    "BadHandleError",
    "BufferTooShortError",
    "ForkedError",
    "InternalError",
    "InterruptedCallError",
    "InvalidArgumentError",
    "LimitError",
    "MimirError",
    "NoSuchProcessError",
    "NotFoundError",
    "NotSupportedError",
    "OperatingSystemError",
    "OutOfResourcesError",
    "PermissionDeniedError",
    "StateError",
    "TimedOutError",
    # modules
    "aio",
    "cli",
    "errors",
    "jobs",
    "monitor",
    "platform",
    "popen",
    "process",
    "raw",
    "sandbox",
    "system",
]


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> object:
        module = _LAZY_NAMES.get(name)
        if module is None and name not in _LAZY_MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        loaded = import_module(f"{__name__}.{module or name}")
        if module is None:
            return loaded
        value = globals()[name] = getattr(loaded, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
