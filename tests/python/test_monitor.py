"""A monitor samples what something uses at its time, keeps what it has read, sums it up, and raises alerts."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import libmimir
import pytest
from libmimir import Monitor, Popen, Process
from libmimir.monitor import METRICS, Event, Sample
from support import PATIENCE, eventually, linux_only, python, unix_only
from support import libmimir as command


def sampled(monitor: Monitor, number: int) -> list[Sample]:
    """Wait for the sample of a number, and give all."""
    eventually(lambda: monitor.latest().number >= number)
    return monitor.history()


def told(monitor: Monitor) -> Event:
    event = monitor.wait(PATIENCE)
    assert event is not None
    return event


def test_this_process_is_sampled() -> None:
    with Monitor(interval=0.005, history=50) as monitor:
        first = monitor.history()[0]
        assert (first.number, first.elapsed_seconds, first.cpu_percent) == (1, 0, None)
        assert first.time == pytest.approx(time.time(), abs=60)
        assert first.memory_bytes == pytest.approx(libmimir.usage().resident_bytes, rel=0.2)
        assert (first.swap_bytes, first.processes, first.run_queue) == (None, None, None)
        samples = sampled(monitor, 10)
        numbers = [sample.number for sample in samples]
        assert numbers == sorted(set(numbers))
        assert all(sample.elapsed_seconds >= (sample.number - 1) * 0.005 for sample in samples)
        assert all(sample.cpu_percent is not None for sample in samples[1:])
    with pytest.raises(libmimir.StateError, match="closed"):
        monitor.latest()
    monitor.close()


def test_memory_that_is_taken_is_seen_and_summed_up() -> None:
    with Monitor(interval="5ms") as monitor:
        before = sampled(monitor, 3)[0].memory_bytes
        assert before is not None
        block = bytearray(64 << 20)
        eventually(lambda: (monitor.latest().memory_bytes or 0) > before + (60 << 20))
        summary = monitor.summary()
        assert summary.metric == "memory_bytes"
        assert summary.first == before
        assert summary.most >= before + (60 << 20) > summary.least
        assert summary.least <= summary.median <= summary.percentile95 <= summary.percentile99 <= summary.most
        assert summary.least < summary.mean < summary.most
        assert summary.deviation > 0
        assert summary.slope_per_second > 0
        assert summary.samples == pytest.approx(len(monitor.history()), abs=20)
        last = monitor.summary("memory_bytes", last=0)
        assert (last.samples, last.duration_seconds) == (1, 0)
        assert monitor.summary("swap_bytes").samples == 0
        assert monitor.summary("cpu_time_seconds").most < 1000
        del block


def test_cpu_time_that_is_used_is_seen() -> None:
    with Monitor(interval=0.05) as monitor:
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            sum(range(10_000))
        assert monitor.summary("cpu_percent").most > 30
        assert monitor.summary("cpu_time_seconds").slope_per_second > 0.3


def test_what_is_new_can_be_asked_for() -> None:
    with Monitor(interval=0.002, history=30) as monitor:
        seen: list[int] = []
        newest: Sample | int = 0
        while len(seen) < 60:
            new = monitor.history(after=newest)
            newest = new[-1] if new else newest
            seen += [sample.number for sample in new]
            time.sleep(0.005)
        assert seen == sorted(set(seen))
        assert len(monitor.history()) <= 30
        assert monitor.history(after=1 << 40) == []


def test_another_process_is_sampled_to_its_end() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with Monitor(child.pid, interval=0.005) as by_id, Monitor(Process(child.pid), interval=0.005) as by_object:
        sampled(by_id, 3)
        child.communicate(b"\n")
        for monitor in (by_id, by_object):
            event = monitor.wait(float("inf"))
            assert event is not None
            assert (event.kind, event.alert, event.value, event.lost) == ("ended", None, None, 0)
            assert monitor.wait() is None
            assert monitor.latest().number == event.sample
            assert monitor.summary().samples > 0
    with pytest.raises(ProcessLookupError):
        Monitor(child.pid)


def test_the_system_is_sampled() -> None:
    with Monitor("system", interval=0.05) as monitor:
        sample = sampled(monitor, 6)[-1]
        now = libmimir.system_usage()
        assert now.total_memory_bytes is not None
        assert now.available_memory_bytes is not None
        assert sample.memory_bytes == pytest.approx(now.total_memory_bytes - now.available_memory_bytes, rel=0.5)
        assert sample.memory_percent == pytest.approx(100 * sample.memory_bytes / now.total_memory_bytes)  # type: ignore[operator]
        assert sample.processes is not None
        assert (sample.virtual_bytes, sample.descriptors) == (None, None)
        busy = [other.cpu_percent for other in monitor.history() if other.cpu_percent is not None]
        assert busy
        assert all(0 <= percent <= 100 for percent in busy)


CHORE = """
import time
blocks = []
for _ in range({count}):
    blocks.append(b"x" * (4 << 20))
    time.sleep(0.02)
{then}
"""


def test_a_command_is_sampled_against_its_limit() -> None:
    code = CHORE.format(count=30, then="time.sleep(100)")
    command = [sys.executable, "-c", code]
    with Popen(command, memory="1G", wall=100) as process, Monitor(process, interval=0.005) as monitor:
        alert = monitor.add_alert("memory_percent", above=10)
        event = told(monitor)
        assert event.alert == alert
        assert event.value is not None
        assert event.value == pytest.approx(10, abs=5)
        sample = next(sample for sample in monitor.history() if sample.number == event.sample)
        assert sample.memory_bytes == pytest.approx(event.value / 100 * (1 << 30), rel=0.01)
        process.kill()
        assert [event.kind for event in monitor.events()][-1] == "ended"


@unix_only
def test_a_command_that_starts_many_processes_is_seen_to() -> None:
    code = "for i in 1 2 3 4 5 6 7 8 9; do sleep 100 & done; wait"
    with Popen(["sh", "-c", code], wall=100) as process, Monitor(process, interval=0.005) as monitor:
        monitor.add_alert("processes", above=9)
        assert told(monitor).value == 10
    with pytest.raises(ProcessLookupError):
        Monitor(process)


def test_a_leak_has_a_trend() -> None:
    code = CHORE.format(count=40, then="pass")
    with Popen([sys.executable, "-c", code], wall=100) as process, Monitor(process, interval=0.01) as monitor:
        assert [event.kind for event in monitor.events()] == ["ended"]
        assert monitor.summary("memory_bytes").slope_per_second > 10 << 20


def test_an_alert_is_raised_once_and_cleared_beyond_its_band() -> None:
    with Monitor(interval=0.005) as monitor:
        memory = sampled(monitor, 2)[-1].memory_bytes
        assert memory is not None
        monitor.add_alert("memory_bytes", above=memory + (40 << 20), clear=memory + (20 << 20))
        assert monitor.wait(0.05) is None
        block: bytearray | None = bytearray(64 << 20)
        event = told(monitor)
        assert event.kind == "raised"
        assert event.value is not None
        assert event.value > memory + (40 << 20)
        assert monitor.wait(0.1) is None
        assert block
        block = None
        gc.collect()
        assert told(monitor).kind == "cleared"


def test_alerts_take_what_people_write() -> None:
    with Monitor(interval=100) as monitor:
        alert = monitor.add_alert("memory_bytes", above="1.5G", clear="1G", hold="2m")
        assert (alert.above, alert.below, alert.clear, alert.hold_seconds) == (1.5 * (1 << 30), None, 1 << 30, 120)
        alert = monitor.add_alert("cpu_time_seconds", above="2m")
        assert (alert.above, alert.clear) == (120, 120)
        alert = monitor.add_alert("cpu_percent", below=2.5, clear=5)
        assert (alert.above, alert.below, alert.clear) == (None, 2.5, 5)
        monitor.remove_alert(alert)
        with pytest.raises(libmimir.NotFoundError):
            monitor.remove_alert(alert)


@pytest.mark.parametrize(
    "wrong",
    [
        {"metric": "memory", "above": 1},
        {"metric": "threads"},
        {"metric": "threads", "above": 1, "below": 2},
        {"metric": "threads", "above": "many"},
        {"metric": "threads", "above": float("nan")},
        {"metric": "threads", "above": True},
        {"metric": "threads", "above": 10**400},
        {"metric": "threads", "above": 1, "clear": 2},
        {"metric": "threads", "below": 2, "clear": 1},
        {"metric": "memory_bytes", "above": "12Q"},
        {"metric": "memory_bytes", "above": "1G", "hold": -1},
    ],
)
def test_an_alert_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with Monitor(interval=100) as monitor, pytest.raises(ValueError, match=r"\w"):
        monitor.add_alert(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": -1},
        {"target": 1 << 31},
        {"target": "sytem"},
        {"interval": 0},
        {"interval": -1},
        {"interval": 0.0001},
        {"interval": "soon"},
        {"history": 0},
        {"history": -1},
        {"history": 1_000_001},
    ],
)
def test_a_monitor_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Monitor(**wrong)


def test_what_is_no_target_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Monitor(1.5)  # type: ignore[arg-type]


def test_an_unknown_metric_is_named_with_those_there_are() -> None:
    with Monitor(interval=100) as monitor, pytest.raises(ValueError, match="'rss' is not a metric; there are cpu_per"):
        monitor.summary("rss")
    assert set(METRICS) <= {field.name for field in dataclasses.fields(Sample)}


def test_who_waits_is_told_of_the_close_by_another_thread() -> None:
    monitor = Monitor(interval=100)
    ended: list[object] = []

    def wait() -> None:
        try:
            monitor.wait()
        except libmimir.StateError as error:
            ended.append(error)

    def follow() -> None:
        ended.extend(monitor.events())
        ended.append(None)

    threads = [threading.Thread(target=wait), threading.Thread(target=follow)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    monitor.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(ended) == 2


def test_events_come_to_a_coroutine() -> None:
    async def follow() -> list[str]:
        process = await libmimir.create_process([sys.executable, "-c", "input()"], stdin=libmimir.PIPE)
        kinds = []
        with Monitor(process, interval=0.005) as monitor:
            monitor.add_alert("memory_bytes", above=1)
            async for event in monitor:
                kinds.append(event.kind)
                if event.kind == "raised":
                    assert process.stdin is not None
                    process.stdin.write(b"\n")
                    await process.stdin.drain()
        await process.wait()
        return kinds

    kinds = asyncio.run(asyncio.wait_for(follow(), PATIENCE))
    assert (kinds[0], kinds[-1]) == ("raised", "ended")


@unix_only
def test_ctrl_c_ends_the_wait() -> None:
    code = """
    import libmimir, os, signal, threading
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with libmimir.Monitor(interval=100) as monitor:
        try:
            monitor.wait()
        except KeyboardInterrupt:
            print("interrupted")
    """
    assert python(code).stdout == "interrupted\n"


def test_a_monitor_that_nobody_has_any_more_ends() -> None:
    code = """
    import gc, libmimir, os, time
    for _ in range(300):
        libmimir.Monitor(interval=0.001, history=10_000)
    gc.collect()
    time.sleep(0.2)
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 0.3, time.process_time() - before
    """
    python(code)


@linux_only
def test_a_forked_child_makes_monitors_of_its_own() -> None:
    code = """
    import libmimir, os
    monitor = libmimir.Monitor(interval=0.01)
    pid = os.fork()
    if pid == 0:
        try:
            monitor.latest()
        except libmimir.ForkedError:
            monitor.close()
            with libmimir.Monitor(interval=0.01) as own:
                os._exit(42 if own.latest().memory_bytes > 1 << 20 else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
    number = monitor.latest().number
    while monitor.latest().number < number + 3:
        pass
    """
    python(code)


@linux_only
def test_monitoring_outlives_the_limits_of_its_process() -> None:
    code = """
    import libmimir, os, time
    monitors = [libmimir.Monitor(target, interval=0.002, history=1000) for target in (None, os.getppid(), "system")]
    time.sleep(0.3)
    libmimir.set_limit("memory", 40 << 20)
    libmimir.set_limit("open_files", len(os.listdir("/proc/self/fd")))
    hoard = []
    try:
        while True:
            hoard.append(bytearray(1 << 20))
    except MemoryError:
        pass
    numbers = [monitor.latest().number for monitor in monitors]
    end = time.monotonic() + 3
    while time.monotonic() < end:
        time.sleep(0.01)
    own = monitors[0].history()
    assert own[-1].number > numbers[0] + 100, (own[-1].number, numbers)
    assert own[-1].memory_bytes > 20 << 20
    """
    python(code)


@linux_only
def test_many_monitors_take_no_thread_each_and_leave_nothing() -> None:
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    Monitor(interval=0.01).close()
    before, descriptors = threads(), len(os.listdir("/proc/self/fd"))
    monitors = [Monitor(interval=0.01) for _ in range(100)]
    eventually(lambda: all(monitor.latest().number > 2 for monitor in monitors))
    assert threads() <= before + 2
    for monitor in monitors:
        monitor.close()
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)


def test_the_command_prints_samples_and_sums_them_up() -> None:
    done = command("monitor", "--interval", "20ms", "--count", "3", capture_output=True)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:2] == ["time", "CPU"]
    assert "MiB" in lines[1]
    assert "memory: " in done.stderr
    assert "trend" in done.stderr
    done = command("monitor", "--system", "--interval", "20ms", "--count", "2", capture_output=True)
    assert "processes" in done.stdout.splitlines()[0]


def test_the_command_tells_alerts_and_the_end() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    timer = threading.Timer(1.5, child.communicate, (b"\n",))
    timer.start()
    done = command("monitor", str(child.pid), "--interval", "50ms", "--above", "memory_bytes=1k", capture_output=True)
    timer.join()
    assert done.returncode == 0
    assert "memory_bytes is above 1 KiB: " in done.stderr
    assert "it has ended" in done.stderr


def test_the_command_writes_json_lines() -> None:
    done = command(
        "monitor", "--json", "--interval", "50ms", "--count", "20", "--above", "memory_bytes=1k", "--hold", "100ms",
        capture_output=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    samples = [line["sample"] for line in lines if "sample" in line]
    events = [line["event"] for line in lines if "event" in line]
    assert len(samples) == 20
    assert [event["kind"] for event in events] == ["raised"]
    assert events[0]["sample"] >= 3
    assert samples[0]["cpu_percent"] is None
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--count", "0"], 2, "not a number above 0"),
        (["--above", "memory"], 2, "--above: 'memory' is not METRIC=NUMBER"),
        (["--below", "memory=1"], 2, "metrics are cpu_percent"),
        (["--interval", "0"], 2, "less than 1ms"),
        (["--interval", "x"], 2, "--interval: 'x' is not understood"),
        (["--above", "memory_bytes=12Q"], 2, "--above: '12Q' is not understood"),
        (["--below", "threads=x"], 2, "--below: 'x' is not a number"),
        (["--above", "cpu_time_seconds=-1"], 2, "--above: '-1' is not understood"),
        (["--hold", "long"], 2, "--hold: 'long' is not understood"),
        (["1", "--system"], 2, "a process was given too"),
        (["999999998"], 1, "there is no process"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], status: int, text: str) -> None:
    done = command("monitor", *arguments, capture_output=True)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@unix_only
def test_ctrl_c_ends_the_command_with_its_sum() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "libmimir", "monitor", "--interval", "20ms"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for _ in range(3):
            running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "memory: " in errors
    assert "Traceback" not in errors
