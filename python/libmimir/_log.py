"""The warnings of what cannot be done here, on the logger ``libmimir``."""

from __future__ import annotations

import sys


def warn(message: str, *arguments: object) -> None:
    """Log a warning; where there is nothing left to import the logging with, print it."""
    try:
        import logging
    except (ImportError, MemoryError, OSError):
        # Under a limit that is used up there may be no descriptor or memory for it.
        print("libmimir:", message % arguments, file=sys.stderr)
        return
    logging.getLogger("libmimir").warning(message, *arguments)
