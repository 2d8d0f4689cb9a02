"""A job of the shared library as an object: what `libmimir.run` and the command are made of."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Union

from . import _bindings as c
from . import _library, _limits
from .errors import ForkedError, InvalidArgumentError

_Text = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
#: A program, or a program and its arguments.
Command = Union[_Text, Sequence[_Text]]
Environment = Union[Mapping[str, _Text], Mapping[bytes, _Text]]

#: How long one call waits, in nanoseconds: as late as a Ctrl-C can be noticed.
SLICE = 100_000_000


def slice_until(deadline: float | None) -> int:
    """Tell how long the next call waits, in nanoseconds: until a moment of `time.monotonic`, and a slice at most."""
    return SLICE if deadline is None else int(min(max(deadline - time.monotonic(), 0) * 1e9, SLICE))


#: What `os.fsencode` does with a str.
_ENCODING, _ENCODING_ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


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
    command = []
    for text in texts:
        argument = text.encode(_ENCODING, _ENCODING_ERRORS) if type(text) is str else os.fsencode(text)
        if b"\0" in argument:
            raise InvalidArgumentError(f"args: embedded null byte in {argument!r}", step="check command")
        command.append(argument)
    if not command[0]:
        raise InvalidArgumentError("args: the name of the program is empty", step="check command")
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


# Asking ctypes for the type of an array, even for one that it has met, takes longer than making the array.
_arrays: dict[int, type[ctypes.Array[ctypes.c_char_p]]] = {}
_MOST_ARRAYS = 64


def _strings(texts: list[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    length = len(texts)
    array = _arrays.get(length)
    if array is None:
        array = ctypes.c_char_p * length
        if len(_arrays) < _MOST_ARRAYS:
            _arrays[length] = array
    return array(*texts)


_SLICE = ctypes.c_uint64(SLICE)
_VERDICT_BYTES = ctypes.sizeof(c.mimir_verdict)
#: What a wait answers that has come to its end before the job.
_GOES_ON = (c.MIMIR_ETIMEDOUT, c.MIMIR_EINTR)
#: What a control group keeps, if one can be made for the job.
_BY_GROUP = ("memory", "processes", "cpu_rate")


class Limits:
    """Limits as they were chosen for a command, by their names in `libmimir.run`. They are not changed any more."""

    def __init__(self, amounts: Mapping[str, int]) -> None:
        """Take them in the library's units (`_limits.parse`)."""
        self.names = tuple(amounts)
        self.count = len(self.names)
        #: The same as the C interface takes it, and what takes an enforcement for each.
        self.length = ctypes.c_uint64(self.count)
        self.kept = ctypes.c_int32 * self.count
        self.numbers = self.kept(*(_limits.LIMITS[name] for name in self.names))
        self.amounts = (ctypes.c_uint64 * self.count)(*amounts.values())
        self._values = _limits.values(amounts)
        self._words: dict[bytes, dict[str, str]] = {}

    def values(self) -> dict[str, int | float]:
        """Give them in Python's units."""
        return self._values.copy()

    def enforcement(self, kept: ctypes.Array[ctypes.c_int32]) -> dict[str, str]:
        """Tell how strongly each is kept, from the constants for that."""
        key = bytes(kept)
        words = self._words.get(key)
        if words is None:
            self._words[key] = words = {
                name: _limits.ENFORCEMENTS.get(how, "unknown") for name, how in zip(self.names, kept)
            }
        return words.copy()


NO_LIMITS = Limits({})
#: How limits are kept that are kept alike in all jobs of this process.
_same_always: dict[str, str] = {}

# The jobs that are not closed: they end with the interpreter. By their handles: the objects would never be collected.
_open: set[tuple[_library.Functions, int]] = set()
# Those that `run` has in the works, by the ids of the handles, which are 0 as long as there is no job.
_running: dict[int, tuple[_library.Functions, ctypes.c_uint64]] = {}


def _close_all() -> None:
    while _open:
        functions, handle = _open.pop()
        functions.mimir_job_close(handle)
    for functions, running in list(_running.values()):
        functions.mimir_job_close(running)


atexit.register(_close_all)


class Job:
    """A command under limits. Closing it ends a command that still runs: use it in a ``with``.

    In a child that this process forks it can be closed, which has no effect, and nothing else.
    """

    _handle = 0
    _limits = NO_LIMITS

    def __init__(self, command: list[bytes]) -> None:
        handle = ctypes.c_uint64()
        self._verdict = c.mimir_verdict(_VERDICT_BYTES)
        # The handle means something to this copy of the library only.
        self._functions = _library.call("mimir_job_create", _strings(command), len(command), ctypes.byref(handle))
        self._handle = handle.value
        _open.add((self._functions, self._handle))

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._handle:
            self.close()

    def _check(self, status: int) -> None:
        if status == c.MIMIR_OK:
            return
        if status == c.MIMIR_EFORKED:
            raise ForkedError("the job is one of the process that this one was forked from", step="find job")
        raise _library.failure(self._functions, status)

    def set_limits(self, limits: Limits) -> None:
        """Set all limits."""
        self._check(self._functions.mimir_job_set_limits(self._handle, limits.numbers, limits.amounts, limits.count))
        self._limits = limits

    def set_option(self, option: int, value: int) -> None:
        self._check(self._functions.mimir_job_set_option(self._handle, option, value))

    def set_user(self, user: int, group: int, groups: Sequence[int]) -> None:
        array = (ctypes.c_uint32 * len(groups))(*groups)
        self._check(self._functions.mimir_job_set_user(self._handle, user, group, array, len(groups)))

    def set_priority(self, priority: int) -> None:
        self._check(self._functions.mimir_job_set_priority(self._handle, priority))

    def set_writable(self, directories: Sequence[_Text]) -> None:
        """Confine the command to changing files below these directories."""
        paths = [os.fsencode(directory) for directory in directories]
        self._check(self._functions.mimir_job_set_writable(self._handle, _strings(paths), len(paths)))

    def set_directory(self, path: _Text) -> None:
        directory = os.fsencode(path)
        if b"\0" in directory:
            raise InvalidArgumentError(f"cwd: embedded null byte in {path!r}", step="check directory")
        self._check(self._functions.mimir_job_set_directory(self._handle, directory))

    def set_environment(self, variables: list[bytes]) -> None:
        self._check(self._functions.mimir_job_set_environment(self._handle, _strings(variables), len(variables)))

    def set_input(self, data: bytes) -> None:
        self._check(self._functions.mimir_job_set_input(self._handle, data, len(data)))

    def set_stream(self, stream: int, mode: int, descriptor: int = 0) -> None:
        self._check(self._functions.mimir_job_set_stream(self._handle, stream, mode, descriptor))

    def start(self) -> None:
        """Start the command. Raises: what the operating system has against it; then nothing runs."""
        self._check(self._functions.mimir_job_start(self._handle))

    def wait(self, nanoseconds: int) -> bool:
        """Wait for the end of a started command. Answers False when the time ran out or a signal arrived."""
        return self._ended(
            self._functions.mimir_job_wait(self._handle, nanoseconds, ctypes.byref(self._verdict)),
        )

    def run(self) -> None:
        """Start the command and wait for its end.

        It waits in slices: between two of them Python runs its signal handlers, which may raise.
        """
        if not self._ended(self._functions.mimir_job_run(self._handle, SLICE, ctypes.byref(self._verdict))):
            while not self.wait(SLICE):
                pass

    def _ended(self, status: int) -> bool:
        if status in _GOES_ON:
            return False
        self._check(status)
        return True

    @property
    def verdict(self) -> c.mimir_verdict:
        """How the command ended; good once `wait` or `run` has told so."""
        return self._verdict

    def signal(self, number: int) -> None:
        """Send a signal to the command and its group. Raises: `NoSuchProcessError` when it has ended."""
        self._check(self._functions.mimir_job_signal(self._handle, number))

    def kill(self) -> None:
        """End the command and its descendants. It does not wait."""
        self._check(self._functions.mimir_job_kill(self._handle))

    def pid(self) -> int:
        """Give the process id, which is also the id of the group."""
        pid = ctypes.c_int64()
        self._check(self._functions.mimir_job_pid(self._handle, ctypes.byref(pid)))
        return pid.value

    def usage(self) -> c.mimir_usage:
        """Read what the job uses. Raises: `NoSuchProcessError` when it has ended."""
        usage = c.mimir_usage()
        usage.size = ctypes.sizeof(usage)
        self._check(self._functions.mimir_job_usage(self._handle, ctypes.byref(usage)))
        return usage

    def read(self, stream: int) -> bytes:
        """Take the captured output of a stream that there is now."""
        count = ctypes.c_uint64()
        read = self._functions.mimir_job_read
        self._check(read(self._handle, stream, None, 0, ctypes.byref(count)))
        if not count.value:
            return b""
        data = bytearray(count.value)
        # One type for all sizes: ctypes keeps an array type for each length that it has met.
        first = ctypes.c_char.from_buffer(data)
        self._check(read(self._handle, stream, ctypes.byref(first), len(data), ctypes.byref(count)))
        return bytes(memoryview(data)[: count.value])

    def enforcement(self) -> dict[str, str]:
        """Tell how strongly each limit that was given is kept, by its name. Good once it has been started."""
        return {name: _same_always.get(name) or self._ask_enforcement(name) for name in self._limits.names}

    def _ask_enforcement(self, name: str) -> str:
        limit, number = _limits.LIMITS[name], ctypes.c_int32()
        self._check(self._functions.mimir_job_enforcement(self._handle, limit, ctypes.byref(number)))
        kept = _limits.ENFORCEMENTS.get(number.value, "unknown")
        by_group = ctypes.c_int32()
        if name in _BY_GROUP:
            self._check(self._functions.mimir_limit_support(limit, c.MIMIR_SCOPE_JOB, ctypes.byref(by_group)))
        if by_group.value != c.MIMIR_ENFORCEMENT_KERNEL:  # no control group can be made here for it
            _same_always[name] = kept
        return kept

    def reference(self) -> tuple[_library.Functions, int]:
        """Give the copy of the library and the handle in it, for who must not keep the job alive."""
        return self._functions, self._handle

    def close(self) -> None:
        """End a command that still runs, and give back what the job holds. Can be repeated."""
        handle, self._handle = self._handle, 0
        if handle:
            _open.discard((self._functions, handle))
            status = self._functions.mimir_job_close(handle)
            # A forked child has nothing to give back. With the interpreter, all jobs have been closed already.
            if status not in (c.MIMIR_EFORKED, c.MIMIR_EBADHANDLE):
                self._check(status)


def run(command: list[bytes], limits: Limits) -> tuple[c.mimir_verdict, dict[str, str]]:
    """Run a command to its end that has limits and nothing else, and tell how strongly each limit was kept.

    It is what a `Job` does, in one call. Raises: as `Job.set_limits` and `Job.start`.
    """
    kept = limits.kept() if limits.count else None
    verdict = c.mimir_verdict(_VERDICT_BYTES)
    handle = ctypes.c_uint64()  # not 0 as long as there is a job
    functions = _library.current()
    _running[id(handle)] = functions, handle
    arguments = (
        *(_strings(command), ctypes.c_uint64(len(command)), limits.numbers, limits.amounts, limits.length),
        *(_SLICE, ctypes.byref(verdict), kept, ctypes.byref(handle)),
    )
    try:
        status = functions.run_untyped(*arguments)
        if status == c.MIMIR_EFORKED:
            functions = _library.renew(functions)
            _running[id(handle)] = functions, handle
            status = functions.run_untyped(*arguments)
        while status in _GOES_ON:
            status = functions.mimir_job_wait(handle, SLICE, ctypes.byref(verdict))
        if status:
            raise _library.failure(functions, status)
    finally:
        del _running[id(handle)]
        if handle.value:
            functions.mimir_job_close(handle)
    return verdict, {} if kept is None else limits.enforcement(kept)
