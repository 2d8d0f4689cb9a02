"""Run a command under limits, and learn what it used and which limit ended it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TypeVar, Union, overload

from . import _bindings as c
from . import _job, _limits
from ._job import Command, Environment, _Text

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from ._units import Duration, Size

    class _Options(TypedDict, total=False):
        memory: Size | None
        cpu: Duration | None
        wall: Duration | None
        processes: int | None
        open_files: int | None
        file_size: Size | None
        address_space: Size | None
        output: Size | None
        cwd: _Text | None
        env: Environment | None
        capture_output: bool
        stdin: Stream
        stdout: Stream
        stderr: Stream
        check: bool


__all__ = ["JobError", "JobResult", "run"]


class HasFileno(Protocol):
    """What has a descriptor, such as an open file or a socket."""

    def fileno(self) -> int: ...


#: As in `subprocess.run`: None (the caller's), PIPE, DEVNULL, STDOUT, a descriptor, or an open file.
Stream = Union[None, int, IO[Any], HasFileno]

_T = TypeVar("_T")

_NAMES = {c.MIMIR_STREAM_INPUT: "stdin", c.MIMIR_STREAM_OUTPUT: "stdout", c.MIMIR_STREAM_ERROR: "stderr"}


class JobResult(subprocess.CompletedProcess[_T]):
    """How a command ended and what it used: a `subprocess.CompletedProcess` that knows more."""

    #: What the command returned; None when a signal ended it.
    exit_code: int | None
    #: The signal that ended it; None when it returned.
    signal: int | None
    #: The limit or act that ended it: ``"cputime"``, ``"walltime"``, ``"memory"``, ``"output"``, ``"filesize"``,
    #: ``"processes"``, ``"killed"`` or ``"failed"`` (its end could not be observed). None when it ended by itself, well
    #: or badly. It is what the mechanism that acted reports, not a guess from the numbers.
    termination_reason: str | None
    #: CPU time in user mode of the command and the descendants that it waited for, in seconds (``wait4``).
    user_time_seconds: float
    #: The same in the kernel.
    system_time_seconds: float
    #: Both together.
    cpu_time_seconds: float
    #: From the start of the command until its whole group was gone, in seconds.
    wall_time_seconds: float
    #: The most resident memory in use at once, in bytes: ``ru_maxrss`` of ``wait4``, else the highest sample.
    peak_memory_bytes: int
    #: Whether `peak_memory_bytes` is a sample, and the true peak may be a little more; it is 0 without any.
    peak_memory_sampled: bool
    #: The most processes seen at once; None when they were not counted.
    peak_processes: int | None
    #: Bytes written to standard output and error where they are captured or limited.
    output_bytes: int
    #: The limits that were given, in bytes, seconds or a number of things, by the name of the argument.
    limits: dict[str, int | float]
    #: How strongly each was kept: ``"kernel"``, ``"kernel-per-user"``, ``"watchdog"`` or ``"advisory"``.
    enforcement: dict[str, str]

    def __init__(
        self,
        args: Any,
        verdict: c.mimir_verdict,
        limits: dict[str, int | float],
        enforcement: dict[str, str],
        stdout: Any = None,
        stderr: Any = None,
    ) -> None:
        super().__init__(args, -verdict.signal if verdict.signal else verdict.exit_code, stdout, stderr)
        self.exit_code = None if verdict.signal else verdict.exit_code
        self.signal = verdict.signal or None
        self.termination_reason = _limits.REASONS.get(verdict.reason)
        self.user_time_seconds = verdict.user_time_ns / 1e9
        self.system_time_seconds = verdict.system_time_ns / 1e9
        self.cpu_time_seconds = (verdict.user_time_ns + verdict.system_time_ns) / 1e9
        self.wall_time_seconds = verdict.wall_time_ns / 1e9
        self.peak_memory_bytes = verdict.peak_memory_bytes
        self.peak_memory_sampled = bool(verdict.peak_is_sampled)
        self.peak_processes = verdict.peak_processes or None
        self.output_bytes = verdict.output_bytes
        self.limits = limits
        self.enforcement = enforcement

    def describe_end(self) -> str:
        """Say in a few words how the command ended, such as ``"ended by its memory limit of 256 MiB"``."""
        reason = self.termination_reason
        limit = _limits.LIMIT_OF_REASON.get(reason or "")
        if limit is not None:
            words = f"ended by its {_limits.TITLES[limit]} limit"
            if limit in self.limits:
                words += f" of {_limits.describe(limit, self.limits[limit])}"
        elif reason == "killed":
            words = "killed by its caller"
        elif reason == "failed":
            return "ended unobserved: its exit status went to somebody else"
        elif self.signal is not None:
            return f"died of {_signal_name(self.signal)}"
        else:
            return f"returned {self.exit_code}"
        if self.signal is not None:
            return f"{words} ({_signal_name(self.signal)})"
        return f"{words}, and returned {self.exit_code}"

    def __repr__(self) -> str:
        parts = [f"args={self.args!r}", f"returncode={self.returncode!r}"]
        if self.termination_reason is not None:
            parts.append(f"termination_reason={self.termination_reason!r}")
        if self.stdout is not None:
            parts.append(f"stdout={self.stdout!r}")
        if self.stderr is not None:
            parts.append(f"stderr={self.stderr!r}")
        parts.append(f"cpu_time_seconds={self.cpu_time_seconds:.6g}")
        parts.append(f"wall_time_seconds={self.wall_time_seconds:.6g}")
        parts.append(f"peak_memory_bytes={self.peak_memory_bytes}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def check_returncode(self) -> None:
        """Raise `JobError` when a limit ended the command or it did not return 0."""
        if self.returncode or self.termination_reason is not None:
            raise JobError(self)


class JobError(subprocess.CalledProcessError):
    """A checked command did not return 0, or a limit ended it. The message names the limit."""

    #: The whole verdict.
    result: JobResult[Any]

    def __init__(self, result: JobResult[Any]) -> None:
        super().__init__(result.returncode, result.args, result.stdout, result.stderr)
        self.result = result

    def __str__(self) -> str:
        return f"Command {self.cmd!r} {self.result.describe_end()}."

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result,)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@overload
def run(
    args: Command,
    *,
    input: str | None = None,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    **options: Unpack[_Options],
) -> JobResult[str]: ...
@overload
def run(
    args: Command,
    *,
    input: str | None = None,
    text: bool | None = None,
    encoding: str,
    errors: str | None = None,
    **options: Unpack[_Options],
) -> JobResult[str]: ...
@overload
def run(
    args: Command,
    *,
    input: str | None = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str,
    **options: Unpack[_Options],
) -> JobResult[str]: ...
@overload
def run(
    args: Command,
    *,
    input: bytes | bytearray | memoryview | None = None,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    **options: Unpack[_Options],
) -> JobResult[bytes]: ...
@overload
def run(
    args: Command,
    *,
    input: Any = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    **options: Unpack[_Options],
) -> JobResult[Any]: ...
def run(
    args: Command,
    *,
    memory: Size | None = None,
    cpu: Duration | None = None,
    wall: Duration | None = None,
    processes: int | None = None,
    open_files: int | None = None,
    file_size: Size | None = None,
    address_space: Size | None = None,
    output: Size | None = None,
    cwd: _Text | None = None,
    env: Environment | None = None,
    input: Any = None,  # noqa: A002 - subprocess.run's name
    capture_output: bool = False,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    check: bool = False,
) -> JobResult[Any]:
    """Run a command under limits, wait for its end, and tell what it used and which limit ended it.

    It is used as `subprocess.run` is. The limits are in force before the command's first instruction, and starting it
    costs the same whatever this process's size. The command gets a process group of its own, and when it ends, or is
    ended, what is left of the group is ended too: a grandchild that holds the output does not delay the return.

    Limits, None for none:
        memory: resident memory of the command and its descendants, in bytes.
        cpu: CPU time, in seconds.
        wall: elapsed time, in seconds.
        processes: processes alive at once.
        open_files: open descriptors of each process.
        file_size: the size of each file that is written, in bytes.
        address_space: virtual memory of each process, in bytes.
        output: bytes written to captured standard output and error together.

    Sizes are ints, or strings such as ``"256M"``, ``"1.5GiB"``, ``"512Mi"``: K, M, G and T are powers of 1024, as in
    ulimit and docker. Durations are numbers of seconds, or strings such as ``"500ms"``, ``"10s"``, ``"2m"``.

    The other arguments are those of `subprocess.run`: args is a program or a sequence of it and its arguments (there is
    no shell); stdin, stdout and stderr are None, PIPE, DEVNULL, STDOUT, a descriptor or an open file; text, encoding or
    errors make input and output str, with all line ends as ``"\\n"``.

    A limit that ends the command is no exception: see `JobResult.termination_reason`. check=True makes it one, as it
    does a returncode other than 0.

    Raises: `JobError` (a `subprocess.CalledProcessError`) with check; `NotFoundError` (a `FileNotFoundError`) when
    there is no such program or directory; `PermissionDeniedError` (a `PermissionError`) when it may not be executed;
    `InvalidArgumentError` (a `ValueError`) for an argument that is not understood; `LimitError` (a `ValueError`) for a
    limit above the hard limit of this process; `NotSupportedError` (a `NotImplementedError`) for one that cannot be
    kept here; `OperatingSystemError` or `OutOfResourcesError` (`OSError`) for what else the system refuses.

    >>> result = run(["echo", "hello"], memory="64M", cpu=1, wall=10, capture_output=True, text=True)
    >>> result.stdout, result.exit_code, result.termination_reason
    ('hello\\n', 0, None)
    >>> run(["sleep", "10"], wall=0.1).termination_reason
    'walltime'
    """
    if input is not None and stdin is not None:
        raise ValueError("stdin and input arguments may not both be used.")
    if capture_output:
        if stdout is not None or stderr is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output.")
        stdout = stderr = subprocess.PIPE
    command = _job.encode_command(args)
    variables = None if env is None else _job.encode_environment(env)
    codec = None
    if text or encoding or errors:
        codec = encoding or _locale_encoding(), errors or "strict"
    limits = {
        "memory": memory,
        "cpu": cpu,
        "wall": wall,
        "processes": processes,
        "open_files": open_files,
        "file_size": file_size,
        "address_space": address_space,
        "output": output,
    }
    given = [(name, _limits.READERS[name](value, name)) for name, value in limits.items() if value is not None]
    data = None
    if input is not None:
        data = _encode_input(input, codec)
    elif stdin == subprocess.PIPE:
        data = b""  # nobody writes: the command reads the end of the file at once
    with _job.Job(command) as job:
        for name, amount in given:
            job.set_limit(name, amount)
        if cwd is not None:
            job.set_directory(cwd)
        if variables is not None:
            job.set_environment(variables)
        if data is not None:
            job.set_input(data)
        elif stdin is not None:
            _connect(job, c.MIMIR_STREAM_INPUT, stdin)
        if stdout is not None:
            _connect(job, c.MIMIR_STREAM_OUTPUT, stdout)
        if stderr is not None:
            _connect(job, c.MIMIR_STREAM_ERROR, stderr)
        verdict = job.run()
        out = job.read(c.MIMIR_STREAM_OUTPUT) if stdout == subprocess.PIPE else None
        err = job.read(c.MIMIR_STREAM_ERROR) if stderr == subprocess.PIPE else None
        enforcement = job.enforcement()
    result: JobResult[Any] = JobResult(
        args,
        verdict,
        limits_of(given),
        enforcement,
        _decode(out, codec),
        _decode(err, codec),
    )
    if check:
        result.check_returncode()
    return result


def limits_of(given: Iterable[tuple[str, int]]) -> dict[str, int | float]:
    """Turn limits in the library's units into those of Python."""
    limits = {}
    for name, amount in given:
        value = _limits.value(name, amount)
        if value is not None:
            limits[name] = value
    return limits


def _connect(job: _job.Job, stream: int, target: Stream) -> None:
    if isinstance(target, int):
        if target == subprocess.PIPE:
            job.set_stream(stream, c.MIMIR_MODE_CAPTURE)
        elif target == subprocess.DEVNULL:
            job.set_stream(stream, c.MIMIR_MODE_NULL)
        elif target == subprocess.STDOUT:
            if stream != c.MIMIR_STREAM_ERROR:
                raise ValueError(f"STDOUT can only be used for stderr, not for {_NAMES[stream]}")
            job.set_stream(stream, c.MIMIR_MODE_OUTPUT)
        else:
            job.set_stream(stream, c.MIMIR_MODE_DESCRIPTOR, target)
    elif target is not None:
        job.set_stream(stream, c.MIMIR_MODE_DESCRIPTOR, target.fileno())


def _locale_encoding() -> str:
    import locale

    return locale.getpreferredencoding(False)


def _encode_input(data: Any, codec: tuple[str, str] | None) -> bytes:
    if codec is not None:
        if not isinstance(data, str):
            raise TypeError(f"input must be str when text, encoding or errors is given, not {type(data).__name__}")
        return data.encode(*codec)
    if isinstance(data, str):
        raise TypeError("input must be bytes, not str, without text, encoding or errors")
    return bytes(memoryview(data))


def _decode(data: bytes | None, codec: tuple[str, str] | None) -> str | bytes | None:
    if data is None or codec is None:
        return data
    return data.decode(*codec).replace("\r\n", "\n").replace("\r", "\n")
