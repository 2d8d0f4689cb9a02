"""The shared library: where it is found, its functions, and the one way in which they are called.

It is loaded when the package is imported, not on the first call: the library has to be there before the process forks
for its functions to work in the child. Those that a child calls between fork and exec work there as they are. The first
call of another one, in a child that lives on, loads a copy of the library (`renew`).
"""

from __future__ import annotations

import ctypes
import os
import sys
from _thread import allocate_lock

from . import _bindings as c
from . import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Names the shared library to load instead of the one beside the package.
VARIABLE = "LIBMIMIR_LIBRARY"

if sys.platform == "win32":
    _FILE = "libmimir.dll"
elif sys.platform == "darwin":
    _FILE = "libmimir.dylib"
else:
    _FILE = "libmimir.so"


# What neither waits nor calls back and takes a microsecond or two. Among threads, handing the interpreter's lock over
# and getting it back takes far longer than that.
_QUICK = (
    "mimir_job_create",
    "mimir_job_set_limits",
    "mimir_job_set_option",
    "mimir_job_set_stream",
    "mimir_job_enforcement",
    "mimir_usage_refresh",
)


class Functions(c.Functions):
    """The C functions of one loaded copy of the library, as attributes under their C names.

    They release the interpreter's lock, except for those that are as quick as that.
    """

    #: The file that was loaded.
    path: str
    #: ``mimir_run`` for arguments that are objects of ctypes already: converting so many takes longer than the call.
    run_untyped: Callable[..., int]

    def __init__(self, path: str, handle: int | None = None) -> None:
        """Load the library, or take what ``dlopen`` has returned for a copy of it."""
        try:
            library = ctypes.CDLL(path, handle=handle)
        except OSError as error:
            raise ImportError(f"libmimir: cannot load the shared library {path!r}: {error}", path=path) from error
        _check_abi(library, path)
        try:
            super().__init__(library)
        except AttributeError as error:
            raise ImportError(f"libmimir: {path!r} lacks a function: {error}", path=path) from error
        self.path = path
        locked = ctypes.PyDLL(path, handle=library._handle)
        for name in _QUICK:
            function = locked[name]
            function.argtypes = c.PROTOTYPES[name]
            function.restype = ctypes.c_int32
            setattr(self, name, function)
        self.run_untyped = library["mimir_run"]
        self.run_untyped.restype = ctypes.c_int32
        # A library that was loaded under a limit too tight for its runtime has only the functions that do without.
        status = self.mimir_status_text(c.MIMIR_OK, ctypes.create_string_buffer(64), 64, None)
        if status == c.MIMIR_ENOMEM:
            raise ImportError(f"libmimir: {failure(self, status)}", path=path)


def _check_abi(library: ctypes.CDLL, path: str) -> None:
    try:
        ask = library["mimir_abi"]
    except AttributeError as error:
        raise ImportError(f"libmimir: {path!r} is not the libmimir library (it has no mimir_abi)", path=path) from error
    ask.restype = ctypes.c_int32
    abi = ctypes.c_uint32()
    status = ask(ctypes.byref(abi))
    if status != c.MIMIR_OK or abi.value != c.MIMIR_ABI:
        found = f"ABI {abi.value}" if status == c.MIMIR_OK else f"status {status} instead of its ABI"
        raise ImportError(
            f"libmimir: {path!r} answers {found}, and this package needs ABI {c.MIMIR_ABI}: "
            "install the library and the package of one version",
            path=path,
        )


def _find() -> str:
    named = os.environ.get(VARIABLE)
    if named:
        path = os.path.abspath(named)
        if not os.path.exists(path):
            raise ImportError(f"libmimir: {VARIABLE} names {named!r}, which does not exist", path=path)
        return path
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), _FILE)
    if not os.path.exists(beside):
        raise ImportError(
            f"libmimir: the shared library was not found. Tried: the environment variable {VARIABLE} (not set); "
            f"{beside!r} (does not exist). Build it (make build) or name it in {VARIABLE}.",
            path=beside,
        )
    return beside


def current() -> Functions:
    """The functions in use.

    Everything asks here each time instead of keeping what it got: a forked worker is given a copy of its own.
    """
    return _current


def renew(refusing: Functions) -> Functions:
    """Give a forked child a copy of the library of its own, in place of the one that has just answered `MIMIR_EFORKED`.

    Raises: `ForkedError`, within a second, with the reason why there can be no copy.
    """
    global _current
    with _renewing:
        if _current is refusing:  # else another thread has been quicker
            handle = ctypes.c_uint64()
            status = refusing.mimir_library_reload(ctypes.byref(handle))
            if status != c.MIMIR_OK:
                reason = failure(refusing, status)
                raise errors.ForkedError(
                    f"this forked process cannot have a copy of the library: {reason}",
                    os_code=reason.os_code,
                    step=reason.step,
                )
            try:
                _current = Functions(refusing.path, handle.value)
            except ImportError as error:
                raise errors.ForkedError(f"a copy of the library cannot be used: {error}") from error
        return _current


def _finish_imports() -> None:
    """Before a fork, wait for what another thread is importing of the package: its lock would stay in the child."""
    for name, module in list(sys.modules.items()):
        if name.startswith("libmimir.") and getattr(getattr(module, "__spec__", None), "_initializing", False):
            __import__(name)


def _forget_threads() -> None:
    """In a forked child, where a thread of the parent may have held the lock at the fork and is no more."""
    global _renewing
    _renewing = allocate_lock()


def call(name: str, *arguments: Any) -> Functions:
    """Call a C function by name, and answer the copy of the library that it was called in.

    Raises: the exception of `libmimir.errors` that belongs to the status, when that is not `MIMIR_OK`.
    """
    functions = _current
    status = getattr(functions, name)(*arguments)
    if status == c.MIMIR_EFORKED:
        functions = renew(functions)
        status = getattr(functions, name)(*arguments)
    if status != c.MIMIR_OK:
        raise failure(functions, status)
    return functions


def text(name: str, *arguments: Any) -> bytes:
    """Call a C function that writes text, whose last parameters are ``buffer, length, needed``.

    Raises: as `call`.
    """
    functions = current()
    function = getattr(functions, name)
    size = 256
    needed = ctypes.c_uint64()
    while True:
        buffer = ctypes.create_string_buffer(size)
        status = function(*arguments, buffer, size, ctypes.byref(needed))
        if status == c.MIMIR_EFORKED:
            functions = renew(functions)
            function = getattr(functions, name)
            status = function(*arguments, buffer, size, ctypes.byref(needed))
        if status == c.MIMIR_OK:
            return buffer.value
        if status != c.MIMIR_ERANGE or needed.value <= size:
            raise failure(functions, status)
        size = needed.value


def failure(functions: Functions, status: int) -> errors.MimirError:
    """Make the exception of a call of this thread that has just answered a status other than `MIMIR_OK`."""
    record = c.mimir_error()
    record.size = ctypes.sizeof(record)
    if functions.mimir_last_error(ctypes.byref(record)) != c.MIMIR_OK or record.status != status:
        return errors.from_status(status, f"the library answered status {status}")
    step = record.step.decode("utf-8", "replace")
    message = record.message.decode("utf-8", "replace")
    if step and not message.startswith(step):
        message = f"{step}: {message}"
    return errors.from_status(status, message, record.os_code, step)


_renewing = allocate_lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish_imports, after_in_child=_forget_threads)
_current = Functions(_find())
