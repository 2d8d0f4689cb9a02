"""What ``monitor`` prints."""

from __future__ import annotations

import dataclasses
import json
import sys
import time

from .. import _units
from .._units import format_seconds, format_size
from ..errors import InvalidArgumentError
from ..monitor import METRICS, Event, Monitor, Sample
from ..process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..monitor import Target

#: The columns of a process and of the system: their titles, metrics and widths.
_Columns = tuple[tuple[str, str, int], ...]
_PROCESS: _Columns = (
    ("CPU", "cpu_percent", 9),
    ("CPU time", "cpu_time_seconds", 12),
    ("memory", "memory_bytes", 11),
    ("of it all", "memory_percent", 10),
    ("threads", "threads", 8),
    ("descriptors", "descriptors", 12),
)
_SYSTEM: _Columns = (
    ("CPU", "cpu_percent", 9),
    ("memory", "memory_bytes", 11),
    ("of it all", "memory_percent", 10),
    ("swap", "swap_bytes", 11),
    ("running", "run_queue", 8),
    ("processes", "processes", 10),
)
_SUMMED_UP = ("cpu_percent", "memory_bytes")

#: Titles are printed again after so many lines.
_PAGE = 20
#: How late a sample is printed at most, in seconds.
_LONGEST_PAUSE = 0.1


def monitor(
    pid: int | None,
    *,
    system: bool,
    interval: str,
    count: int | None,
    above: list[str],
    below: list[str],
    hold: str,
    as_json: bool,
) -> int:
    """Print a line for each sample, and one for each alert, until the process has ended or there are count samples."""
    if system and pid is not None:
        raise InvalidArgumentError("--system: a process was given too")
    target: Target = "system" if system else Process(pid)
    held = _seconds("--hold", hold)
    with Monitor(target, interval=_seconds("--interval", interval)) as watched:
        for text in above:
            metric, threshold = _parsed("--above", text)
            watched.add_alert(metric, above=threshold, hold=held)
        for text in below:
            metric, threshold = _parsed("--below", text)
            watched.add_alert(metric, below=threshold, hold=held)
        printer = _JSON() if as_json else _Lines(_SYSTEM if system else _PROCESS)
        try:
            _follow(watched, count, printer)
        finally:
            printer.end(watched)
    return 0


def _seconds(option: str, text: str) -> float:
    return _units.duration(text, option) / 1e9


def _parsed(option: str, text: str) -> tuple[str, float]:
    metric, equals, value = text.partition("=")
    if not equals or metric not in METRICS:
        raise InvalidArgumentError(f"{option}: {text!r} is not METRIC=NUMBER; metrics are {', '.join(METRICS)}")
    if metric.endswith("_bytes"):
        return metric, _units.size(value, option)
    if metric.endswith("_seconds"):
        return metric, _seconds(option, value)
    try:
        return metric, float(value)
    except ValueError:
        raise InvalidArgumentError(f"{option}: {value!r} is not a number") from None


def _follow(watched: Monitor, count: int | None, printer: _Lines | _JSON) -> None:
    last = printed = 0
    while True:
        for sample in watched.history(after=last):
            last = sample.number
            printer.sample(sample)
            printed += 1
            if printed == count:
                return
        event = watched.wait(min(watched.interval_seconds / 4, _LONGEST_PAUSE))
        if event is not None:
            printer.event(event)
            if event.kind == "ended":
                return


class _JSON:
    """A line of JSON for each sample and event."""

    def sample(self, sample: Sample) -> None:
        print(json.dumps({"sample": dataclasses.asdict(sample)}), flush=True)

    def event(self, event: Event) -> None:
        print(json.dumps({"event": dataclasses.asdict(event)}), flush=True)

    def end(self, watched: Monitor) -> None:
        """Nothing: who reads the samples sums them up."""


class _Lines:
    """A table of the samples; alerts go to standard error."""

    def __init__(self, columns: _Columns) -> None:
        self._columns = columns
        self._printed = 0

    def sample(self, sample: Sample) -> None:
        if self._printed % _PAGE == 0:
            print("time    " + "".join(title.rjust(width) for title, _, width in self._columns))
        self._printed += 1
        cells = (_written(metric, getattr(sample, metric)).rjust(width) for _, metric, width in self._columns)
        print(_clock(sample.time) + "".join(cells), flush=True)

    def event(self, event: Event) -> None:
        alert = event.alert
        if alert is None:
            text = "it has ended"
        else:
            side, threshold = ("below", alert.below) if alert.above is None else ("above", alert.above)
            state = f"is {side}" if event.kind == "raised" else f"is no longer {side}"
            value, limit = _written(alert.metric, event.value), _written(alert.metric, threshold)
            text = f"{alert.metric} {state} {limit}: {value}"
        print(f"libmimir monitor: {_clock(event.time)} {text}", file=sys.stderr, flush=True)

    def end(self, watched: Monitor) -> None:
        for summary in map(watched.summary, _SUMMED_UP):
            if summary.samples:
                title = summary.metric.removesuffix("_bytes").removesuffix("_percent")
                least, mean, most = (
                    _written(summary.metric, value) for value in (summary.least, summary.mean, summary.most)
                )
                trend = ""
                if summary.metric == "memory_bytes" and summary.samples > 2:
                    trend = f", trend {_written(summary.metric, summary.slope_per_second)} a second"
                print(f"{title}: {least} to {most}, mean {mean}{trend}", file=sys.stderr)


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _written(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    if metric.endswith("_bytes"):
        return format_size(value) if value >= 0 else f"-{format_size(-value)}"
    if metric.endswith("_seconds"):
        return format_seconds(value)
    return f"{value:.1f} %" if metric.endswith("_percent") else f"{value:g}"
