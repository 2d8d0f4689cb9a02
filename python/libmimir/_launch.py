"""How a command is to be started: the arguments that `run`, `Popen` and their asynchronous sisters have in common."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterable
from typing import IO, TYPE_CHECKING, Any, Protocol, Union

from . import _bindings as c
from . import _job, _limits, _priority, _units
from .errors import InvalidArgumentError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import TypedDict

    from ._job import Command, Environment, _Text
    from ._priority import Priority
    from ._units import Duration, Size

    class Options(TypedDict, total=False):
        memory: Size | None
        cpu: Duration | None
        wall: Duration | None
        processes: int | None
        open_files: int | None
        file_size: Size | None
        address_space: Size | None
        output: Size | None
        cpu_rate: float | None
        cwd: _Text | None
        env: Environment | None
        stdin: Stream
        stdout: Stream
        stderr: Stream
        grace: Duration | None
        pass_fds: Collection[int] | None
        umask: int | None
        user: str | int | None
        group: str | int | None
        extra_groups: Iterable[str | int] | None
        start_new_session: bool
        no_new_privileges: bool
        no_network: bool
        no_desktop: bool
        priority: Priority | None
        writable: Iterable[_Text] | None


class HasFileno(Protocol):
    """What has a descriptor, such as an open file or a socket."""

    def fileno(self) -> int: ...


#: As in `subprocess.run`: None (the caller's), PIPE, DEVNULL, STDOUT, a descriptor, or an open file.
Stream = Union[None, int, IO[Any], HasFileno]
#: How text is encoded: encoding and errors; None for bytes.
Codec = Union[tuple[str, str], None]

NAMES = {c.MIMIR_STREAM_INPUT: "stdin", c.MIMIR_STREAM_OUTPUT: "stdout", c.MIMIR_STREAM_ERROR: "stderr"}

_READERS = _limits.READERS
_STREAMS = frozenset(NAMES.values())
# Those that are on or off, and are told in the enforcement like limits: the kernel keeps them or there are none.
_CONFINEMENTS = {
    "no_new_privileges": c.MIMIR_OPTION_NO_NEW_PRIVILEGES,
    "no_network": c.MIMIR_OPTION_NO_NETWORK,
    "no_desktop": c.MIMIR_OPTION_NO_DESKTOP,
}


_KNOWN = frozenset(
    [
        *(*_READERS, *_STREAMS, *_CONFINEMENTS),
        *("cwd", "env", "grace", "pass_fds", "umask", "user", "group", "extra_groups", "start_new_session", "writable"),
        "priority",
    ]
)


# What was read of options that are limits and streams alone, by their names and values, and of which types these were:
# programs run many commands under the same ones.
_met: dict[tuple[object, ...], tuple[tuple[type, ...], _job.Limits]] = {}
_MOST_MET = 64
_PLAIN = frozenset([int, float, str, bool, type(None)])


def read(options: Mapping[str, Any], label: Callable[[str], str] | None = None) -> tuple[_job.Limits, Collection[str]]:
    """Read the limits among options, and tell the names of what is given besides limits and streams.

    label: see `Launch`. Raises: `TypeError` for what is no option; `InvalidArgumentError` that names the argument.
    """
    if not options:
        return _job.NO_LIMITS, ()
    key, types = (*options, *options.values()), tuple(map(type, options.values()))
    try:
        met = _met.get(key)
    except TypeError:  # something that cannot be hashed
        met = None
    # True, 1 and 1.0 are equal, and not the same limit.
    if met is not None and met[0] == types:
        return met[1], ()
    if not _KNOWN.issuperset(options):
        raise TypeError(f"unexpected keyword argument {min(options.keys() - _KNOWN)!r}")
    amounts: dict[str, int] = {}
    others = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        reader = _READERS.get(name)
        if reader is not None:
            amounts[name] = reader(value, label(name) if label else name)
        elif name not in _STREAMS:
            others.append(name)
    limits = _job.Limits(amounts)
    if not others and len(_met) < _MOST_MET and _PLAIN.issuperset(types):
        _met[key] = types, limits
    return limits, others


class Launch:
    """A command and how it is to be started, checked and in the library's units.

    Raises: `TypeError` for what is no option; `InvalidArgumentError` that names the argument.
    """

    # What most commands are not given.
    _environment: list[bytes] | None = None
    _directory: _Text | None = None
    _options: tuple[tuple[int, int], ...] = ()
    _user: tuple[int, int, list[int]] | None = None
    _writable: list[bytes] | None = None
    _priority: int | None = None
    #: What is kept besides limits, by the name of the argument.
    _confinements: tuple[str, ...] = ()

    def __init__(
        self,
        args: Command,
        options: Mapping[str, Any],
        label: Callable[[str], str] | None = None,
        taken: tuple[_job.Limits, Collection[str]] | None = None,
    ) -> None:
        """Check everything. label tells what an argument is called in errors; taken is what `read` gave before."""
        self.args = args
        self._command = _job.encode_command(args)
        self._limits, others = taken or read(options, label)
        for name in others:
            self._take(name, options[name], options, label)

    def _take(self, name: str, value: Any, options: Mapping[str, Any], label: Callable[[str], str] | None) -> None:
        """Take an argument that is no limit and no stream."""
        if name == "cwd":
            self._directory = value
        elif name == "env":
            self._environment = _job.encode_environment(value)
        elif name == "grace":
            self._options += ((c.MIMIR_OPTION_GRACE, _units.duration(value, label(name) if label else name)),)
        elif name == "umask":
            if value != -1:
                if not 0 <= value <= 0o777:
                    raise InvalidArgumentError(f"umask: {value!r} is not within 0 and 0o777", step="check argument")
                self._options += ((c.MIMIR_OPTION_UMASK, value),)
        elif name == "pass_fds":
            for descriptor in value:
                if not 0 <= descriptor < 1 << 31:
                    raise InvalidArgumentError(f"pass_fds: {descriptor!r} is not a descriptor", step="check argument")
                if descriptor > 2:  # the streams are there in any case
                    self._options += ((c.MIMIR_OPTION_KEEP_DESCRIPTOR, descriptor),)
        elif name == "start_new_session":
            if value:
                self._options += ((c.MIMIR_OPTION_NEW_SESSION, 1),)
        elif name == "priority":
            self._priority = _priority.parse(value, label(name) if label else name)
        elif name in _CONFINEMENTS:
            if value:
                self._options += ((_CONFINEMENTS[name], 1),)
                self._confinements += (name,)
        elif name == "writable":
            self._writable = [os.fsencode(path) for path in _several(value, name)]
            self._confinements += (name,)
        else:  # user, group or extra_groups
            self._user = _ids(options.get("user"), options.get("group"), options.get("extra_groups"))

    def job(self) -> _job.Job:
        """Make the job, with everything but its streams."""
        job = _job.Job(self._command)
        if self._limits.count:
            job.set_limits(self._limits)
        if self._directory is not None:
            job.set_directory(self._directory)
        if self._environment is not None:
            job.set_environment(self._environment)
        for option, value in self._options:
            job.set_option(option, value)
        if self._priority is not None:
            job.set_priority(self._priority)
        if self._user is not None:
            job.set_user(*self._user)
        if self._writable is not None:
            job.set_writable(self._writable)
        return job

    def limits(self) -> dict[str, int | float]:
        """Give the limits in Python's units."""
        return self._limits.values()

    def enforcement(self, job: _job.Job) -> dict[str, str]:
        """Tell how strongly each limit and confinement of the started job is kept."""
        kept = job.enforcement() if self._limits.count else {}
        for name in self._confinements:  # the command would not have started without
            kept[name] = "kernel"
        return kept


def _several(values: Iterable[Any], name: str) -> list[Any]:
    if isinstance(values, (str, bytes, os.PathLike)):
        raise InvalidArgumentError(f"{name}: give several, such as [{values!r}]", step="check argument")
    return list(values)


def connect(job: _job.Job, stream: int, target: Stream) -> None:
    """Connect a stream of a job to what it was given as. PIPE is captured."""
    if isinstance(target, int):
        if target == subprocess.PIPE:
            job.set_stream(stream, c.MIMIR_MODE_CAPTURE)
        elif target == subprocess.DEVNULL:
            job.set_stream(stream, c.MIMIR_MODE_NULL)
        elif target == subprocess.STDOUT:
            if stream != c.MIMIR_STREAM_ERROR:
                raise ValueError(f"STDOUT can only be used for stderr, not for {NAMES[stream]}")
            job.set_stream(stream, c.MIMIR_MODE_OUTPUT)
        else:
            job.set_stream(stream, c.MIMIR_MODE_DESCRIPTOR, descriptor_of(target))
    elif target is not None:
        job.set_stream(stream, c.MIMIR_MODE_DESCRIPTOR, descriptor_of(target.fileno()))


def codec_of(text: bool | None, encoding: str | None, errors: str | None) -> Codec:
    """Tell from the arguments of `subprocess.run` how text is encoded."""
    if text or encoding or errors:
        return encoding or _locale_encoding(), errors or "strict"
    return None


def _locale_encoding() -> str:
    import locale

    return locale.getpreferredencoding(False)


def encode_input(data: Any, codec: Codec) -> bytes:
    if codec is not None:
        if not isinstance(data, str):
            raise TypeError(f"input must be str when text, encoding or errors is given, not {type(data).__name__}")
        return data.encode(*codec)
    if isinstance(data, str):
        raise TypeError("input must be bytes, not str, without text, encoding or errors")
    return bytes(memoryview(data))


def decode(data: bytes | None, codec: Codec) -> str | bytes | None:
    if data is None or codec is None:
        return data
    return data.decode(*codec).replace("\r\n", "\n").replace("\r", "\n")


if sys.platform == "win32":

    def descriptor_of(number: int) -> int:
        """Give what the library takes for a descriptor: the handle, since the numbers are those of Python's own C."""
        import msvcrt

        return msvcrt.get_osfhandle(number)

    def _ids(user: object, group: object, extra_groups: object) -> tuple[int, int, list[int]]:
        raise NotSupportedError("user, group and extra_groups cannot be given on Windows")

else:

    def descriptor_of(number: int) -> int:
        """Give what the library takes for a descriptor: its number."""
        return number

    def _ids(
        user: str | int | None, group: str | int | None, extra_groups: Iterable[str | int] | None
    ) -> tuple[int, int, list[int]]:
        """Give ids, those of this process for what was not given, as `subprocess` leaves them."""
        if extra_groups is None:
            groups = os.getgroups()
        else:
            groups = [_group_id(one, "extra_groups") for one in _several(extra_groups, "extra_groups")]
        return (
            os.geteuid() if user is None else _user_id(user),
            os.getegid() if group is None else _group_id(group, "group"),
            groups,
        )

    def _user_id(user: str | int) -> int:
        if isinstance(user, int):
            return _id(user, "user")
        import pwd

        try:
            return pwd.getpwnam(user).pw_uid
        except KeyError:
            raise InvalidArgumentError(f"user: there is no user {user!r}", step="check argument") from None

    def _group_id(group: str | int, name: str) -> int:
        if isinstance(group, int):
            return _id(group, name)
        import grp

        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            raise InvalidArgumentError(f"{name}: there is no group {group!r}", step="check argument") from None

    def _id(number: int, name: str) -> int:
        if not 0 <= number < 0xFFFFFFFF:  # the last stands for "leave as it is" in system calls
            raise InvalidArgumentError(f"{name}: {number!r} is not an id", step="check argument")
        return number
