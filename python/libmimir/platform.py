"""The platform adapter: limits of this process, what it uses, the system, paths and directories.

These are the names that Mimir's applications call, with their signatures; what differs from the standard modules that
they stand for is said at each. Nothing here raises for what the platform cannot do: a setter answers False and logs a
warning on the logger ``libmimir``.

The setters and `PlatformAdapter.get_resource_usage` also work in a forked child, between fork and exec: in a
``preexec_fn``.
"""

from __future__ import annotations

import ctypes
import os
import sys
from abc import ABC, abstractmethod
from operator import index

from . import _bindings as c
from . import _library
from ._log import warn
from ._usage import ResourceUsage, get_resource_usage
from .errors import InvalidArgumentError, NotSupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from pathlib import Path
    from typing import Any
else:
    from ._dataclass import dataclass

__all__ = [
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
]

# Asked once, at import: the answers do not change, and a forked child can have them without the library.
_PLATFORM = os.fsdecode(_library.text("mimir_system_text", c.MIMIR_SYSTEM_PLATFORM))
_ARCHITECTURE = os.fsdecode(_library.text("mimir_system_text", c.MIMIR_SYSTEM_ARCHITECTURE))


@dataclass
class SystemInfo:
    """What this program runs on."""

    #: ``"Linux"``, ``"Darwin"`` or ``"Windows"``, as the standard ``platform.system()`` says.
    platform: str
    #: Such as ``"x86_64"`` or ``"arm64"``, as the standard ``platform.machine()`` says.
    architecture: str
    #: ``sys.version``.
    python_version: str
    is_windows: bool
    is_linux: bool
    is_macos: bool

    @classmethod
    def detect(cls) -> SystemInfo:
        """Describe the system that this program runs on."""
        return cls(
            platform=_PLATFORM,
            architecture=_ARCHITECTURE,
            python_version=sys.version,
            is_windows=_PLATFORM == "Windows",
            is_linux=_PLATFORM == "Linux",
            is_macos=_PLATFORM == "Darwin",
        )


class PlatformAdapter(ABC):
    """Limits on this process and what it uses. Subclass it for a fake of your own."""

    @abstractmethod
    def get_system_info(self) -> SystemInfo:
        """Describe the system that this program runs on."""

    @abstractmethod
    def set_memory_limit(self, limit_bytes: int) -> bool:
        """Limit the memory of this process, in bytes. Answers whether that was done."""

    @abstractmethod
    def set_cpu_limit(self, limit_seconds: int) -> bool:
        """Limit the CPU time of this process, in seconds since it began. Answers whether that was done."""

    @abstractmethod
    def set_file_descriptor_limit(self, limit: int) -> bool:
        """Limit the number of open descriptors of this process. Answers whether that was done."""

    @abstractmethod
    def set_process_limit(self, limit: int) -> bool:
        """Limit the number of processes and threads. Answers whether that was done."""

    @abstractmethod
    def set_file_size_limit(self, limit_bytes: int) -> bool:
        """Limit the size to which this process can write a file, in bytes. Answers whether that was done."""

    @abstractmethod
    def get_resource_usage(self, memory_limit: int = 0, cpu_limit: int = 0) -> ResourceUsage:
        """Read what this process uses and hold it against limits in bytes and seconds; 0 is none."""


class _SystemAdapter(PlatformAdapter):
    """What both adapters are: the shared library does the same on every platform."""

    _family = ""

    def __init__(self) -> None:
        self.system_info = SystemInfo.detect()
        self._is_ours = self.system_info.is_windows == (self._family == "Windows")

    def get_system_info(self) -> SystemInfo:
        return self.system_info

    def set_memory_limit(self, limit_bytes: int) -> bool:
        """Limit the memory of this process, in bytes. Answers whether that was done.

        Linux: soft and hard ``RLIMIT_DATA``, which the kernel enforces (allocating more fails), and ``RLIMIT_RSS``,
        which it has ignored since 2.4.30, for programs that read it back. Windows: a job object.
        """
        return self._set("memory", c.MIMIR_LIMIT_MEMORY, limit_bytes)

    def set_cpu_limit(self, limit_seconds: int) -> bool:
        """Limit the CPU time of this process, in seconds since it began. Answers whether that was done.

        Unix: soft and hard ``RLIMIT_CPU``. Windows: a job object, where one can.
        """
        return self._set("CPU time", c.MIMIR_LIMIT_CPU_TIME, limit_seconds, 1_000_000_000)

    def set_file_descriptor_limit(self, limit: int) -> bool:
        """Limit the number of open descriptors of this process. Answers whether that was done.

        Unix: soft and hard ``RLIMIT_NOFILE``. Windows has no such limit.
        """
        return self._set("file descriptor", c.MIMIR_LIMIT_OPEN_FILES, limit)

    def set_process_limit(self, limit: int) -> bool:
        """Limit the number of processes and threads. Answers whether that was done.

        Unix: soft and hard ``RLIMIT_NPROC``, which counts all processes and threads of the user, and from which root is
        exempt. Windows: a job object.
        """
        return self._set("process", c.MIMIR_LIMIT_PROCESSES, limit)

    def set_file_size_limit(self, limit_bytes: int) -> bool:
        """Limit the size to which this process can write a file, in bytes. Answers whether that was done.

        Unix: soft and hard ``RLIMIT_FSIZE``. Windows has no such limit.
        """
        return self._set("file size", c.MIMIR_LIMIT_FILE_SIZE, limit_bytes)

    def _set(self, what: str, limit: int, value: int, unit: int = 1) -> bool:
        # Runs in forked children before exec: it imports and logs on failure only.
        try:
            if not self._is_ours:
                raise NotSupportedError(f"{type(self).__name__} sets no limits on {_PLATFORM}")
            number = index(value)
            if not 0 <= number < c.MIMIR_UNLIMITED:
                raise InvalidArgumentError("a limit is not negative and fits 64 bits")
            # CPU time beyond what nanoseconds can count (584 years) is as good as the most that they can.
            number = min(number * unit, c.MIMIR_UNLIMITED - 1)
            _library.call("mimir_limit_set", 0, limit, number, number, None)
        except Exception as error:
            warn("could not set the %s limit to %r: %s", what, value, error)
            return False
        return True

    get_resource_usage = get_resource_usage


class UnixPlatformAdapter(_SystemAdapter):
    """The adapter of Linux and macOS. It can be made on every platform; on Windows its setters answer False."""

    _family = "Unix"


class WindowsPlatformAdapter(_SystemAdapter):
    """The adapter of Windows. It can be made on every platform; on Unix its setters answer False."""

    _family = "Windows"


def create_platform_adapter() -> PlatformAdapter:
    """Make an adapter for the platform that this program runs on."""
    return WindowsPlatformAdapter() if _PLATFORM == "Windows" else UnixPlatformAdapter()


# Made at import, so that threads cannot make two, and a forked child has it.
_adapter = create_platform_adapter()


def get_platform_adapter() -> PlatformAdapter:
    """Give the adapter that the whole process shares."""
    return _adapter


def get_system_info() -> SystemInfo:
    """Describe the system that this program runs on."""
    return _adapter.get_system_info()


def get_platform_context() -> dict[str, Any]:
    """Describe the system for an error report: ``platform``, ``architecture``, ``python_version``."""
    info = get_system_info()
    return {
        "platform": info.platform,
        "architecture": info.architecture,
        "python_version": info.python_version,
    }


def is_windows() -> bool:
    """Whether this is Windows."""
    return get_system_info().is_windows


def is_linux() -> bool:
    """Whether this is Linux."""
    return get_system_info().is_linux


def is_macos() -> bool:
    """Whether this is macOS."""
    return get_system_info().is_macos


def is_unix_like() -> bool:
    """Whether this is Linux or macOS."""
    info = get_system_info()
    return info.is_linux or info.is_macos


def normalize_path(path: str | os.PathLike[str]) -> str:
    """Write a path without redundant separators, ``.`` and ``..``, as ``os.path.normpath`` does. It looks at no file.

    Raises: `InvalidArgumentError` for a path with a null character.
    """
    return _normalize(c.MIMIR_PATH_NATIVE, path)


def join_paths(*paths: str | os.PathLike[str]) -> str:
    """Join paths; a later absolute one starts anew. The same as ``os.path.join``.

    Raises: `TypeError` without paths; `InvalidArgumentError` for a path with a null character.
    """
    if not paths:
        raise TypeError("join_paths() needs at least one path")
    return _join(c.MIMIR_PATH_NATIVE, *paths)


def get_executable_name(base_name: str) -> str:
    """Give the file name of a program: ``base_name``, with ``.exe`` on Windows."""
    return os.fsdecode(_library.text("mimir_path_executable", c.MIMIR_PATH_NATIVE, _encode(base_name, "base_name")))


def get_path_separator() -> str:
    """Give the separator of paths, as ``os.sep``."""
    return os.fsdecode(_library.text("mimir_path_separator", c.MIMIR_PATH_NATIVE))


def get_home_directory() -> Path:
    """Give the user's home: ``HOME`` (``USERPROFILE`` on Windows), else what the user database says.

    Raises: `NotFoundError` when the user has none.
    """
    return _directory(c.MIMIR_DIRECTORY_HOME)


def get_temp_directory() -> Path:
    """Give the directory for temporary files: ``TMPDIR`` when set, else ``/tmp``; ``tmp`` in the working directory on
    Windows.
    """
    return _directory(c.MIMIR_DIRECTORY_TEMP)


def get_config_directory(app_name: str = "mimir") -> Path:
    """Give the directory of an application's settings. It is not created.

    Linux: ``$XDG_CONFIG_HOME/mimir`` when that is set, else ``~/.mimir``. macOS: ``~/Library/Application
    Support/mimir``. Windows: ``%APPDATA%\\mimir``, else ``~/AppData/Roaming/mimir``.

    Raises: `InvalidArgumentError` for a name that is empty or holds a separator; `NotFoundError` when the user has no
    home.
    """
    return _directory(c.MIMIR_DIRECTORY_CONFIG, _encode(app_name, "app_name"))


def _normalize(flavour: int, path: str | os.PathLike[str]) -> str:
    return os.fsdecode(_library.text("mimir_path_normalize", flavour, _encode(path, "path")))


def _join(flavour: int, *paths: str | os.PathLike[str]) -> str:
    parts = (ctypes.c_char_p * len(paths))(*[_encode(path, "path") for path in paths])
    return os.fsdecode(_library.text("mimir_path_join", flavour, parts, len(paths)))


def _directory(which: int, application: bytes | None = None) -> Path:
    from pathlib import Path

    return Path(os.fsdecode(_library.text("mimir_path_directory", which, application)))


def _encode(text: str | os.PathLike[str], name: str) -> bytes:
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise InvalidArgumentError(f"{name}: {text!r} holds a null character", step="check argument")
    return encoded
