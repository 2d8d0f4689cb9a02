"""`libmimir run` on a terminal: the command has it as if a shell had started it, and a line shows what it uses."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from support import PATIENCE, eventually, is_alive, unix_only

pytestmark = unix_only

needs_bash = pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="there is no bash, whose job control this is")

INTERRUPT, SUSPEND, END_OF_FILE = b"\x03", b"\x1a", b"\x04"


class Terminal:
    """A program on a terminal of its own, as the session's leader."""

    def __init__(self, *arguments: str, rows: int = 24) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.environ["TERM"] = "xterm"
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
                os.execv(arguments[0], arguments)  # noqa: S606
            finally:
                os._exit(111)
        self.shown = b""
        self.status: int | None = None

    def read(self, seconds: float = 0.05) -> bool:
        """Take what is shown next. Answers False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.shown += data
        return bool(data)

    def expect(self, pattern: bytes) -> re.Match[bytes]:
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, f"{pattern!r} is not in {self.shown!r}"
            assert self.read() or re.search(pattern, self.shown), f"{pattern!r} is not in {self.shown!r}"
        return found

    def type(self, data: bytes) -> None:
        os.write(self.fd, data)

    def wait(self) -> int:
        """Read on to the end and give the exit status."""
        if self.status is None:
            deadline = time.monotonic() + PATIENCE
            while True:
                done, status = os.waitpid(self.pid, os.WNOHANG)
                if done:
                    break
                assert time.monotonic() < deadline, f"it does not end: {self.shown!r}"
                self.read()
            while self.read(0) and select.select([self.fd], [], [], 0)[0]:
                pass
            self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def run(terminals: list[Terminal], *arguments: str) -> Terminal:
    terminals.append(Terminal(sys.executable, "-m", "libmimir", "run", *arguments))
    return terminals[-1]


def test_a_command_reads_what_is_typed_and_ends_with_its_end(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "-q", "--", "sh", "-c", "read line; echo got:$line")
    terminal.type(b"hello\n")
    terminal.expect(rb"got:hello")
    assert terminal.wait() == 0


def test_ctrl_d_is_the_end_of_its_input(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "-q", "--", "sh", "-c", "echo ready; cat; echo done")
    terminal.expect(b"ready")
    terminal.type(END_OF_FILE)
    terminal.expect(b"done")
    assert terminal.wait() == 0


def test_ctrl_c_goes_to_the_command(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "--", "sh", "-c", "echo ready; exec sleep 100")
    terminal.expect(b"ready")
    terminal.type(INTERRUPT)
    assert terminal.wait() == 128 + signal.SIGINT
    assert b"died of SIGINT" in terminal.shown


def test_a_command_that_handles_ctrl_c_goes_on(terminals: list[Terminal]) -> None:
    terminal = run(
        terminals, "-q", "--", "sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"
    )
    terminal.expect(b"ready")
    terminal.type(INTERRUPT)
    terminal.expect(b"caught")
    assert terminal.wait() == 9


def test_a_python_prompt_works(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "--", sys.executable, "-q", "-i")
    terminal.expect(rb">>> ")
    time.sleep(1)  # long enough for the line, which must stay away from a prompt that edits
    terminal.type(b"print(6 * 7)\r")
    terminal.expect(rb"\D42\D")
    terminal.type(b"import os; os._exit(3)" + b"\r")
    assert terminal.wait() == 3


def test_the_terminal_is_given_back_when_the_command_ends(terminals: list[Terminal]) -> None:
    script = f"{sys.executable} -m libmimir run -q -- sh -c 'read a; echo one:$a'; read b; echo two:$b"
    terminals.append(Terminal("/bin/sh", "-c", script))
    terminal = terminals[-1]
    terminal.type(b"x\n")
    terminal.expect(rb"one:x")
    terminal.type(b"y\n")
    terminal.expect(rb"two:y")
    assert terminal.wait() == 0


def test_the_terminal_is_as_it_was_when_a_limit_ends_a_command_that_changed_it(terminals: list[Terminal]) -> None:
    script = f"{sys.executable} -m libmimir run -q --wall 1 -- sh -c 'stty -echo -icanon; sleep 100'; stty -a"
    terminals.append(Terminal("/bin/sh", "-c", script))
    assert terminals[-1].wait() == 0
    settings = terminals[-1].shown
    assert re.search(rb"\sicanon\b", settings)
    assert re.search(rb"\secho\b", settings)


def test_a_reader_of_its_output_keeps_the_terminal(terminals: list[Terminal]) -> None:
    # As a pager does: the command's output is a pipe whose reader reads the terminal.
    reader = (
        "import sys; data = sys.stdin.read(); print('read', data.strip(), 'and', open('/dev/tty').readline().strip())"
    )
    script = f'{sys.executable} -m libmimir run -q -- echo data | {sys.executable} -c "{reader}"'
    terminals.append(Terminal("/bin/sh", "-c", script))
    terminals[-1].type(b"typed\n")
    terminals[-1].expect(rb"read data and typed")
    assert terminals[-1].wait() == 0


def test_a_command_in_a_pipe_gets_the_terminal_when_it_asks_for_it(terminals: list[Terminal]) -> None:
    script = f"{sys.executable} -m libmimir run -q -- sh -c 'read a; echo got:$a' | cat"
    terminals.append(Terminal("/bin/sh", "-c", script))
    terminals[-1].type(b"typed\n")
    terminals[-1].expect(rb"got:typed")
    assert terminals[-1].wait() == 0


@needs_bash
def test_ctrl_z_stops_the_command_and_gives_the_shell_the_terminal(terminals: list[Terminal]) -> None:
    terminals.append(Terminal("/bin/bash", "--norc", "--noediting", "-i"))
    terminal = terminals[-1]
    terminal.type(b"PS1='pro''mpt '\n")
    terminal.expect(rb"prompt ")
    script = "echo pid $$; read a; echo got:$a"
    terminal.type(f"{sys.executable} -m libmimir run -q -- sh -c '{script}'\n".encode())
    pid = int(terminal.expect(rb"pid (\d+)\r")[1])
    terminal.type(SUSPEND)
    terminal.expect(rb"Stopped")
    assert is_alive(pid)
    terminal.type(b"echo shell is''here\n")
    terminal.expect(rb"shell ishere")
    terminal.type(b"fg\n")
    terminal.type(b"hello\n")
    terminal.expect(rb"got:hello")
    terminal.type(b"exit 0\n")
    terminal.wait()
    eventually(lambda: not is_alive(pid))


def test_ctrl_z_without_a_shell_to_go_back_to_lets_the_command_go_on(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "-q", "--", "sh", "-c", "echo ready; read a; echo got:$a")
    terminal.expect(b"ready")
    terminal.type(SUSPEND)
    terminal.type(b"hello\n")
    terminal.expect(b"got:hello")
    assert terminal.wait() == 0


def test_a_command_that_stops_itself_does_not_stop_the_watch_over_it(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "--wall", "2", "--", "sh", "-c", "sleep 0.5; kill -STOP $$")
    assert terminal.wait() == 128 + signal.SIGKILL
    assert b"ended by its wall time limit" in terminal.shown


@needs_bash
def test_the_line_is_gone_while_the_shell_has_the_terminal(terminals: list[Terminal]) -> None:
    terminals.append(Terminal("/bin/bash", "--norc", "--noediting", "-i"))
    terminal = terminals[-1]
    terminal.type(f"{sys.executable} -m libmimir run --wall 30 -- sleep 2\n".encode())
    terminal.expect(rb"elapsed")
    terminal.type(SUSPEND)
    terminal.expect(rb"Stopped")
    assert terminal.shown.rindex(b"\x1b[r") > terminal.shown.rindex(b"elapsed")
    at = len(terminal.shown)
    terminal.type(b"fg\n")
    terminal.expect(rb"returned 0")
    assert b"\x1b[r" in terminal.shown[at:]
    terminal.type(b"exit 0\n")
    terminal.wait()


def test_a_line_shows_time_cpu_and_memory_against_the_limits_and_is_removed(terminals: list[Terminal]) -> None:
    script = "echo above; sleep 1.5; echo below"
    terminal = run(terminals, "--memory", "300M", "--wall", "20", "--cpu", "5", "--", "sh", "-c", script)
    assert terminal.wait() == 0
    shown = terminal.shown.decode()
    plain = re.sub(r"\x1b(\[[0-9;]*[A-Za-z]|[78D])", "", shown)
    assert re.search(
        r"libmimir +elapsed [0-9.]+ m?s of 20 s +CPU [0-9.]+ m?s of 5 s +memory [0-9.]+ [KM]iB of 300 MiB", plain
    )
    # Drawn in the last line, below the lines that scroll, and at the end erased with the whole screen scrolling again.
    assert "\x1b[1;23r" in shown
    assert re.search(r"\x1b\[24;1H\x1b\[2K.*libmimir", shown)
    assert shown.rindex("\x1b[r") > shown.rindex("elapsed")
    assert re.search(r"\x1b\[24;1H\x1b\[2K\x1b8", shown[shown.rindex("\x1b[r") :])
    assert "libmimir: returned 0" in plain
    assert plain.index("above") < plain.index("below") < plain.index("libmimir: returned 0")


def test_a_short_command_shows_no_line(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "--memory", "300M", "--", "true")
    assert terminal.wait() == 0
    assert b"elapsed" not in terminal.shown


def test_a_quiet_command_shows_no_line(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "-q", "--", "sleep", "1")
    assert terminal.wait() == 0
    assert terminal.shown == b""


def test_a_command_that_has_the_terminal_in_raw_mode_has_it_alone(terminals: list[Terminal]) -> None:
    terminal = run(terminals, "--", "sh", "-c", "stty raw; sleep 1.2; stty -raw")
    assert terminal.wait() == 0
    assert b"elapsed" not in terminal.shown
