"""Commands that are kept to a directory, to certain programs and to limits, and the limits of this process.

>>> import asyncio, libmimir
>>> sandbox = libmimir.Sandbox(allowed_executables=["sh"], memory="64M", wall=10)
>>> done = asyncio.run(sandbox.run_sandboxed_command(["sh", "-c", "pwd > here; cat here"]))
>>> done["success"], done["termination_reason"]
(True, None)
>>> asyncio.run(sandbox.run_sandboxed_command(["ls"]))
Traceback (most recent call last):
...
libmimir.errors.PermissionDeniedError: 'ls' is not among the allowed executables
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from . import _limits
from .errors import MimirError, NotFoundError, NotSupportedError, PermissionDeniedError
from .platform import get_platform_adapter
from .process import supports

if TYPE_CHECKING:
    from ._launch import Options
    from ._units import Duration, Size
    from .jobs import JobResult
    from .platform import PlatformAdapter

__all__ = ["IsolatedEnvironment", "ProcessIsolator", "ResourceLimiter", "Sandbox"]

_logger = logging.getLogger("libmimir")

_PathLike = Union[str, "os.PathLike[str]"]

#: What `ResourceLimiter` and `ProcessIsolator` limit without being told: bytes, seconds and numbers of things.
DEFAULT_LIMITS: dict[str, int] = {
    "max_memory": 1 << 30,
    "max_cpu_time": 300,
    "max_wall_time": 600,
    "max_file_descriptors": 1024,
    "max_processes": 32,
    "max_file_size": 100 << 20,
}
# The same by the names of `libmimir.run`.
_ARGUMENTS = {
    "max_memory": "memory",
    "max_cpu_time": "cpu",
    "max_wall_time": "wall",
    "max_file_descriptors": "open_files",
    "max_processes": "processes",
    "max_file_size": "file_size",
}


def _with_defaults(limits: Mapping[str, int] | None) -> dict[str, int]:
    unknown = set(limits or ()) - set(DEFAULT_LIMITS)
    if unknown:
        raise ValueError(f"limits: {min(unknown)!r} is not a limit; there are {', '.join(DEFAULT_LIMITS)}")
    return {**DEFAULT_LIMITS, **(limits or {})}


class ResourceLimiter:
    """Limits this process, and tells how much of its limits it has used. The wall time is for its caller to keep.

    limits replaces single values of `DEFAULT_LIMITS`, by the names there.
    """

    def __init__(
        self, limits: Mapping[str, int] | None = None, platform_adapter: PlatformAdapter | None = None
    ) -> None:
        self.limits = _with_defaults(limits)
        self.platform = platform_adapter or get_platform_adapter()

    def set_process_limits(self) -> bool:
        """Set the five limits of this process. Answers whether all could be set; each that could not logs a warning.

        For a forked child before exec, or a process that means itself: what is lowered stays low. Commands get their
        limits by `ProcessIsolator`, `Sandbox` or `libmimir.run`.
        """
        adapter, limits = self.platform, self.limits
        done = [
            adapter.set_memory_limit(limits["max_memory"]),
            adapter.set_cpu_limit(limits["max_cpu_time"]),
            adapter.set_file_descriptor_limit(limits["max_file_descriptors"]),
            adapter.set_process_limit(limits["max_processes"]),
            adapter.set_file_size_limit(limits["max_file_size"]),
        ]
        return all(done)

    def check_memory_usage(self) -> dict[str, Any]:
        """Tell how much memory this process uses, and hold it against its limit."""
        usage = self.platform.get_resource_usage(memory_limit=self.limits["max_memory"])
        return {
            "memory_bytes": usage.memory_bytes,
            "memory_mb": usage.memory_mb,
            "memory_percent": usage.memory_percent,
            "limit_bytes": self.limits["max_memory"],
            "limit_exceeded": usage.memory_limit_exceeded,
        }

    def check_cpu_usage(self) -> dict[str, Any]:
        """Tell how much CPU time this process has used, and hold it against its limit."""
        usage = self.platform.get_resource_usage(cpu_limit=self.limits["max_cpu_time"])
        return {
            "cpu_time_seconds": usage.cpu_time_seconds,
            "cpu_percent": usage.cpu_percent,
            "limit_seconds": self.limits["max_cpu_time"],
            "limit_exceeded": usage.cpu_limit_exceeded,
        }


def _report(command: Sequence[str], result: JobResult[bytes], began: float, missing: Iterable[str]) -> dict[str, Any]:
    """Make the dictionary that callers of `run_isolated_command` know, and more."""
    return {
        "return_code": result.returncode,
        "stdout": (result.stdout or b"").decode("utf-8", "replace"),
        "stderr": (result.stderr or b"").decode("utf-8", "replace"),
        "execution_time": time.monotonic() - began,
        "command": list(command),
        "success": result.returncode == 0 and result.termination_reason is None,
        "termination_reason": result.termination_reason,
        "usage": {
            "cpu_time_seconds": result.cpu_time_seconds,
            "user_time_seconds": result.user_time_seconds,
            "system_time_seconds": result.system_time_seconds,
            "wall_time_seconds": result.wall_time_seconds,
            "peak_memory_bytes": result.peak_memory_bytes,
            "peak_processes": result.peak_processes,
            "output_bytes": result.output_bytes,
        },
        "enforcement": {**result.enforcement, **dict.fromkeys(missing, "none")},
    }


def _bytes(data: str | bytes | None) -> bytes:
    if data is None:
        return b""
    return data.encode() if isinstance(data, str) else data


def _texts(command: Sequence[_PathLike]) -> list[str]:
    if isinstance(command, (str, bytes)):
        raise TypeError(f"command: give a list, such as {[command]!r}")
    return [os.fspath(text) for text in command]


def _possible(limits: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Part limits into those that a command can have here and the names of those that it cannot."""
    possible = {}
    missing = []
    for name, value in limits.items():
        if value is None:
            continue
        if name in _limits.LIMITS and supports(name, "job") is None:
            missing.append(name)
        else:
            possible[name] = value
    return possible, missing


class ProcessIsolator:
    """Runs commands, each in a process group of its own, under limits that hold for all its descendants.

    limits replaces single values of `DEFAULT_LIMITS`. A limit that the platform cannot keep is left out, and told as
    ``"none"`` in the answer's enforcement.
    """

    def __init__(self, limits: Mapping[str, int] | ResourceLimiter | None = None) -> None:
        self.limits = dict(limits.limits) if isinstance(limits, ResourceLimiter) else _with_defaults(limits)

    async def run_isolated_command(
        self,
        command: Sequence[str],
        cwd: _PathLike | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        input_data: str | bytes | None = None,
    ) -> dict[str, Any]:
        """Run a command to its end, and tell how it went.

        timeout is in seconds; without it the command has ``max_wall_time``. When it is over, the command has ended with
        all its descendants, and the answer says so. Without env the command has this process's environment; without
        input_data it reads nothing.

        Answers a dict of return_code, stdout and stderr (text), execution_time (seconds), command, success (it returned
        0 and no limit ended it), termination_reason and enforcement (see `libmimir.JobResult`), and usage, a dict.

        Raises: as `libmimir.run`. Cancelling it ends the command.
        """
        from .aio import run_async

        began = time.monotonic()
        wanted = {argument: self.limits[name] for name, argument in _ARGUMENTS.items()}
        limits, missing = _possible({**wanted, "wall": wanted["wall"] if timeout is None else timeout})
        options: Options = {"cwd": cwd, "env": env, **limits}  # type: ignore[typeddict-item]
        result = await run_async(_texts(command), input=_bytes(input_data), capture_output=True, **options)
        return _report(command, result, began, missing)


# What the library says, as the step that failed, when a confinement cannot be had here.
_STEP_OF = {"landlock": "writable", "find network namespaces": "no_network", "new network": "no_network"}


class Sandbox:
    """Runs certain programs in a directory of their own, under limits, and confined to it where the system can do that.

    directory: where commands run; it is made if it is not there, and stays. Without one, each command, or each
        `isolated_environment`, has a temporary directory of its own, which is removed after it.
    allowed_executables: the programs that can be run, as names or paths; None for any. They are compared as files, all
        links resolved. What an allowed program runs in turn is up to it.
    environment: variables beside the minimal environment (PATH, HOME, TMPDIR, LANG; what Windows needs).
    allow_network: give commands the network.
    required: refuse to run anything without all three confinements below.
    The limits are those of `libmimir.run`; None for none.

    On Linux the kernel keeps a command and its descendants from changing a file outside the directory (Landlock,
    ``"writable"``), from the network (a network namespace, ``"no_network"``) and from gaining privileges
    (``"no_new_privileges"``). What cannot be had here is left out, and is ``"none"`` in the answers' enforcement.
    """

    def __init__(
        self,
        directory: _PathLike | None = None,
        *,
        allowed_executables: Iterable[_PathLike] | None = None,
        environment: Mapping[str, str] | None = None,
        allow_network: bool = False,
        required: bool = False,
        memory: Size | None = "1G",
        cpu: Duration | None = 300,
        wall: Duration | None = 600,
        processes: int | None = 32,
        open_files: int | None = 1024,
        file_size: Size | None = "100M",
        output: Size | None = "100M",
        address_space: Size | None = None,
        cpu_rate: float | None = None,
        grace: Duration | None = None,
    ) -> None:
        self.directory = None if directory is None else os.path.realpath(directory)
        self.environment = dict(environment or {})
        self.required = required
        limits = {
            "memory": memory,
            "cpu": cpu,
            "wall": wall,
            "processes": processes,
            "open_files": open_files,
            "file_size": file_size,
            "output": output,
            "address_space": address_space,
            "cpu_rate": cpu_rate,
            "grace": grace,
        }
        self._limits, self._missing = _possible(limits)
        self._confinements = ["writable", "no_new_privileges"] + ([] if allow_network else ["no_network"])
        if sys.platform != "linux":
            self._lacks_all()
        self._path = _search_path()
        self._allowed: set[str] | None = None
        if allowed_executables is not None:
            self._allowed = {os.path.realpath(self._which(os.fspath(one))) for one in allowed_executables}

    def isolated_environment(self) -> IsolatedEnvironment:
        """Give a directory for several commands, as a context manager, in a ``with`` or an ``async with``.

        It is the sandbox's own, or a temporary one that is removed in the end, whatever happens.
        """
        return IsolatedEnvironment(self)

    async def run_sandboxed_command(
        self,
        command: Sequence[str],
        cwd: _PathLike | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        input_data: str | bytes | None = None,
    ) -> dict[str, Any]:
        """Run a command to its end and tell how it went: see `ProcessIsolator.run_isolated_command` for the answer.

        cwd is a path in the sandbox's directory; env adds to the environment; timeout is in seconds.

        Raises: `PermissionDeniedError` for a program that is not allowed and a cwd that leads outside, by whatever
        links; `NotFoundError` for either when it does not exist; `NotSupportedError` where a confinement is required
        and cannot be had; and as `libmimir.run`. Cancelling it ends the command.
        """
        async with self.isolated_environment() as place:
            return await place.run_sandboxed_command(command, cwd, env, timeout, input_data)

    def _which(self, name: str, base: str | None = None, path: str | None = None) -> str:
        """Find a program, without resolving links: programs look at the name that they were started by."""
        if os.path.dirname(name):
            found = os.path.join(base or os.getcwd(), name)
            if os.path.isfile(found):
                return found
        else:
            looked_up = shutil.which(name, path=self._path if path is None else path)
            if looked_up is not None:
                return os.path.abspath(looked_up)
        raise NotFoundError(f"there is no program {name!r}", step="find program")

    def _lacks(self, error: MimirError, tried: Options) -> bool:
        """Note which of the confinements that were tried cannot be had here, if that is what an error says."""
        name = _STEP_OF.get(error.step, "")
        if not tried.get(name):
            return False
        if self.required:
            raise NotSupportedError(f"the sandbox cannot be confined ({name}): {error}", step=error.step) from error
        if name in self._confinements:  # else another run has noted it meanwhile
            _logger.warning("commands in the sandbox are not confined (%s): %s", name, error)
            self._confinements.remove(name)
            self._missing.append(name)
        return True

    def _lacks_all(self) -> None:
        if self.required:
            raise NotSupportedError(f"the sandbox cannot be confined on {sys.platform}", step="check platform")
        self._missing += self._confinements
        self._confinements = []


class IsolatedEnvironment:
    """A sandbox's directory while it is in use: see `Sandbox.isolated_environment`."""

    #: The directory, all links resolved.
    directory: str

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._temporary = sandbox.directory is None

    def __enter__(self) -> IsolatedEnvironment:
        given = self._sandbox.directory
        if given is None:
            self.directory = os.path.realpath(tempfile.mkdtemp(prefix="libmimir-"))
        else:
            os.makedirs(given, exist_ok=True)
            self.directory = given
        return self

    def __exit__(self, *_: object) -> None:
        if self._temporary:
            _remove(self.directory)

    async def __aenter__(self) -> IsolatedEnvironment:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands: what every program needs, and what the sandbox was given."""
        variables = {
            "PATH": self._sandbox._path,
            "HOME": self.directory,
            "TMPDIR": self.directory,
            "LANG": "C.UTF-8",
        }
        if sys.platform == "win32":
            variables.update(TEMP=self.directory, TMP=self.directory, USERPROFILE=self.directory)
            for name in ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT"):
                if name in os.environ:
                    variables[name] = os.environ[name]
        return {**variables, **self._sandbox.environment}

    def resolve(self, path: _PathLike = "") -> str:
        """Resolve a path in the directory, with all links.

        Raises: `PermissionDeniedError` when it leads outside.
        """
        resolved = os.path.realpath(os.path.join(self.directory, path))
        if not _is_within(resolved, self.directory):
            raise PermissionDeniedError(f"{os.fspath(path)!r} leads outside the sandbox", step="resolve path")
        return resolved

    def run(
        self,
        command: Sequence[_PathLike],
        cwd: _PathLike | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        input_data: str | bytes | None = None,
    ) -> JobResult[bytes]:
        """Run a command to its end, in this thread, and give its result with what it wrote.

        Its enforcement has the confinements as well. Arguments and errors are those of `run_sandboxed_command`.
        """
        from .jobs import run

        args, data = _texts(command), _bytes(input_data)
        while True:
            given, options = self._prepare(args, cwd, env, timeout)
            try:
                result = run(given, input=data, capture_output=True, **options)
            except (NotSupportedError, PermissionDeniedError) as error:
                if not self._sandbox._lacks(error, options):
                    raise
            else:
                result.enforcement.update(dict.fromkeys(self._sandbox._missing, "none"))
                return result

    async def run_sandboxed_command(
        self,
        command: Sequence[_PathLike],
        cwd: _PathLike | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        input_data: str | bytes | None = None,
    ) -> dict[str, Any]:
        """Run a command here: see `Sandbox.run_sandboxed_command`."""
        from .aio import run_async

        args, data, began = _texts(command), _bytes(input_data), time.monotonic()
        while True:
            given, options = self._prepare(args, cwd, env, timeout)
            try:
                result = await run_async(given, input=data, capture_output=True, **options)
            except (NotSupportedError, PermissionDeniedError) as error:
                if not self._sandbox._lacks(error, options):
                    raise
            else:
                return _report(args, result, began, self._sandbox._missing)

    def _prepare(
        self, args: list[str], cwd: _PathLike | None, env: Mapping[str, str] | None, timeout: float | None
    ) -> tuple[list[str], Options]:
        """Check a command and its directory, and give what it is to be started as."""
        sandbox = self._sandbox
        start = self.resolve(cwd or "")
        if not os.path.isdir(start):
            raise NotFoundError(f"cwd: {os.fspath(cwd or '')!r} is not a directory", step="check directory")
        variables = {**self.environment, **(env or {})}
        program = sandbox._which(args[0], start, variables.get("PATH", "")) if args else ""
        resolved = os.path.realpath(program)
        if args and sandbox._allowed is not None and resolved not in sandbox._allowed:
            raise PermissionDeniedError(f"{args[0]!r} is not among the allowed executables", step="check program")
        # A link that a command could have made is not followed a second time: it may lead elsewhere by then.
        args = [resolved if _is_within(program, self.directory) else program, *args[1:]] if args else []
        options: Options = {"cwd": start, "env": variables, **sandbox._limits}  # type: ignore[typeddict-item]
        if timeout is not None:
            options["wall"] = timeout
        if "writable" in sandbox._confinements:
            options["writable"] = [self.directory]
        options["no_network"] = "no_network" in sandbox._confinements
        options["no_new_privileges"] = "no_new_privileges" in sandbox._confinements
        return args, options


def _is_within(path: str, directory: str) -> bool:
    try:
        return os.path.commonpath([path, directory]) == directory
    except ValueError:  # on another drive
        return False


def _search_path() -> str:
    """Give this process's PATH without the entries that mean the current directory."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if os.path.isabs(entry)) or os.defpath


def _remove(directory: str) -> None:
    """Remove a directory with all that commands have left in it, also what they have made unreadable."""
    for pause in (0.0, 0.05, 0.2):  # Windows lets go of a program's files a little after its end
        time.sleep(pause)
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            return
        except OSError:
            _open_up(directory)
        else:
            return
    try:
        shutil.rmtree(directory)
    except OSError as error:
        _logger.warning("could not remove the sandbox's directory %r: %s", directory, error)


def _open_up(directory: str) -> None:
    mode = stat.S_IRWXU
    with contextlib.suppress(OSError):
        os.chmod(directory, mode)
    for parent, directories, files in os.walk(directory):
        # Those below are opened before the walk comes to them.
        for name in directories + (files if sys.platform == "win32" else []):
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, mode)
