"""The command ``libmimir``: ``info``, ``usage``, ``limits`` and ``run``."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments, ``sys.argv`` by default, and answer its exit status."""
    from ._main import main

    return main(arguments)
