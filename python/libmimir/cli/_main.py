"""The command's arguments, and what becomes of errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Callable, NoReturn

from .. import __version__, _limits
from ..errors import InvalidArgumentError, LimitError, MimirError, NotSupportedError

#: A wrong argument, as argparse and the shells have it.
USAGE_ERROR = 2

_SIZES = "sizes: bytes, or 10k, 256M, 1.5GiB, 512Mi (powers of 1024)"
_TIMES = "durations: seconds, or 500ms, 10s, 2m, 1h"

_RUN_HELP = f"""\
Run a command under limits. Its output and exit status pass through; what it used, and which limit ended it, is told on
standard error.

exit status:
  the command's own; 128 + n when signal n ended it, also for a limit;
  127 when there is no such program, 126 when it cannot be executed, 125 when it could not be run for another
  reason; 2 for wrong arguments.

{_SIZES}
{_TIMES}
"""


_MONITOR_HELP = f"""\
Print what a process or the system uses, a line at a time, until the process has ended. Alerts, and at the end what it
came to, are told on standard error.

metrics: cpu_percent, cpu_time_seconds, memory_bytes, memory_percent, virtual_bytes, swap_bytes, threads, descriptors,
  processes, run_queue
{_SIZES}
{_TIMES}
"""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What follows the first "--" is a command, whose own options are not to be looked at.
    command: list[str] | None = None
    if "--" in given:
        at = given.index("--")
        given, command = given[:at], given[at + 1 :]
    parser = _parser()
    options = parser.parse_args(given)
    if options.action == "run":
        options.command = [*options.command, *(command or [])]
    elif command is not None:
        parser.error(f"{options.action} takes no command")
    name = f"libmimir {options.action}"
    act: Callable[[argparse.Namespace], int] = options.act
    try:
        status = act(options)
        sys.stdout.flush()
    except (InvalidArgumentError, LimitError, NotSupportedError) as error:
        return _say(name, error, USAGE_ERROR)
    except BrokenPipeError:
        # The reader has gone. Python's own flush at exit must not say so again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MimirError, OSError) as error:
        return _say(name, error, 1)
    except KeyboardInterrupt:
        return 130
    return status


def _say(name: str, error: Exception, status: int) -> int:
    print(f"{name}: {error}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="libmimir", description="Run commands under limits, and see what processes use and may use.")
    parser.add_argument("--version", action="version", version=f"libmimir {__version__}")
    actions = parser.add_subparsers(dest="action", required=True, metavar="info | usage | limits | monitor | run")

    info = actions.add_parser("info", help="the system, the library, and which limits can be kept here")
    info.set_defaults(act=_info)

    usage = actions.add_parser("usage", help="what a process uses")
    usage.add_argument("pid", nargs="?", type=_pid, default=0, metavar="PID", help="default: this one")
    usage.set_defaults(act=_usage)

    limits = actions.add_parser("limits", help="the limits of a process")
    limits.add_argument("pid", nargs="?", type=_pid, default=0, metavar="PID", help="default: this one")
    limits.set_defaults(act=_limits_of)

    monitor = actions.add_parser(
        "monitor",
        help="what a process or the system uses, over time",
        description=_MONITOR_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    monitor.add_argument("pid", nargs="?", type=_pid, metavar="PID", help="default: this one")
    monitor.add_argument("--system", action="store_true", help="the system as a whole")
    monitor.add_argument("--interval", metavar="TIME", default="1s", help="time between two samples (1s)")
    monitor.add_argument("--count", metavar="N", type=_count, help="end after so many samples")
    for side in ("above", "below"):
        monitor.add_argument(
            f"--{side}", metavar="METRIC=NUMBER", action="append", default=[], help=f"tell when a metric is {side} it"
        )
    monitor.add_argument("--hold", metavar="TIME", default="0", help="... at every sample for so long")
    monitor.add_argument("--json", action="store_true", help="print a line of JSON for each sample and event")
    monitor.set_defaults(act=_monitor)

    for action in (info, usage, limits):
        action.add_argument("--json", action="store_true", help="print one JSON object")

    run = actions.add_parser(
        "run",
        help="run a command under limits",
        usage="libmimir run [options] [--] COMMAND [ARGUMENT ...]",
        description=_RUN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    limit = run.add_argument_group("limits")
    limit.add_argument("--memory", metavar="SIZE", help="resident memory of the command and its descendants")
    limit.add_argument("--cpu", metavar="TIME", help="CPU time")
    limit.add_argument("--wall", metavar="TIME", help="elapsed time")
    limit.add_argument("--processes", metavar="N", help="processes alive at once")
    limit.add_argument("--open-files", metavar="N", help="open descriptors of each process")
    limit.add_argument("--file-size", metavar="SIZE", help="size of each file that is written")
    limit.add_argument("--address-space", metavar="SIZE", help="virtual memory of each process")
    limit.add_argument("--output", metavar="SIZE", help="bytes written to standard output and error")
    limit.add_argument("--cpu-rate", metavar="CPUS", help="CPUs used at a time, such as 0.5; it only slows down")
    limit.add_argument("--grace", metavar="TIME", help="time from SIGTERM to SIGKILL when it is ended")
    run.add_argument("--priority", metavar="NICE", help="a nice value, or low, below-normal, normal, ...")
    confine = run.add_argument_group("confinement")
    confine.add_argument(
        "--writable", metavar="DIR", action="append", help="where alone files can be changed; can be repeated"
    )
    confine.add_argument("--no-network", action="store_true", help="leave it a network with nothing in it")
    confine.add_argument(
        "--no-desktop", action="store_true", help="keep it from the clipboard and others' windows (Windows)"
    )
    confine.add_argument("--user", metavar="NAME", help="run as another user, where permitted")
    run.add_argument("--cwd", metavar="DIR", help="directory to start in")
    run.add_argument(
        "--env", metavar="NAME=VALUE", action="append", default=[], help="environment variable; can be repeated"
    )
    run.add_argument("--clear-env", action="store_true", help="start from an empty environment")
    run.add_argument("--stdin", metavar="FILE", help="file that is the command's standard input")
    run.add_argument("--json", action="store_true", help="tell the outcome as one line of JSON on standard error")
    run.add_argument("-q", "--quiet", action="store_true", help="do not tell the outcome")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)
    run.set_defaults(act=_run)
    return parser


def _whole(text: str, bits: int, what: str) -> int:
    if not text.isdecimal() or not text.isascii() or not 0 < int(text) < 1 << bits:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return int(text)


def _pid(text: str) -> int:
    return _whole(text, 31, "a process id")


def _count(text: str) -> int:
    return _whole(text, 63, "a number above 0")


def _info(options: argparse.Namespace) -> int:
    from . import _report

    return _report.info(as_json=options.json)


def _usage(options: argparse.Namespace) -> int:
    from . import _report

    return _report.usage(options.pid, as_json=options.json)


def _limits_of(options: argparse.Namespace) -> int:
    from . import _report

    return _report.limits(options.pid, as_json=options.json)


def _monitor(options: argparse.Namespace) -> int:
    from . import _monitor

    return _monitor.monitor(
        options.pid,
        system=options.system,
        interval=options.interval,
        count=options.count,
        above=options.above,
        below=options.below,
        hold=options.hold,
        as_json=options.json,
    )


def _run(options: argparse.Namespace) -> int:
    from .._launch import Launch
    from . import _run

    if not options.command:
        raise InvalidArgumentError("there is no command to run")
    launch = Launch(
        options.command,
        {
            **{name: getattr(options, name) for name in _limits.LIMITS},
            "cwd": options.cwd,
            "env": _environment(options.env, clear=options.clear_env),
            "grace": options.grace,
            "writable": options.writable,
            "no_network": options.no_network,
            "no_desktop": options.no_desktop,
            "priority": options.priority,
            "user": int(options.user) if options.user and options.user.isdecimal() else options.user,
        },
        label=lambda name: "--" + name.replace("_", "-"),
    )
    return _run.run(
        launch,
        cwd=options.cwd,
        stdin=options.stdin,
        report="none" if options.quiet else "json" if options.json else "text",
    )


def _environment(settings: list[str], *, clear: bool) -> dict[str, str] | None:
    if not settings and not clear:
        return None
    environment = {} if clear else dict(os.environ)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not name or not equals:
            raise InvalidArgumentError(f"--env: {setting!r} is not NAME=VALUE")
        environment[name] = value
    return environment
