"""The line that shows a running command's elapsed time, CPU time and memory."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping

from .. import _bindings as c
from .. import _limits
from .._units import format_seconds, format_size

#: A command that ends sooner needs no line.
DELAY_SECONDS = 0.5
PAUSE_SECONDS = 0.2

_SAVE_CURSOR, _RESTORE_CURSOR = "\x1b7", "\x1b8"
_ERASE_LINE = "\x1b[2K"
_WHOLE_SCREEN = "\x1b[r"
# Down a line in the same column, scrolling when there is none, and up again: the last line is then free.
_MAKE_ROOM = "\x1bD\x1b[1A"


class LiveLine:
    """The last line of the terminal of standard error, below what the command writes.

    The terminal is told to scroll the lines above only, as apt does below dpkg: the command writes to the same
    terminal, and a line that is drawn over the last line of its output would be mixed with it. While the command has
    the terminal in raw mode (an editor, a pager, a shell's prompt) the screen is its own, and there is no line.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._limits = limits
        self._started = time.monotonic()
        self._next = self._started + DELAY_SECONDS
        self._shape: tuple[int, int] | None = None

    @staticmethod
    def is_possible() -> bool:
        """Whether standard error is a terminal that can show the line."""
        if sys.platform == "win32" or os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
            return False
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).lines > 3

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def draw(self, usage: c.mimir_usage) -> None:
        """Show the line, where it can be shown now."""
        now = time.monotonic()
        self._next = now + PAUSE_SECONDS
        shape = os.get_terminal_size(sys.stderr.fileno())
        if shape.lines <= 3 or _is_raw(sys.stderr.fileno()):
            self.clear()
            return
        out = ""
        if self._shape is None:
            out += _MAKE_ROOM
        elif self._shape != shape:
            # The old last line is now somewhere above, or gone: it is left to the command to write over.
            out += _SAVE_CURSOR + _WHOLE_SCREEN + _RESTORE_CURSOR
        if self._shape != shape:
            out += f"{_SAVE_CURSOR}\x1b[1;{shape.lines - 1}r{_RESTORE_CURSOR}"
            self._shape = shape
        line = self._render(now - self._started, usage, shape.columns)
        self._write(f"{out}{_SAVE_CURSOR}\x1b[{shape.lines};1H{_ERASE_LINE}{line}{_RESTORE_CURSOR}")

    def clear(self) -> None:
        """Take the line away."""
        if self._shape is not None:
            lines = self._shape[1]
            self._shape = None
            self._write(
                f"{_SAVE_CURSOR}{_WHOLE_SCREEN}\x1b[{lines};1H{_ERASE_LINE}{_RESTORE_CURSOR}",
            )

    def _render(self, elapsed: float, usage: c.mimir_usage, columns: int) -> str:
        from rich.console import Console
        from rich.text import Text

        console = Console(file=sys.stderr)
        cpu = (usage.user_time_ns + usage.system_time_ns) / 1e9
        text = Text("libmimir ", style="bold", no_wrap=True, overflow="ellipsis")
        for title, used, written, name in (
            ("elapsed", elapsed, format_seconds(elapsed), "wall"),
            ("CPU", cpu, format_seconds(cpu), "cpu"),
            ("memory", usage.resident_bytes, format_size(usage.resident_bytes), "memory"),
        ):
            limit = self._limits.get(name)
            text.append(f"  {title} ", style="dim")
            text.append(written, style=_style(used, limit))
            if limit is not None:
                text.append(f" of {_limits.describe(name, limit)}", style="dim")
        with console.capture() as capture:
            console.print(text, end="", width=max(columns - 1, 1), crop=True)
        return capture.get().rstrip("\n")

    def _write(self, text: str) -> None:
        sys.stderr.flush()
        data = text.encode()
        while data:
            data = data[os.write(sys.stderr.fileno(), data) :]


def _style(used: float, limit: float | None) -> str:
    if not limit:
        return "bold"
    return "bold red" if used > 0.9 * limit else "bold yellow" if used > 0.7 * limit else "bold green"


def _is_raw(fd: int) -> bool:
    if sys.platform == "win32":
        return False
    import termios

    try:
        local_modes: int = termios.tcgetattr(fd)[3]
    except termios.error:
        return True
    return not local_modes & termios.ICANON
