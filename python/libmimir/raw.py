"""The C interface as it is: constants, structures and functions under their C names.

For what the rest of the package does not offer. `library()` gives the functions: each returns a status, the `size` of a
structure has to be set before the call, and `check` makes an exception of a failure.

>>> import ctypes
>>> from libmimir import raw
>>> system = raw.mimir_system(size=ctypes.sizeof(raw.mimir_system))
>>> raw.check(raw.library().mimir_system_get(ctypes.byref(system)))
>>> system.page_size_bytes > 0
True
"""

from __future__ import annotations

from . import _library
from ._bindings import *  # noqa: F403

__all__ = [name for name in dir() if name.startswith(("mimir_", "MIMIR_"))] + ["check", "library"]


def library() -> _library.Functions:
    """Give the functions of the loaded library. Ask again after a fork instead of keeping them."""
    return _library.current()


def check(status: int) -> None:
    """Raise the exception of `libmimir.errors` of a failing call of this thread, which must have been its last."""
    if status != 0:
        raise _library.failure(_library.current(), status)
