"""What the library raises: one hierarchy, each class also the built-in that a Python programmer would catch.

Every exception carries the status of the C interface (`status`, a `MIMIR_E*` constant), the operating system's error
code (`os_code`: errno on Unix, the Win32 code on Windows, 0 when the operating system was not the cause) and the step
that failed (`step`, such as ``"setrlimit"``). Those that are also an `OSError` have `errno` and `strerror` as well.
"""

from __future__ import annotations

import errno
import sys

from . import _bindings as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
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
]


class MimirError(Exception):
    """The base of everything that the library raises."""

    #: The status of the C interface that this class stands for.
    status: int = 0
    #: errno or the Win32 error code; 0 when the operating system was not the cause.
    os_code: int = 0
    #: What was being done when it failed, such as ``"setrlimit"``; empty when that is not known.
    step: str = ""

    _default_errno = 0

    def __init__(self, message: str, *, status: int | None = None, os_code: int = 0, step: str = "") -> None:
        if isinstance(self, OSError):
            if sys.platform == "win32" and os_code:
                OSError.__init__(self, 0, message, None, os_code)
            else:
                OSError.__init__(self, os_code or self._default_errno, message)
        else:
            Exception.__init__(self, message)
        self._message = message
        if status is not None:
            self.status = status
        self.os_code = os_code
        self.step = step

    def __str__(self) -> str:
        return self._message

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self._message, self.os_code), self.__dict__


def _restore(kind: type[MimirError], message: str, os_code: int) -> MimirError:
    return kind(message, os_code=os_code)


class InvalidArgumentError(MimirError, ValueError):
    """An argument is not acceptable."""

    status = c.MIMIR_EINVAL


class NotSupportedError(MimirError, NotImplementedError):
    """This platform cannot do it."""

    status = c.MIMIR_ENOTSUP


class PermissionDeniedError(MimirError, PermissionError):
    """The operating system refused for want of permission."""

    status = c.MIMIR_EPERM
    _default_errno = errno.EPERM


class NotFoundError(MimirError, FileNotFoundError):
    """A file or program does not exist."""

    status = c.MIMIR_ENOENT
    _default_errno = errno.ENOENT


class NoSuchProcessError(MimirError, ProcessLookupError):
    """There is no such process or process group, or it has ended."""

    status = c.MIMIR_ESRCH
    _default_errno = errno.ESRCH


class BadHandleError(MimirError, ValueError):
    """The handle was never given out, or has been closed."""

    status = c.MIMIR_EBADHANDLE


class ForkedError(MimirError, RuntimeError):
    """The function needs the whole library, and this is a forked child of the process that loaded it."""

    status = c.MIMIR_EFORKED


class TimedOutError(MimirError, TimeoutError):
    """The time given ran out first."""

    status = c.MIMIR_ETIMEDOUT
    _default_errno = errno.ETIMEDOUT


class InterruptedCallError(MimirError, InterruptedError):
    """A signal arrived at the waiting thread."""

    status = c.MIMIR_EINTR
    _default_errno = errno.EINTR


class OutOfResourcesError(MimirError, OSError):
    """The operating system had no memory, process or descriptor left to give."""

    status = c.MIMIR_ENOMEM
    _default_errno = errno.ENOMEM


class LimitError(MimirError, ValueError):
    """The limit asked for is above the hard limit, and the caller may not raise it."""

    status = c.MIMIR_ELIMIT


class StateError(MimirError, RuntimeError):
    """The call does not fit the state of the object."""

    status = c.MIMIR_ESTATE


class BufferTooShortError(MimirError, BufferError):
    """The caller's buffer is too short. The package sizes its buffers itself: only `libmimir.raw` can meet this."""

    status = c.MIMIR_ERANGE


class OperatingSystemError(MimirError, OSError):
    """Any other failure that the operating system reported."""

    status = c.MIMIR_EOS


class InternalError(MimirError, RuntimeError):
    """A fault in the library itself."""

    status = c.MIMIR_EINTERNAL


#: The exception of each status.
BY_STATUS: dict[int, type[MimirError]] = {
    kind.status: kind
    for kind in (
        InvalidArgumentError,
        NotSupportedError,
        PermissionDeniedError,
        NotFoundError,
        NoSuchProcessError,
        BadHandleError,
        ForkedError,
        TimedOutError,
        InterruptedCallError,
        OutOfResourcesError,
        LimitError,
        StateError,
        BufferTooShortError,
        OperatingSystemError,
        InternalError,
    )
}


def from_status(status: int, message: str, os_code: int = 0, step: str = "") -> MimirError:
    """Make the exception of a status. A status newer than this package becomes a plain `MimirError`."""
    return BY_STATUS.get(status, MimirError)(message, status=status, os_code=os_code, step=step)
