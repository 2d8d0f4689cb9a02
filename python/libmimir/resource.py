"""The standard module `resource` on every platform: ``import libmimir.resource as resource``.

Where Python has the module (Unix), this is it: the same functions and constants. Where it has not (Windows), its names
are here with its semantics, by the library: limits are kept by a job object that holds this process and what it starts.

- `RLIMIT_DATA` limits memory (commit), `RLIMIT_CPU` CPU time in user mode, both of each process; `RLIMIT_NPROC` the
  processes together.
- Limits that Windows lacks (`RLIMIT_AS`, `RLIMIT_NOFILE`, `RLIMIT_FSIZE` and others) read as `RLIM_INFINITY`, can be
  set to it, and raise `OSError` (`ENOTSUP`) for a number that nothing would keep.
- Constants of single systems (`RLIMIT_NICE`, `RUSAGE_THREAD` and such) are not there: they are not on all of Unix.
"""

from __future__ import annotations

import sys

if sys.platform != "win32":
    try:
        from resource import *  # noqa: F403
    except ImportError:  # a Python that was built without it
        from ._resource import *  # type: ignore[assignment]  # noqa: F403
else:
    from ._resource import *  # noqa: F403
