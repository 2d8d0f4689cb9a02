"""A job of the shared library as an object: what `libmimir.run` and the command are made of."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from typing import Union

from . import _bindings as c
from . import _library, _limits
from .errors import InvalidArgumentError

_Text = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
#: A program, or a program and its arguments.
Command = Union[_Text, Sequence[_Text]]
Environment = Union[Mapping[str, _Text], Mapping[bytes, _Text]]

#: How long one call waits, in nanoseconds: as late as a Ctrl-C can be noticed.
SLICE = 100_000_000


def encode_command(args: Command) -> list[bytes]:
    """Turn a command into the bytes that a program is started with.

    Raises: `InvalidArgumentError` for an empty command or a null character; `TypeError` for what is no text.
    """
    if isinstance(args, (list, tuple)):  # the usual case first: asking for PathLike takes long
        texts = args
    else:
        texts = [args] if isinstance(args, (str, bytes, os.PathLike)) else list(args)
    if not texts:
        raise InvalidArgumentError("args: the command is empty", step="check command")
    command = [os.fsencode(text) for text in texts]
    if not command[0]:
        raise InvalidArgumentError("args: the name of the program is empty", step="check command")
    for argument in command:
        if b"\0" in argument:
            raise InvalidArgumentError(f"args: embedded null byte in {argument!r}", step="check command")
    return command


def encode_environment(env: Environment) -> list[bytes]:
    """Turn an environment into strings ``NAME=value``.

    Raises: `InvalidArgumentError` for an impossible name or a null character; `TypeError` for what is no text.
    """
    variables = []
    for key, text in env.items():
        name = os.fsencode(key)
        # Windows keeps the working directory of each drive in names such as "=C:".
        if not name or b"=" in name[1 if os.name == "nt" else 0 :]:
            raise InvalidArgumentError(f"env: illegal environment variable name {key!r}", step="check environment")
        variable = name + b"=" + os.fsencode(text)
        if b"\0" in variable:
            raise InvalidArgumentError(f"env: embedded null byte in {variable!r}", step="check environment")
        variables.append(variable)
    return variables


def _strings(texts: list[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(texts))(*texts)


class Job:
    """A command under limits. Closing it ends a command that still runs: use it in a ``with``."""

    def __init__(self, command: list[bytes]) -> None:
        self._handle = ctypes.c_uint64()
        self._verdict = c.mimir_verdict()
        self._verdict.size = ctypes.sizeof(self._verdict)
        self._limits: list[str] = []
        _library.call("mimir_job_create", _strings(command), len(command), ctypes.byref(self._handle))

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_limit(self, name: str, amount: int) -> None:
        """Set a limit, by its name in `libmimir.run`, in the library's unit (`_limits.parse`)."""
        _library.call("mimir_job_set_limit", self._handle, _limits.LIMITS[name], amount)
        self._limits.append(name)

    def set_directory(self, path: _Text) -> None:
        directory = os.fsencode(path)
        if b"\0" in directory:
            raise InvalidArgumentError(f"cwd: embedded null byte in {path!r}", step="check directory")
        _library.call("mimir_job_set_directory", self._handle, directory)

    def set_environment(self, variables: list[bytes]) -> None:
        _library.call("mimir_job_set_environment", self._handle, _strings(variables), len(variables))

    def set_input(self, data: bytes) -> None:
        _library.call("mimir_job_set_input", self._handle, data, len(data))

    def set_stream(self, stream: int, mode: int, descriptor: int = 0) -> None:
        _library.call("mimir_job_set_stream", self._handle, stream, mode, descriptor)

    def start(self) -> None:
        """Start the command. Raises: what the operating system has against it; then nothing runs."""
        _library.call("mimir_job_start", self._handle)

    def wait(self, nanoseconds: int) -> bool:
        """Wait for the end of a started command. Answers False when the time ran out or a signal arrived."""
        functions = _library.current()
        return self._ended(functions.mimir_job_wait(self._handle, nanoseconds, ctypes.byref(self._verdict)))

    def run(self) -> c.mimir_verdict:
        """Start the command and wait for its end.

        It waits in slices: between two of them Python runs its signal handlers, which may raise.
        """
        functions = _library.current()
        if not self._ended(functions.mimir_job_run(self._handle, SLICE, ctypes.byref(self._verdict))):
            while not self.wait(SLICE):
                pass
        return self._verdict

    def _ended(self, status: int) -> bool:
        if status == c.MIMIR_OK:
            return True
        if status in (c.MIMIR_ETIMEDOUT, c.MIMIR_EINTR):
            return False
        raise _library.failure(_library.current(), status)

    @property
    def verdict(self) -> c.mimir_verdict:
        """How the command ended; good once `wait` or `run` has told so."""
        return self._verdict

    def signal(self, number: int) -> None:
        """Send a signal to the command and its group. Raises: `NoSuchProcessError` when it has ended."""
        _library.call("mimir_job_signal", self._handle, number)

    def kill(self) -> None:
        """End the command and its group. It does not wait."""
        _library.call("mimir_job_kill", self._handle)

    def pid(self) -> int:
        """Give the process id, which is also the id of the group."""
        pid = ctypes.c_int64()
        _library.call("mimir_job_pid", self._handle, ctypes.byref(pid))
        return pid.value

    def usage(self) -> c.mimir_usage:
        """Read what the job uses. Raises: `NoSuchProcessError` when it has ended."""
        usage = c.mimir_usage()
        usage.size = ctypes.sizeof(usage)
        _library.call("mimir_job_usage", self._handle, ctypes.byref(usage))
        return usage

    def read(self, stream: int) -> bytes:
        """Take the captured output of a stream that there is now."""
        count = ctypes.c_uint64()
        _library.call("mimir_job_read", self._handle, stream, None, 0, ctypes.byref(count))
        if not count.value:
            return b""
        data = bytearray(count.value)
        # One type for all sizes: ctypes keeps an array type for each length that it has met.
        first = ctypes.c_char.from_buffer(data)
        _library.call("mimir_job_read", self._handle, stream, ctypes.byref(first), len(data), ctypes.byref(count))
        return bytes(memoryview(data)[: count.value])

    def enforcement(self) -> dict[str, str]:
        """Tell how strongly each limit that was given is kept, by its name. Good once it has been started."""
        kept = ctypes.c_int32()
        answer = {}
        for name in self._limits:
            _library.call("mimir_job_enforcement", self._handle, _limits.LIMITS[name], ctypes.byref(kept))
            answer[name] = _limits.ENFORCEMENTS.get(kept.value, "unknown")
        return answer

    def close(self) -> None:
        """End a command that still runs, and give back what the job holds. Can be repeated."""
        handle, self._handle = self._handle, ctypes.c_uint64()
        if handle.value:
            _library.call("mimir_job_close", handle)
