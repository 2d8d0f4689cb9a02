"""Commands under limits for asyncio.

There is no thread for a command here, and none waits: the loop is told of a command's end by its process descriptor on
Linux, and looks every few milliseconds elsewhere, and for the descendants that are still being ended. What holds up the
loop is to start the command, which takes about as long as with `asyncio.create_subprocess_exec`.

>>> import asyncio, libmimir
>>> asyncio.run(libmimir.run_async(["echo", "hello"], wall=10, capture_output=True, text=True)).stdout
'hello\\n'
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Callable, Literal, overload

from ._launch import Launch, codec_of
from .errors import MimirError, NotSupportedError
from .jobs import JobResult, connect_all, input_of, outputs, result_of
from .popen import Popen

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._job import Command, Job
    from ._launch import Options
    from .process import ProcessUsage

__all__ = ["AsyncProcess", "create_process", "run_async"]

_LONGEST_PAUSE = 0.02
# A descriptor may be one of a stranger, opened as the command was being reaped: it is not trusted for longer.
_PATIENCE = 1.0


async def _until_gone(is_gone: Callable[[], bool], pid: int) -> None:
    """Wait until a job says that it is gone, which it can be asked at any time."""
    if is_gone():
        return
    await _until_ended(is_gone, pid)
    pause = 0.0005
    while not is_gone():
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _until_ended(is_gone: Callable[[], bool], pid: int) -> None:
    """Wait until the command itself has ended, where the loop can be told so, and a moment elsewhere."""
    if not hasattr(os, "pidfd_open"):
        return
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # it has ended, or the kernel has none
        return
    ended = loop.create_future()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    try:
        loop.add_reader(descriptor, tell)
    except NotImplementedError:
        os.close(descriptor)
        return
    try:
        while not ended.done() and not is_gone():
            await asyncio.wait([ended], timeout=_PATIENCE)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@overload
async def run_async(
    args: Command,
    *,
    input: str | None = None,
    capture_output: bool = False,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    check: bool = False,
    **options: Unpack[Options],
) -> JobResult[str]: ...
@overload
async def run_async(
    args: Command,
    *,
    input: str | None = None,
    capture_output: bool = False,
    text: bool | None = None,
    encoding: str,
    errors: str | None = None,
    check: bool = False,
    **options: Unpack[Options],
) -> JobResult[str]: ...
@overload
async def run_async(
    args: Command,
    *,
    input: bytes | bytearray | memoryview | None = None,
    capture_output: bool = False,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    check: bool = False,
    **options: Unpack[Options],
) -> JobResult[bytes]: ...
@overload
async def run_async(
    args: Command,
    *,
    input: Any = None,
    capture_output: bool = False,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    check: bool = False,
    **options: Unpack[Options],
) -> JobResult[Any]: ...
async def run_async(
    args: Command,
    *,
    input: Any = None,  # noqa: A002 - subprocess.run's name
    capture_output: bool = False,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    check: bool = False,
    **options: Unpack[Options],
) -> JobResult[Any]:
    """Run a command under limits: `libmimir.run`, with the same arguments and result, for a coroutine.

    When it is cancelled, the command and its descendants are ended before the cancellation goes on: with grace, first
    asked to.

    Raises: as `libmimir.run`.
    """
    stdin = options.get("stdin")
    stdout, stderr = outputs(input, stdin, options.get("stdout"), options.get("stderr"), capture_output=capture_output)
    codec = codec_of(text, encoding, errors)
    launch = Launch(args, options)
    data = input_of(input, stdin, codec)
    with launch.job() as job:
        connect_all(job, data, stdin, stdout, stderr)
        job.start()
        try:
            await _until_gone(lambda: job.wait(0), job.pid())
        except asyncio.CancelledError:
            await _end(job)
            raise
        result = result_of(launch, job, stdout, stderr, codec)
    if check:
        result.check_returncode()
    return result


async def _end(job: Job) -> None:
    # A second cancellation makes an end of the grace, by closing the job.
    with contextlib.suppress(MimirError):
        job.kill()
        await _until_gone(lambda: job.wait(0), job.pid())


class AsyncProcess:
    """A command under limits that runs beside the coroutine that started it: see `create_process`."""

    stdin: asyncio.StreamWriter | None = None
    stdout: asyncio.StreamReader | None = None
    stderr: asyncio.StreamReader | None = None

    def __init__(self, popen: Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self._transports: list[asyncio.BaseTransport] = []

    async def _connect(self, limit: int) -> None:
        loop = asyncio.get_running_loop()
        if self._popen.stdin is not None:
            protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=limit))
            transport, _ = await loop.connect_write_pipe(lambda: protocol, self._popen.stdin)
            self._transports.append(transport)
            self.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        self.stdout = await self._reader(self._popen.stdout, limit)
        self.stderr = await self._reader(self._popen.stderr, limit)

    async def _reader(self, file: Any, limit: int) -> asyncio.StreamReader | None:
        if file is None:
            return None
        reader = asyncio.StreamReader(limit=limit)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, file)
        self._transports.append(transport)
        return reader

    @property
    def args(self) -> Command:
        """The command."""
        return self._popen.args

    @property
    def returncode(self) -> int | None:
        """What the command returned, or minus the signal that ended it; None while it or a descendant runs."""
        return self._popen.poll()

    @property
    def result(self) -> JobResult[bytes] | None:
        """How the command ended and what it used; None while it or a descendant runs.

        Its stdout and stderr are what `communicate` has read.
        """
        self._popen.poll()
        return self._popen.result

    async def wait(self) -> int:
        """Wait until the command and its descendants are gone, and answer the return code.

        Cancelling it leaves the command alone.
        """
        await _until_gone(lambda: self._popen.poll() is not None, self.pid)
        code = self._popen.returncode
        assert code is not None
        return code

    async def communicate(self, input: bytes | None = None) -> tuple[bytes | None, bytes | None]:  # noqa: A002
        """Send input, read the output to its end, wait for the command, and answer what it wrote (None where no PIPE).

        Cancelling it leaves the command alone.
        """
        if input is not None and self.stdin is None:
            raise ValueError("input was given, and stdin is no PIPE")
        reading = asyncio.gather(self._read(self.stdout), self._read(self.stderr))
        try:
            await self._send(input)
            out, err = await reading
        finally:
            reading.cancel()
        await self.wait()
        result: JobResult[Any] | None = self._popen.result
        if result is not None:
            result.stdout, result.stderr = out, err
        return out, err

    async def _read(self, reader: asyncio.StreamReader | None) -> bytes | None:
        return None if reader is None else await reader.read()

    async def _send(self, data: bytes | None) -> None:
        if self.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who does not read does not want it
            if data:
                self.stdin.write(data)
                await self.stdin.drain()
        self.stdin.close()

    def send_signal(self, sig: int) -> None:
        """Send a signal to the command and its group. Nothing happens when it has ended."""
        self._popen.send_signal(sig)

    def terminate(self) -> None:
        """Ask the command to end (SIGTERM). On Windows, which cannot ask, end it."""
        self._popen.terminate()

    def kill(self) -> None:
        """End the command and all its descendants: the reason will be ``"killed"``. With grace it is asked first."""
        self._popen.kill()

    def usage(self) -> ProcessUsage:
        """Read what the command and its descendants use now, added up.

        Raises: `NoSuchProcessError` when they are gone.
        """
        return self._popen.usage()

    async def __aenter__(self) -> AsyncProcess:
        return self

    async def __aexit__(self, *_: object) -> None:
        for transport in self._transports:
            transport.close()
        if self.returncode is None:
            self.kill()
            await self.wait()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pid} args: {self.args!r}>"


async def create_process(args: Command, *, limit: int = 1 << 16, **options: Unpack[Options]) -> AsyncProcess:
    """Start a command under limits and give it as an object like that of `asyncio.create_subprocess_exec`.

    The arguments are those of `libmimir.Popen`, for bytes; PIPE makes `stdin` an `asyncio.StreamWriter`, and `stdout`
    and `stderr` an `asyncio.StreamReader` with a buffer of limit bytes. An ``async with`` ends the command at its end.

    Raises: as `libmimir.run`; `NotSupportedError` for PIPE on Windows, whose loop cannot read these pipes.
    """
    streams = (options.get("stdin"), options.get("stdout"), options.get("stderr"))
    if sys.platform == "win32" and subprocess.PIPE in streams:
        raise NotSupportedError("create_process: asyncio cannot read pipes of this kind on Windows; use run_async")
    process = AsyncProcess(Popen(args, bufsize=0, **options))
    try:
        await process._connect(limit)
    except BaseException:
        with process._popen:  # ends it
            raise
    return process
