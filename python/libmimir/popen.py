"""A command under limits that runs beside its caller: streams, live usage, and the same verdict in the end.

>>> from libmimir import PIPE, Popen
>>> with Popen(["cat"], stdin=PIPE, stdout=PIPE, text=True, memory="64M", wall=10) as process:
...     out, _ = process.communicate("hello")
>>> out, process.returncode, process.result.termination_reason
('hello', 0, None)
"""

from __future__ import annotations

import contextlib
import io
import os
import selectors
import signal
import sys
import threading
import time
import warnings
from _thread import allocate_lock
from functools import partial
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired
from typing import IO, TYPE_CHECKING, Any, AnyStr, Generic, Literal, overload

from . import _bindings as c
from . import _job
from ._launch import Launch, Stream, codec_of, connect, decode, descriptor_of, encode_input
from .errors import BadHandleError, NoSuchProcessError
from .jobs import JobResult, result_of
from .process import ProcessUsage, usage_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._job import Command
    from ._launch import Options

__all__ = ["DEVNULL", "PIPE", "STDOUT", "Popen", "TimeoutExpired"]

_CHUNK = 32768


class Popen(Generic[AnyStr]):
    """A command under limits that has been started. It is used as `subprocess.Popen` is.

    The arguments are those of `libmimir.run`, but for what only the end of the command is for (input, capture_output,
    check), and bufsize, which is that of `subprocess.Popen`. PIPE makes a stream an open file here, `stdin`, `stdout`
    or `stderr`. As in `run`, all descendants end with the command, and an output limit counts what is piped as well.

    As a context manager it ends the command if it still runs, waits until it is gone and closes the files: what is to
    run to its end is waited for inside. A Popen that nobody has any more ends its command too.

    Raises: as `libmimir.run`.
    """

    args: Command
    stdin: IO[AnyStr] | None
    stdout: IO[AnyStr] | None
    stderr: IO[AnyStr] | None
    #: The process id of the command, which is also the id of its process group.
    pid: int

    @overload
    def __init__(
        self: Popen[str],
        args: Command,
        *,
        bufsize: int = -1,
        text: Literal[True],
        encoding: str | None = None,
        errors: str | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: Command,
        *,
        bufsize: int = -1,
        text: bool | None = None,
        encoding: str,
        errors: str | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: Command,
        *,
        bufsize: int = -1,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[bytes],
        args: Command,
        *,
        bufsize: int = -1,
        text: Literal[False] | None = None,
        encoding: None = None,
        errors: None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[Any],
        args: Command,
        *,
        bufsize: int = -1,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    def __init__(
        self,
        args: Command,
        *,
        bufsize: int = -1,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._result: JobResult[Any] | None = None
        self._collecting = allocate_lock()
        self._talk: _Talk | None = None
        self.args = args
        self.stdin = self.stdout = self.stderr = None
        self._codec = codec_of(text, encoding, errors)
        self._launch = Launch(args, options)
        self._job = self._launch.job()
        wanted: tuple[Stream, ...] = (options.get("stdin"), options.get("stdout"), options.get("stderr"))
        pipes = _Pipes()
        try:
            for stream, target in enumerate(wanted):
                if isinstance(target, int) and target == PIPE:
                    theirs = pipes.make(stream)
                    self._job.set_stream(stream, c.MIMIR_MODE_DESCRIPTOR, descriptor_of(theirs))
                elif target is not None:
                    connect(self._job, stream, target)
            self._job.start()
            pipes.close_theirs()
            self.pid = self._job.pid()
        except BaseException:
            self._job.close()
            pipes.close()
            raise
        files = [pipes.open(stream, bufsize, self._codec) for stream in range(3)]
        self.stdin, self.stdout, self.stderr = files

    @property
    def returncode(self) -> int | None:
        """What the command returned, or minus the signal that ended it; None until it has been polled or waited for."""
        return None if self._result is None else self._result.returncode

    @property
    def result(self) -> JobResult[AnyStr] | None:
        """How the command ended and what it used; None until it has been polled or waited for.

        Its stdout and stderr are what `communicate` has read.
        """
        return self._result

    def poll(self) -> int | None:
        """Answer the return code when the command and its descendants are gone, else None."""
        self._collect(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the command and its descendants are gone, and answer the return code.

        Raises: `subprocess.TimeoutExpired` when that takes longer than timeout seconds; the command goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _job.slice_until(deadline)
            # Between two slices Python runs its signal handlers, which may raise.
            if self._collect(left):
                code = self.returncode
                assert code is not None
                return code
            if left == 0:
                assert timeout is not None
                raise TimeoutExpired(self.args, timeout)

    def _collect(self, nanoseconds: int) -> bool:
        if self._result is None:
            try:
                if not self._job.wait(nanoseconds):
                    return False
            except BadHandleError:
                if self._result is None:  # else another thread has collected the result
                    raise
            with self._collecting:
                if self._result is None:
                    self._result = result_of(self._launch, self._job, None, None, None)
                    self._job.close()
        return True

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002
        """Send input, read the output to its end, wait for the command, and answer what it wrote (None where no PIPE).

        Raises: `subprocess.TimeoutExpired` after timeout seconds. The command goes on and nothing is lost: it can be
        called again, without input.
        """
        if self._talk is None:
            if input is not None and self.stdin is None:
                raise ValueError("input was given, and stdin is no PIPE")
            data = b"" if input is None else encode_input(input, self._codec)
            self._talk = _Talk(self.stdin, self.stdout, self.stderr, data)
        elif input is not None:
            raise ValueError("Cannot send input after starting communication")
        deadline = None if timeout is None else time.monotonic() + timeout
        over = self._talk.go_on(deadline)
        out, err = self._talk.received(self._codec if over else None)
        if not over:
            assert timeout is not None
            raise TimeoutExpired(self.args, timeout, out, err)
        self.wait(None if deadline is None else max(deadline - time.monotonic(), 0))
        if self._result is not None:
            self._result.stdout, self._result.stderr = out, err
        return out, err

    def send_signal(self, sig: int) -> None:
        """Send a signal to the command and its group. Nothing happens when it has ended."""
        if self.poll() is None:
            with contextlib.suppress(NoSuchProcessError, BadHandleError):
                self._job.signal(sig)

    def terminate(self) -> None:
        """Ask the command to end (SIGTERM). On Windows, which cannot ask, end it."""
        if sys.platform == "win32":
            self.kill()
        else:
            self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the command and all its descendants: the reason will be ``"killed"``. With grace it is asked first.

        It does not wait. Nothing happens when the command has ended.
        """
        if self._result is None:
            with contextlib.suppress(BadHandleError):
                self._job.kill()

    def usage(self) -> ProcessUsage:
        """Read what the command and its descendants use now, added up.

        Raises: `NoSuchProcessError` when they are gone.
        """
        try:
            record = self._job.usage()
        except BadHandleError:
            raise NoSuchProcessError("the job has ended", step="find process") from None
        return usage_of(record, self.pid)

    def __enter__(self) -> Popen[AnyStr]:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()
        try:
            if self.stdin is not None:
                self.stdin.close()
        except BrokenPipeError:
            pass  # the command did not read it all
        finally:
            if self.poll() is None:
                self.kill()
                self.wait()

    def __del__(self) -> None:
        # Where __init__ has failed there is nothing to end.
        if getattr(self, "pid", None) is None:
            return
        if sys.is_finalizing():
            for file in (self.stdin, self.stdout, self.stderr):
                if file is not None:
                    with contextlib.suppress(OSError):
                        file.close()
        elif self._result is None:
            try:
                running = self.poll() is None
            except Exception:  # in a forked child the job is the parent's
                running = False
            if running:
                warnings.warn(
                    f"command {self.pid} was still running, and is ended", ResourceWarning, source=self, stacklevel=2
                )
        self._job.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: returncode: {self.returncode} args: {self.args!r}>"


class _Pipes:
    """The pipes of a command that is being started."""

    def __init__(self) -> None:
        self._ours: dict[int, int] = {}
        self._theirs: dict[int, int] = {}

    def make(self, stream: int) -> int:
        """Make the pipe of a stream and give the command's end."""
        reading, writing = os.pipe()
        ours, theirs = (writing, reading) if stream == c.MIMIR_STREAM_INPUT else (reading, writing)
        self._ours[stream], self._theirs[stream] = ours, theirs
        return theirs

    def open(self, stream: int, bufsize: int, codec: tuple[str, str] | None) -> Any:
        """Make a file of our end."""
        if stream not in self._ours:
            return None
        writes = stream == c.MIMIR_STREAM_INPUT
        line_wise = codec is not None and bufsize == 1
        binary = open(self._ours.pop(stream), "wb" if writes else "rb", -1 if line_wise else bufsize)  # noqa: SIM115 - the caller closes it
        if codec is None:
            return binary
        return io.TextIOWrapper(binary, *codec, write_through=writes, line_buffering=writes and line_wise)

    def close_theirs(self) -> None:
        """Close the command's ends, so that the end of the file is seen when it closes its own."""
        for descriptor in self._theirs.values():
            os.close(descriptor)
        self._theirs.clear()

    def close(self) -> None:
        for descriptor in (*self._ours.values(), *self._theirs.values()):
            os.close(descriptor)


class _Talk:
    """What `communicate` has sent and read, also of an earlier call that ran out of time."""

    def __init__(self, stdin: Any, stdout: Any, stderr: Any, data: bytes) -> None:
        self._stdin = stdin
        self._outputs = (stdout, stderr)
        self._unsent = memoryview(data)
        self._read: dict[Any, bytearray] = {file: bytearray() for file in self._outputs if file is not None}
        self._threads: list[threading.Thread] = []
        if stdin is not None:
            self._quietly(stdin.flush)
            if not data:
                self._quietly(stdin.close)

    @staticmethod
    def _quietly(act: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # who does not read does not want it
            act()

    def received(self, codec: tuple[str, str] | None) -> tuple[Any, Any]:
        out, err = (None if file is None else bytes(self._read[file]) for file in self._outputs)
        if codec is None:
            return out, err
        return decode(out, codec), decode(err, codec)

    def go_on(self, deadline: float | None) -> bool:
        """Send and read until all is done, or until the deadline; answers whether all is done."""
        return self._with_threads(deadline) if sys.platform == "win32" else self._with_selector(deadline)

    def _with_selector(self, deadline: float | None) -> bool:
        with selectors.DefaultSelector() as selector:
            if self._stdin is not None and not self._stdin.closed:
                os.set_blocking(self._stdin.fileno(), False)
                selector.register(self._stdin, selectors.EVENT_WRITE)
            for file in self._read:
                if not file.closed:
                    selector.register(file, selectors.EVENT_READ)
            while selector.get_map():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left < 0:
                    return False
                for key, _ in selector.select(left):
                    ready: Any = key.fileobj
                    done = self._send() if ready is self._stdin else self._receive(ready)
                    if done:
                        selector.unregister(ready)
                        self._quietly(ready.close)
        return True

    def _send(self) -> bool:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent[:_CHUNK]) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            return True
        return not self._unsent

    def _receive(self, file: Any) -> bool:
        data = os.read(file.fileno(), _CHUNK)
        self._read[file] += data
        return not data

    def _with_threads(self, deadline: float | None) -> bool:
        """For systems that cannot wait for several pipes."""
        if not self._threads:
            acts: list[Any] = [partial(self._read_all, file) for file in self._read if not file.closed]
            if self._stdin is not None and not self._stdin.closed:
                acts.append(self._send_all)
            self._threads = [threading.Thread(target=act, name="libmimir", daemon=True) for act in acts]
            for thread in self._threads:
                thread.start()
        for thread in self._threads:
            thread.join(None if deadline is None else max(deadline - time.monotonic(), 0))
            if thread.is_alive():
                return False
        return True

    def _read_all(self, file: Any) -> None:
        while not self._receive(file):
            pass
        file.close()

    def _send_all(self) -> None:
        while not self._send():
            pass
        self._quietly(self._stdin.close)
