"""`libmimir.run_async` and `libmimir.create_process` keep limits without a thread and without holding up the loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import libmimir
import pytest
from libmimir import PIPE, create_process, run_async
from support import command_of, is_alive, linux_only, python, unix_only

pytestmark = unix_only

T = TypeVar("T")


def run(act: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(act, 60))


def test_a_command_has_the_same_result_as_without_asyncio() -> None:
    result = run(run_async(["sh", "-c", "cat; echo err >&2; exit 3"], input="in", capture_output=True, text=True))
    assert isinstance(result, libmimir.JobResult)
    assert (result.stdout, result.stderr, result.exit_code) == ("in", "err\n", 3)
    assert result.termination_reason is None
    limited = run(run_async(["true"], memory="100M", wall=20))
    assert set(limited.limits) == set(limited.enforcement) == {"memory", "wall"}


@pytest.mark.parametrize(
    ("limits", "command", "reason"),
    [
        ({"wall": 0.2}, ["sleep", "100"], "walltime"),
        ({"cpu": 0.3}, command_of("while True: pass"), "cputime"),
        ({"memory": "64M"}, command_of("b = []\nwhile True: b.append(b'x' * (1 << 20))"), "memory"),
        ({"output": "10K", "stdout": PIPE}, ["yes"], "output"),
    ],
)
def test_a_limit_ends_it_and_is_the_reason(limits: Any, command: list[str], reason: str) -> None:
    assert run(run_async(command, **limits)).termination_reason == reason


def test_what_is_wrong_is_told_as_without_asyncio() -> None:
    with pytest.raises(FileNotFoundError):
        run(run_async(["/no/such/program"]))
    with pytest.raises(ValueError, match="memory"):
        run(run_async(["true"], memory="much"))
    with pytest.raises(ValueError, match="both"):
        run(run_async(["true"], input=b"", stdin=PIPE))
    with pytest.raises(ValueError, match="capture_output"):
        run(run_async(["true"], capture_output=True, stdout=PIPE))
    with pytest.raises(libmimir.JobError, match="returned 1"):
        run(run_async(["false"], check=True))


def test_many_run_at_once_while_the_loop_goes_on_and_there_is_no_thread_for_them() -> None:
    async def act() -> tuple[list[Any], int, int]:
        turns = 0
        threads = threading.active_count()

        async def tick() -> None:
            nonlocal turns, threads
            while True:
                turns += 1
                threads = max(threads, threading.active_count())
                await asyncio.sleep(0.01)

        ticking = asyncio.ensure_future(tick())
        results = await asyncio.gather(*(run_async(["sleep", "0.5"], wall=20) for _ in range(20)))
        ticking.cancel()
        return results, turns, threads

    before = threading.active_count()
    results, turns, threads = run(act())
    assert [result.exit_code for result in results] == [0] * 20
    assert turns > 10
    assert threads == before


def test_cancelling_ends_the_command_and_its_descendants(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"setsid sleep 100 & echo $! >> {pids}; echo $$ >> {pids}; sleep 100"

    async def act() -> None:
        task = asyncio.ensure_future(run_async(["sh", "-c", script]))
        while not pids.exists() or len(pids.read_text().split()) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [pid for pid in pids.read_text().split() if is_alive(int(pid))] == []

    run(act())


def test_a_timeout_around_it_ends_the_command() -> None:
    async def act() -> float:
        began = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run_async(["sleep", "100"]), 0.3)
        return time.monotonic() - began

    assert run(act()) < 20


def test_cancelling_asks_first_with_grace_and_a_second_time_does_not_wait(tmp_path: Path) -> None:
    ready, said = tmp_path / "ready", tmp_path / "said"
    polite = f"trap 'echo bye > {said}; exit' TERM; touch {ready}; while :; do sleep 0.02; done"
    deaf = f"trap '' TERM; touch {ready}; while :; do sleep 0.02; done"

    async def act(script: str, times: int) -> None:
        task = asyncio.ensure_future(run_async(["sh", "-c", script], grace=50))
        while not ready.exists():
            await asyncio.sleep(0.01)
        ready.unlink()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(act(polite, 1))
    assert said.read_text() == "bye\n"
    began = time.monotonic()
    run(act(deaf, 2))
    assert time.monotonic() - began < 40


def test_a_process_is_talked_to_by_streams() -> None:
    async def act() -> None:
        process = await create_process(["sh", "-c", "echo one; read x; echo $x; exit 4"], stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is None
        assert await process.stdout.readline() == b"one\n"
        assert (process.returncode, process.result) == (None, None)
        assert process.usage().pid == process.pid
        process.stdin.write(b"two\n")
        await process.stdin.drain()
        process.stdin.close()
        assert await process.stdout.read() == b"two\n"
        assert await process.wait() == 4
        assert process.returncode == 4
        assert process.result is not None
        assert process.result.exit_code == 4
        with pytest.raises(ProcessLookupError):
            process.usage()

    run(act())


@pytest.mark.parametrize("options", [{}, {"output": "4M"}])
def test_communicate_sends_and_reads_more_than_pipes_hold(options: Any) -> None:
    data = bytes(range(256)) * 4096

    async def act() -> None:
        process = await create_process(["cat"], stdin=PIPE, stdout=PIPE, stderr=PIPE, **options)
        assert await process.communicate(data) == (data, b"")
        assert process.result is not None
        assert process.result.stdout == data
        with_nobody = await create_process(["true"], stdin=PIPE)
        assert await with_nobody.communicate(b"x" * (1 << 20)) == (None, None)

    run(act())


def test_an_output_limit_holds_for_streams() -> None:
    async def act() -> None:
        async with await create_process(["yes"], stdout=PIPE, output="100K") as process:
            out, _ = await process.communicate()
            assert out is not None
            assert 0 < len(out) <= 100 * 1024
        assert process.result is not None
        assert process.result.termination_reason == "output"

    run(act())


def test_it_is_signalled_terminated_and_killed() -> None:
    async def act() -> None:
        process = await create_process(["sleep", "100"])
        process.terminate()
        assert await process.wait() == -signal.SIGTERM
        process = await create_process(["sleep", "100"])
        process.send_signal(signal.SIGUSR1)
        assert await process.wait() == -signal.SIGUSR1
        process = await create_process(["sleep", "100"])
        process.kill()
        assert list(await asyncio.gather(process.wait(), process.wait())) == [-signal.SIGKILL] * 2
        assert process.result is not None
        assert process.result.termination_reason == "killed"
        process.kill()

    run(act())


def test_leaving_the_context_ends_it_and_cancelling_a_wait_does_not() -> None:
    async def act() -> None:
        async with await create_process(["sleep", "100"], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 0.1)
            assert is_alive(process.pid)
        assert not is_alive(process.pid)
        assert process.returncode == -signal.SIGKILL

    run(act())


def test_what_cannot_be_started_raises() -> None:
    with pytest.raises(FileNotFoundError):
        run(create_process(["/no/such/program"], stdin=PIPE, stdout=PIPE))


@linux_only
def test_no_descriptor_is_left() -> None:
    async def one() -> None:
        await run_async(["cat"], input=b"x", capture_output=True)
        async with await create_process(["cat"], stdin=PIPE, stdout=PIPE, output="1K") as process:
            await process.communicate(b"x")
        async with await create_process(["sleep", "100"], stdout=PIPE, stderr=PIPE):
            pass

    async def act() -> None:
        await one()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            await one()
        await asyncio.sleep(0.1)
        now = len(os.listdir("/proc/self/fd"))
        assert now <= before

    run(act())


def test_it_is_clean_with_warnings_as_errors_in_development_mode() -> None:
    done = python(
        """
        import asyncio, libmimir
        async def act():
            asyncio.get_running_loop().slow_callback_duration = 60
            await libmimir.run_async(["true"], capture_output=True)
            async with await libmimir.create_process(["cat"], stdin=-1, stdout=-1, stderr=-1) as process:
                assert await process.communicate(b"x") == (b"x", b"")
            async with await libmimir.create_process(["sleep", "100"], stdin=-1, stdout=-1, stderr=-1):
                pass
        asyncio.run(act(), debug=True)
        """,
        env={**os.environ, "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
    )
    assert done.stderr == ""
