"""What a process, a command or the system uses, over time: samples, their history and trend, and alerts.

The library makes the samples, in a thread of its own that all monitors share and that needs no interpreter: they come
at their time whatever Python does. Nobody is called back: events are queued, and who wants them waits for them.

>>> from libmimir import Monitor
>>> with Monitor(interval=0.01, history=100) as monitor:
...     alert = monitor.add_alert("memory_bytes", above="1M")
...     event = monitor.wait(timeout=10)
...     peak = monitor.summary("memory_bytes").most
>>> event.kind, event.alert == alert, peak > 1 << 20
('raised', True, True)
"""

from __future__ import annotations

import ctypes
import math
import time
from _thread import allocate_lock
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _bindings as c
from . import _job, _library, _units
from ._group import int_within
from .errors import ForkedError, InvalidArgumentError, NoSuchProcessError, StateError, TimedOutError
from .process import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Literal, Union

    from ._units import Duration, Size
    from .aio import AsyncProcess
    from .popen import Popen

    #: What can be monitored: a process (None is the caller), a command that was started, or the system.
    Target = Union[int, Process, Popen[Any], AsyncProcess, Literal["system"], None]

__all__ = ["Alert", "Event", "Monitor", "Sample", "Summary"]

#: The metrics by their names, which are those of the fields of a `Sample`.
METRICS: dict[str, int] = {
    "cpu_percent": c.MIMIR_METRIC_CPU_PERCENT,
    "cpu_time_seconds": c.MIMIR_METRIC_CPU_TIME_NS,
    "memory_bytes": c.MIMIR_METRIC_MEMORY_BYTES,
    "memory_percent": c.MIMIR_METRIC_MEMORY_PERCENT,
    "virtual_bytes": c.MIMIR_METRIC_VIRTUAL_BYTES,
    "swap_bytes": c.MIMIR_METRIC_SWAP_BYTES,
    "threads": c.MIMIR_METRIC_THREADS,
    "descriptors": c.MIMIR_METRIC_DESCRIPTORS,
    "processes": c.MIMIR_METRIC_PROCESSES,
    "run_queue": c.MIMIR_METRIC_RUN_QUEUE,
}
_NAMES = {number: name for name, number in METRICS.items()}
_FIELDS = {"cpu_time_seconds": "cpu_time_ns"}

_KINDS = {c.MIMIR_EVENT_RAISED: "raised", c.MIMIR_EVENT_CLEARED: "cleared", c.MIMIR_EVENT_ENDED: "ended"}
_LARGEST_HISTORY = 1_000_000
#: How long a coroutine looks away from events, which come with samples.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25


@dataclass(frozen=True)
class Sample:
    """One reading of a monitor. A reading that was not made, or that there is none of, is None."""

    #: Counts the monitor's samples from 1. A number that is missing is a reading that failed, or that came too late.
    number: int
    #: When it was made, as `time.time` tells it.
    time: float
    #: How long after the monitor's first sample, in seconds, by a clock that nobody sets.
    elapsed_seconds: float
    #: CPU time since the sample before, in per cent. Of a process or a command, 100 for each CPU that was used all the
    #: time; of the system, 100 for all CPUs. The first sample has none.
    cpu_percent: float | None
    #: User and system CPU time since the process, the command or the system was started, in seconds.
    cpu_time_seconds: float | None
    #: Memory in use: of a process, its resident memory; of a command, that of its processes added up; of the system,
    #: all that is not available to programs.
    memory_bytes: int | None
    #: The same in per cent of what there is: of the system's memory, or of what the caller's container may take, if
    #: that is less (both as they were when the monitor was made); of a command that has a memory limit, of that.
    memory_percent: float | None
    #: The mapped address space, in bytes. Not of the system.
    virtual_bytes: int | None
    #: The swap space in use, in bytes. Of the system alone.
    swap_bytes: int | None
    threads: int | None
    #: Open descriptors; handles on Windows. Of a process alone.
    descriptors: int | None
    #: Processes. Of a command or the system.
    processes: int | None
    #: Threads that want to run (see `libmimir.SystemUsage`). Of the system alone.
    run_queue: int | None


@dataclass(frozen=True)
class Summary:
    """What a metric came to over some samples, in its own unit. Without samples all but `samples` is 0."""

    metric: str
    #: How many samples have the metric.
    samples: int
    #: The time between the first of them and the last.
    duration_seconds: float
    first: float
    last: float
    least: float
    most: float
    mean: float
    #: The standard deviation from the mean, of the samples as a whole.
    deviation: float
    #: The value that half of the samples are not above.
    median: float
    percentile95: float
    percentile99: float
    #: The trend: by how much the metric grows in a second, along the straight line that is nearest to the samples.
    slope_per_second: float


@dataclass(frozen=True)
class Alert:
    """A rule that a monitor holds every sample against: see `Monitor.add_alert`."""

    number: int
    metric: str
    #: The threshold, in the metric's unit; None for the other side.
    above: float | None
    below: float | None
    #: Where the metric has to come back to for the alert to be cleared.
    clear: float
    #: For how long it has to be beyond the threshold.
    hold_seconds: float


@dataclass(frozen=True)
class Event:
    """What a monitor has to tell."""

    #: ``"raised"`` and ``"cleared"`` of an alert; ``"ended"`` when what is monitored has ended, which is the last.
    kind: str
    #: The alert; None for ``"ended"``.
    alert: Alert | None
    #: What the metric was then; None for ``"ended"``.
    value: float | None
    #: When, as `time.time` tells it.
    time: float
    #: The number of the sample.
    sample: int
    #: How many events before this one nobody has asked for in time: the last 64 are kept.
    lost: int


class Monitor:
    """Samples of what something uses, made from now on, at an interval, until the monitor is closed or that has ended.

    target is a process, by its id or as a `libmimir.Process` (None is the caller), a command that was started
    (`libmimir.Popen`, `libmimir.AsyncProcess`), or ``"system"``. interval is the time between two samples, a
    millisecond or more; the first is made at once. history is how many samples are kept: the oldest make room, and
    each takes 112 bytes.

    As a context manager it is closed at the end. It can be used from several threads; it belongs to the process that
    made it, and a forked child has to make its own.

    Raises: `NoSuchProcessError` when the process or command has ended; `PermissionDeniedError` when nothing of the
    process may be read; `InvalidArgumentError`; `OutOfResourcesError`.
    """

    _handle = 0

    def __init__(self, target: Target = None, *, interval: Duration = 1.0, history: int = 3600) -> None:
        every = _units.duration(interval, "interval")
        if not 1 <= _units.count(history, "history") <= _LARGEST_HISTORY:
            raise InvalidArgumentError(f"history: {history!r} is not within 1 and {_LARGEST_HISTORY}")
        self._pause = min(max(every / 2e9, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._alerts: dict[int, Alert] = {}
        self._changing = allocate_lock()
        handle = ctypes.c_uint64()
        kind, number, functions = _found(target)
        arguments = (kind, number, every, int(history), ctypes.byref(handle))
        if functions is None:
            functions = _library.call("mimir_monitor_create", *arguments)
        else:  # the command's handle means something to that copy of the library only
            _check(functions, functions.mimir_monitor_create(*arguments))
        self._functions, self._handle = functions, handle.value
        self.target = target
        self.interval_seconds = every / 1e9

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._handle:
            self.close()

    def _call(self, name: str, *arguments: Any) -> None:
        if not self._handle:
            raise StateError("the monitor has been closed", step="find monitor")
        _check(self._functions, getattr(self._functions, name)(self._handle, *arguments))

    def latest(self) -> Sample:
        """Give the last sample."""
        record = c.mimir_sample(ctypes.sizeof(c.mimir_sample))
        self._call("mimir_monitor_latest", ctypes.byref(record))
        return _sample_of(record)

    def history(self, after: Sample | int = 0) -> list[Sample]:
        """Give the samples that are kept, oldest first: all, or those after one that was given before, or a number."""
        first = (after.number if isinstance(after, Sample) else int_within(after, "after", 63)) + 1
        count = ctypes.c_uint64()
        self._call("mimir_monitor_history", first, None, 0, ctypes.byref(count))
        records = (c.mimir_sample * (count.value + 16))()  # a few may come meanwhile
        records[0].size = ctypes.sizeof(c.mimir_sample)
        self._call("mimir_monitor_history", first, records, len(records), ctypes.byref(count))
        return [_sample_of(records[i]) for i in range(count.value)]

    def summary(self, metric: str = "memory_bytes", *, last: Duration | None = None) -> Summary:
        """Tell what a metric came to over the samples that are kept, or over those of the last so many seconds.

        The metrics are named as the fields of a `Sample`.

        Raises: `InvalidArgumentError` for an unknown metric.
        """
        number = _metric(metric)
        window = c.MIMIR_UNLIMITED if last is None else _units.duration(last, "last")
        record = c.mimir_summary(ctypes.sizeof(c.mimir_summary))
        self._call("mimir_monitor_summarize", number, window, ctypes.byref(record))

        def scaled(value: float) -> float:
            return _in_python(metric, value)

        return Summary(
            metric=metric,
            samples=record.samples,
            duration_seconds=record.duration_ns / 1e9,
            first=scaled(record.first),
            last=scaled(record.last),
            least=scaled(record.least),
            most=scaled(record.most),
            mean=scaled(record.mean),
            deviation=scaled(record.deviation),
            median=scaled(record.median),
            percentile95=scaled(record.percentile95),
            percentile99=scaled(record.percentile99),
            slope_per_second=scaled(record.slope_per_second),
        )

    def add_alert(
        self,
        metric: str,
        *,
        above: float | Size | None = None,
        below: float | Size | None = None,
        clear: float | Size | None = None,
        hold: Duration = 0,
    ) -> Alert:
        """Have every sample from now on held against a threshold.

        The alert is raised once the metric has been above (or below) it at every sample for as long as hold, and
        cleared once it is back at clear: the threshold itself, or a number on its quiet side, so that a metric that
        hovers about the threshold raises one alert and not many. Numbers are in the metric's unit; for bytes also such
        as ``"1.5G"``, for seconds such as ``"2m"``.

        Raises: `InvalidArgumentError` for an unknown metric, not exactly one of above and below, or a number that
        cannot be; `OutOfResourcesError` for the 257th alert.
        """
        number = _metric(metric)
        if (above is None) == (below is None):
            raise InvalidArgumentError("above, below: give one of them", step="check threshold")
        side = c.MIMIR_ALERT_BELOW if above is None else c.MIMIR_ALERT_ABOVE
        threshold = _threshold(metric, above if below is None else below, "above" if below is None else "below")
        back = threshold if clear is None else _threshold(metric, clear, "clear")
        held = _units.duration(hold, "hold")
        value = _in_python(metric, threshold)
        given = ctypes.c_uint32()
        with self._changing:  # an event of it can be there before this call returns
            self._call("mimir_monitor_add_alert", number, side, threshold, back, held, ctypes.byref(given))
            alert = self._alerts[given.value] = Alert(
                number=given.value,
                metric=metric,
                above=None if above is None else value,
                below=None if below is None else value,
                clear=_in_python(metric, back),
                hold_seconds=held / 1e9,
            )
        return alert

    def remove_alert(self, alert: Alert) -> None:
        """Take an alert away. No event of it is told any more, nor that it is cleared, if it was raised.

        Raises: `NotFoundError` when the monitor does not have it.
        """
        with self._changing:
            self._call("mimir_monitor_remove_alert", alert.number)
            del self._alerts[alert.number]

    def wait(self, timeout: float | None = None) -> Event | None:
        """Wait for the next event, for as long as timeout seconds at most; None when there is none by then.

        It is also None, at once, once ``"ended"`` has been told. Each event is told once.

        Raises: `StateError` when the monitor is closed meanwhile.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _job.slice_until(deadline)
            event, more = self._next(left)
            if event is not None or not more or left == 0:
                return event

    def events(self) -> Iterator[Event]:
        """Give the events as they come, until what is monitored has ended, or the monitor is closed."""
        while self._handle:
            try:
                event = self.wait()
            except StateError:  # closed by another thread
                return
            if event is None:
                return
            yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Give the events as they come, to a coroutine: ``async for event in monitor``.

        No thread waits: the coroutine looks twice an interval, four times a second at the least.
        """
        import asyncio

        while self._handle:
            try:
                event, more = self._next(0)
            except StateError:
                return
            if event is not None:
                yield event
            elif more:
                await asyncio.sleep(self._pause)
            else:
                return

    def _next(self, nanoseconds: int) -> tuple[Event | None, bool]:
        """Give the next event, if there is one in time, and whether there may be more."""
        record = c.mimir_event(ctypes.sizeof(c.mimir_event))
        try:
            self._call("mimir_monitor_next", nanoseconds, ctypes.byref(record))
        except (TimedOutError, InterruptedError):
            return None, True
        except NoSuchProcessError:
            return None, False
        with self._changing:
            alert = self._alerts.get(record.alert)
        if alert is None and record.alert:  # it was removed just now
            return None, True
        return Event(
            kind=_KINDS.get(record.kind, "unknown"),
            alert=alert,
            value=None if alert is None else _in_python(alert.metric, record.value),
            time=record.time_ns / 1e9,
            sample=record.number,
            lost=record.lost,
        ), True

    def close(self) -> None:
        """End the monitor: no sample is made any more, and what it holds is given back. Can be repeated."""
        handle, self._handle = self._handle, 0
        if handle:
            status = self._functions.mimir_monitor_close(handle)
            if status not in (c.MIMIR_EFORKED, c.MIMIR_EBADHANDLE):  # a forked child has nothing to give back
                _check(self._functions, status)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.target!r}, interval={self.interval_seconds:g})"


def _check(functions: _library.Functions, status: int) -> None:
    if status == c.MIMIR_EFORKED:
        raise ForkedError("the monitor is one of the process that this one was forked from", step="find monitor")
    if status == c.MIMIR_EBADHANDLE:  # by another thread, after the look at the handle
        raise StateError("the monitor, or what it is of, has been closed", step="find monitor")
    if status != c.MIMIR_OK:
        raise _library.failure(functions, status)


def _found(target: Target) -> tuple[int, int, _library.Functions | None]:
    """Find a target: its kind, its id, and the copy of the library that knows it, if it is one alone."""
    if target is None:
        return c.MIMIR_MONITOR_PROCESS, 0, None
    if isinstance(target, str):
        if target != "system":
            raise InvalidArgumentError(f'target: {target!r} is not "system"', step="check target")
        return c.MIMIR_MONITOR_SYSTEM, 0, None
    if isinstance(target, Process):
        if not target.is_running:
            raise NoSuchProcessError(f"process {target.pid} has ended", step="find process")
        return c.MIMIR_MONITOR_PROCESS, target.pid, None
    job = getattr(getattr(target, "_popen", target), "_job", None)
    if isinstance(job, _job.Job):
        functions, handle = job.reference()
        if not handle:
            raise NoSuchProcessError("the command has ended", step="find job")
        return c.MIMIR_MONITOR_JOB, handle, functions
    pid = int_within(target, "target", 63)  # type: ignore[arg-type]
    if pid < 0:
        raise InvalidArgumentError(f"target: {target!r} is not a process id", step="check process id")
    return c.MIMIR_MONITOR_PROCESS, pid, None


def _metric(name: str) -> int:
    if name not in METRICS:
        raise InvalidArgumentError(f"metric: {name!r} is not a metric; there are {', '.join(METRICS)}")
    return METRICS[name]


def _threshold(metric: str, value: object, name: str) -> float:
    """Turn a number of a metric into the library's."""
    if metric.endswith("_bytes") and isinstance(value, str):
        return float(_units.size(value, name))
    if metric.endswith("_seconds"):
        return float(_units.duration(value, name))
    try:
        if isinstance(value, (bool, str, bytes, bytearray)):  # which float() would take
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidArgumentError(f"{name}: {value!r} is not understood; give a number", step="check threshold")
    return number


def _in_python(metric: str, value: float) -> float:
    return value / 1e9 if metric.endswith("_seconds") else value


def _sample_of(record: c.mimir_sample) -> Sample:
    values: dict[str, Any] = {}
    for name, number in METRICS.items():
        value = getattr(record, _FIELDS.get(name, name)) if record.fields >> number & 1 else None
        values[name] = value / 1e9 if value is not None and name in _FIELDS else value
    return Sample(number=record.number, time=record.time_ns / 1e9, elapsed_seconds=record.elapsed_ns / 1e9, **values)
