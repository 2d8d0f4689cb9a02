"""The shared library: where it is found, its functions, and the one way in which they are called.

It is loaded when the package is imported, not on the first call: the library has to be there before the process forks
for its functions to work in the child.
"""

from __future__ import annotations

import ctypes
import os
import sys

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


class Functions(c.Functions):
    """The C functions of one loaded copy of the library, as attributes under their C names.

    They release the interpreter's lock, except `measure`: the same as ``mimir_usage_measure``, called with the lock
    held. Handing the lock over takes a good part of the time of that call (2 us), which neither waits nor calls back.
    """

    #: The file that was loaded.
    path: str
    measure: Callable[..., int]

    def __init__(self, path: str) -> None:
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            raise ImportError(f"libmimir: cannot load the shared library {path!r}: {error}", path=path) from error
        _check_abi(library, path)
        try:
            super().__init__(library)
        except AttributeError as error:
            raise ImportError(f"libmimir: {path!r} lacks a function: {error}", path=path) from error
        self.path = path
        # Without argument types ctypes passes prepared arguments on as they are, in half the time.
        measure = ctypes.PyDLL(path, handle=library._handle)["mimir_usage_measure"]
        measure.restype = ctypes.c_int32
        self.measure = measure


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


_current = Functions(_find())


def current() -> Functions:
    """The functions in use.

    Everything asks here each time instead of keeping what it got: a forked worker can then be given a copy of its own.
    """
    return _current


def call(name: str, *arguments: Any) -> None:
    """Call a C function by name.

    Raises: the exception of `libmimir.errors` that belongs to the status, when that is not `MIMIR_OK`.
    """
    functions = current()
    status = getattr(functions, name)(*arguments)
    if status != c.MIMIR_OK:
        raise failure(functions, status)


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
