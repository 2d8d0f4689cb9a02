"""Run a command under limits, and learn what it used and which limit ended it."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from . import _bindings as c
from . import _job, _limits
from ._job import Command, Environment, _Text, encode_command
from ._launch import HasFileno, Launch, Stream, codec_of, connect, decode, encode_input, read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from typing_extensions import Unpack

    from ._job import Job
    from ._launch import Options
    from ._priority import Priority
    from ._units import Duration, Size

    class _Options(Options, total=False):
        capture_output: bool
        check: bool


__all__ = ["HasFileno", "JobError", "JobResult", "Stream", "run"]


_T = TypeVar("_T")


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
    #: From the start of the command until all its descendants were gone, in seconds.
    wall_time_seconds: float
    #: The most resident memory in use at once, in bytes: ``ru_maxrss`` of ``wait4``, else the highest sample.
    peak_memory_bytes: int
    #: Whether `peak_memory_bytes` is a sample, and the true peak may be a little more; it is 0 without any.
    peak_memory_sampled: bool
    #: The most processes seen at once; None when they were not counted.
    peak_processes: int | None
    #: Bytes written to standard output and error where they are captured or limited.
    output_bytes: int
    #: The limits that were given, in bytes, seconds, CPUs or a number of things, by the name of the argument.
    limits: dict[str, int | float]
    #: How strongly each was kept: ``"kernel"``, ``"kernel-per-user"``, ``"watchdog"`` or ``"advisory"``; and the
    #: confinements ``"no_new_privileges"``, ``"no_network"``, ``"no_desktop"`` and ``"writable"``, where asked for.
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
        signal, code = verdict.signal, verdict.exit_code
        super().__init__(args, -signal if signal else code, stdout, stderr)
        self.exit_code = None if signal else code
        self.signal = signal or None
        self.termination_reason = _limits.REASONS.get(verdict.reason)
        user, system = verdict.user_time_ns, verdict.system_time_ns
        self.user_time_seconds = user / 1e9
        self.system_time_seconds = system / 1e9
        self.cpu_time_seconds = (user + system) / 1e9
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
def run(args: Command, **options: Any) -> JobResult[Any]:  # the arguments of _arguments
    """Run a command under limits, wait for its end, and tell what it used and which limit ended it.

    It is used as `subprocess.run` is. The limits are in force before the command's first instruction, and starting it
    costs the same whatever this process's size. The command gets a process group of its own, and when it ends, or is
    ended, all its descendants are ended too: a grandchild that holds the output does not delay the return.

    Limits, None for none:
        memory: resident memory of the command and its descendants, in bytes.
        cpu: CPU time, in seconds.
        wall: elapsed time, in seconds.
        processes: processes alive at once.
        open_files: open descriptors of each process.
        file_size: the size of each file that is written, in bytes.
        address_space: virtual memory of each process, in bytes.
        output: bytes written to standard output and error together.
        cpu_rate: how much CPU is used at a time, in CPUs: 0.5 is half of one. It slows down and ends nobody.

    Sizes are ints, or strings such as ``"256M"``, ``"1.5GiB"``, ``"512Mi"``: K, M, G and T are powers of 1024, as in
    ulimit and docker. Durations are numbers of seconds, or strings such as ``"500ms"``, ``"10s"``, ``"2m"``.

    The other arguments are those of `subprocess.run`: args is a program or a sequence of it and its arguments (there is
    no shell); stdin, stdout and stderr are None, PIPE, DEVNULL, STDOUT, a descriptor or an open file; text, encoding or
    errors make input and output str, with all line ends as ``"\\n"``; pass_fds are descriptors that the command gets
    under their own numbers; umask, user, group and extra_groups (names or ids) and start_new_session are as there.

    grace makes a command that is ended for its wall or CPU time, or killed, get SIGTERM first, and SIGKILL that many
    seconds later.

    priority is a nice value, from -20, the most, to 19, the least, or one of ``"low"``, ``"below-normal"``,
    ``"normal"``, ``"above-normal"``, ``"high"`` and ``"highest"``, the classes of Windows: see `libmimir.set_priority`.

    Confinements, for the command and all its descendants. On Linux: no_new_privileges makes the set-user-id bit give
    none; no_network leaves it a network with nothing in it; writable are the only directories below which it can change
    files. On Windows: no_desktop keeps it from the clipboard, from windows of other programs, and from changing or
    ending what belongs to the user's session.

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
    data = stdin = stdout = stderr = codec = None
    check = False
    if not _BESIDE_OPTIONS.isdisjoint(options):
        take = options.pop
        data, check, capture_output = take("input", None), take("check", False), take("capture_output", False)
        stdin, stdout, stderr = take("stdin", None), take("stdout", None), take("stderr", None)
        codec = codec_of(take("text", None), take("encoding", None), take("errors", None))
        stdout, stderr = outputs(data, stdin, stdout, stderr, capture_output=capture_output)
    limits, others = taken = read(options)
    if not others and data is None and stdin is None and stdout is None and stderr is None:
        verdict, enforcement = _job.run(encode_command(args), limits)
        result: JobResult[Any] = JobResult(args, verdict, limits.values(), enforcement)
    else:
        launch = Launch(args, options, taken=taken)
        data = input_of(data, stdin, codec)
        with launch.job() as job:
            connect_all(job, data, stdin, stdout, stderr)
            job.run()
            result = result_of(launch, job, stdout, stderr, codec)
    if check:
        result.check_returncode()
    return result


# What `run` takes beside options: most commands are given none of it.
_BESIDE_OPTIONS = frozenset(
    ["input", "capture_output", "stdin", "stdout", "stderr", "text", "encoding", "errors", "check"],
)


def _arguments(
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
    cpu_rate: float | None = None,
    cwd: _Text | None = None,
    env: Environment | None = None,
    input: Any = None,  # noqa: A002
    capture_output: bool = False,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    check: bool = False,
    grace: Duration | None = None,
    pass_fds: Collection[int] | None = (),
    umask: int | None = -1,
    user: str | int | None = None,
    group: str | int | None = None,
    extra_groups: Iterable[str | int] | None = None,
    start_new_session: bool = False,
    no_new_privileges: bool = False,
    no_network: bool = False,
    writable: Iterable[_Text] | None = None,
    no_desktop: bool = False,
    priority: Priority | None = None,
) -> JobResult[Any]:
    raise NotImplementedError


# What `run` takes, for `help` and `inspect.signature`. Itself it takes only what it is given: most commands have few of
# them, and looking at all of them took a quarter of its time.
run.__wrapped__ = _arguments  # type: ignore[attr-defined]


def outputs(data: Any, stdin: Stream, stdout: Stream, stderr: Stream, *, capture_output: bool) -> tuple[Stream, Stream]:
    """Tell what standard output and error are connected to. Raises: `ValueError` for what contradicts itself."""
    if data is not None and stdin is not None:
        raise ValueError("stdin and input arguments may not both be used.")
    if not capture_output:
        return stdout, stderr
    if stdout is not None or stderr is not None:
        raise ValueError("stdout and stderr arguments may not be used with capture_output.")
    return subprocess.PIPE, subprocess.PIPE


def input_of(data: Any, stdin: Stream, codec: tuple[str, str] | None) -> bytes | None:
    """Give what the command is to read, None when it is what stdin says."""
    if data is not None:
        return encode_input(data, codec)
    return b"" if stdin == subprocess.PIPE else None  # nobody writes: the command reads the end of the file at once


def connect_all(job: Job, data: bytes | None, stdin: Stream, stdout: Stream, stderr: Stream) -> None:
    """Connect the streams of a job whose output is captured."""
    if data is not None:
        job.set_input(data)
    elif stdin is not None:
        connect(job, c.MIMIR_STREAM_INPUT, stdin)
    if stdout is not None:
        connect(job, c.MIMIR_STREAM_OUTPUT, stdout)
    if stderr is not None:
        connect(job, c.MIMIR_STREAM_ERROR, stderr)


def result_of(
    launch: Launch, job: Job, stdout: Stream, stderr: Stream, codec: tuple[str, str] | None
) -> JobResult[Any]:
    """Make the result of a job that has ended and has been waited for."""
    out = job.read(c.MIMIR_STREAM_OUTPUT) if stdout == subprocess.PIPE else None
    err = job.read(c.MIMIR_STREAM_ERROR) if stderr == subprocess.PIPE else None
    return JobResult(
        launch.args,
        job.verdict,
        launch.limits(),
        launch.enforcement(job),
        decode(out, codec),
        decode(err, codec),
    )
