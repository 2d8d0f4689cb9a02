"""The terminal in the hands of a command that is a process group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
from collections.abc import Iterator
from typing import Callable

from .._job import Job
from ..errors import MimirError, StateError

if sys.platform == "win32":

    class Foreground:
        """Windows consoles have no foreground group."""

        def __init__(self, job: Job, before_stop: Callable[[], None]) -> None:
            pass

        def __enter__(self) -> Foreground:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def look(self) -> None:
            pass

else:
    import termios

    class Foreground:
        """Lends the terminal to a started job, as a shell does, and takes it back when the job stops or ends.

        A job in a process group of its own is a background job to the terminal: it would be stopped when it reads, and
        Ctrl-C would not reach it. It gets the terminal at once when its input is a terminal and its output is not a
        pipe, and else when it asks for it by being stopped: the reader of a pipe, such as a pager, needs the terminal
        itself.
        """

        def __init__(self, job: Job, before_stop: Callable[[], None]) -> None:
            self._job = job
            self._pid = job.pid()
            self._before_stop = before_stop
            try:
                self._fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            except OSError:
                self._fd = -1  # there is no terminal to lend
            self._lent = False

        def __enter__(self) -> Foreground:
            if self._fd >= 0:
                self._settings = termios.tcgetattr(self._fd)
                # As long as another group has the terminal, writing and taking it back must not stop this process.
                self._old = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                if os.isatty(0) and not _is_pipe(1):
                    self._lend()
            return self

        def __exit__(self, kind: object, *_: object) -> None:
            if self._fd < 0:
                return
            if self._lent and (kind is not None or self._job.verdict.signal):
                # A command that was ended may leave the terminal without echo.
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(self._fd, termios.TCSADRAIN, self._settings)
            self._take_back()
            signal.signal(signal.SIGTTOU, self._old)
            os.close(self._fd)

        def look(self) -> None:
            """See whether the job has been stopped by the terminal, and do what a shell would.

            A job that stops for another reason stays so: it must not get out of its limits by stopping who keeps them.
            """
            stopped_by = _stop_signal(self._pid)
            if stopped_by in (signal.SIGTTIN, signal.SIGTTOU):
                if self._lend():
                    return
                stop = self._fd >= 0 and not self._has_terminal()
            else:
                stop = stopped_by == signal.SIGTSTP and self._lent
            if stop:
                self._before_stop()
                self._take_back()
                # Stop as Ctrl-Z would have, had this process been in the foreground. Going on begins behind this line.
                # Where there is no shell to say so, the kernel does not stop anybody.
                os.kill(0, signal.SIGTSTP)
                if not self._lend():
                    self._go_on()

        def _has_terminal(self) -> bool:
            try:
                return os.tcgetpgrp(self._fd) == os.getpgrp()
            except OSError:
                return False

        def _lend(self) -> bool:
            """Give the terminal to the job when it is this process's to give, and wake the job."""
            if self._fd < 0 or not self._has_terminal():
                return False
            try:
                os.tcsetpgrp(self._fd, self._pid)
            except OSError:  # it has ended
                return False
            self._lent = True
            self._go_on()
            return True

        def _go_on(self) -> None:
            with contextlib.suppress(MimirError):  # it may have ended
                self._job.signal(signal.SIGCONT)

        def _take_back(self) -> None:
            if self._lent:
                self._lent = False
                with contextlib.suppress(OSError):  # the terminal may be gone
                    os.tcsetpgrp(self._fd, os.getpgrp())

    def _is_pipe(fd: int) -> bool:
        try:
            return stat.S_ISFIFO(os.fstat(fd).st_mode)
        except OSError:
            return False

    def _stop_signal(pid: int) -> int | None:
        """Give the signal that a child has been stopped by since the last call, without touching its end."""
        if not hasattr(os, "waitid"):
            return None
        try:
            state = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
        except OSError:
            return None
        return state.si_status if state is not None else None


@contextlib.contextmanager
def started(job: Job) -> Iterator[None]:
    """Start the job, and pass on to it the signals that ask this process to end, so that it does not end without it."""
    early: list[int] = []

    def forward(number: int, _: object) -> None:
        try:
            job.signal(number)
        except StateError:
            early.append(number)
        except MimirError:
            pass  # it has ended

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    old = {}
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        # One that is ignored, as under nohup, is ignored by the job as well.
        if signal.getsignal(number) != signal.SIG_IGN:
            old[number] = signal.signal(number, forward)
    try:
        job.start()
        for number in early:
            forward(number, None)
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
