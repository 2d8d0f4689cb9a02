"""Many calls leave nothing behind; handles can be misused; threads do not disturb each other."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import support

CALLS = support.number("MIMIR_CALLS", 50_000)
SECONDS = support.number("MIMIR_SECONDS", 5)


def test_many_calls_of_each_function_leave_no_descriptor_no_thread_and_no_memory() -> None:
    support.host("leak", "each", CALLS, timeout=120 + CALLS / 250)


def test_threads_that_come_and_go_leave_nothing() -> None:
    support.host("leak", "come-and-go", 3000)


def test_a_closed_or_forged_handle_is_refused_by_every_function() -> None:
    support.host("leak", "stale")


def test_closing_a_job_ends_it_and_the_waits_of_other_threads() -> None:
    support.host("leak", "close-while-waiting", 60)


def test_a_handle_closed_under_the_threads_that_use_it_harms_nobody() -> None:
    support.host("leak", "share", max(SECONDS / 2, 2), timeout=60 + SECONDS)


def test_32_threads_over_all_functions_each_get_their_own_answers() -> None:
    done = support.host("leak", "threads", SECONDS, timeout=60 + SECONDS)
    assert int(done.stdout.split()[0]) > 1000


def _built(name: str, **variables: str) -> Path:
    """The library built in another way."""
    if not shutil.which("go"):
        pytest.skip("the Go toolchain is not installed")
    where = support.ROOT / "build" / name
    command = ["go", "run", "./cbuild", "build", "--out", str(where)]
    done = subprocess.run(command, cwd=support.ROOT, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return where / "libmimir.so"


# Go's race detector watches the Go side in `go test -race ./export`: no C program can load a library that has it.


@pytest.mark.parametrize("what", ["threads", "share", "close-while-waiting", "come-and-go"])
def test_thread_sanitizer_finds_nothing_in_the_c_side(what: str) -> None:
    setarch = shutil.which("setarch")
    if not setarch:
        pytest.skip("setarch is not installed")
    flag = "-fsanitize=thread"
    library = _built("tsan", CGO_CFLAGS=f"{flag} -g -O1", CGO_LDFLAGS=flag)
    amount = {"threads": max(SECONDS / 2, 2), "share": 2, "close-while-waiting": 20, "come-and-go": 300}[what]
    command = [setarch, "-R", str(support.program("leak", flag)), str(library), what, str(amount)]
    options = "halt_on_error=1 exitcode=66 report_thread_leaks=0"
    done = support.finish(command, 180 + 4 * SECONDS, {**os.environ, "TSAN_OPTIONS": options}, check=False)
    assert "WARNING: ThreadSanitizer" not in done.stderr, done.stderr[:4000]
    if what != "come-and-go":  # which counts memory that the sanitizer takes
        assert done.returncode == 0, done.stderr[:4000]


@pytest.mark.parametrize("what", ["stale", "close-while-waiting"])
def test_valgrind_finds_no_error_in_the_c_side(what: str, tmp_path: Path) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    if not shutil.which("go"):
        pytest.skip("the Go toolchain is not installed")
    # Not stripped: what may be excused is known by its name.
    library = support.ROOT / "build" / "valgrind" / "libmimir.so"
    settings = "-X runtime.godebugDefault=asyncpreemptoff=1,containermaxprocs=0,updatemaxprocs=0"
    command = ["go", "build", "-buildmode=c-shared", "-ldflags", settings, "-o", str(library), "./export"]
    variables = {**os.environ, "CGO_CFLAGS": "-g -O1", "GOEXPERIMENT": "nogreenteagc"}
    done = subprocess.run(command, cwd=support.ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # One thread runs at a time there: unless they take turns, one that waits in a loop can keep the others out.
    command = [
        "valgrind", "--fair-sched=yes", "--leak-check=full", "--num-callers=20", "--xml=yes",
        f"--xml-file={tmp_path / 'errors.xml'}",
        f"--suppressions={support.HERE / 'valgrind.supp'}", str(support.program("leak")), str(library), what, "5",
    ]  # fmt: skip
    support.finish(command, 180, dict(os.environ))
    report = ElementTree.parse(tmp_path / "errors.xml")  # noqa: S314 - valgrind's own
    errors = [error for error in report.iter("error") if not _is_go_s(error)]
    assert errors == [], "\n".join(ElementTree.tostring(error, "unicode") for error in errors)


def _is_go_s(error: ElementTree.Element) -> bool:
    """Whether Go's memory is meant, which memcheck does not know, or memory is merely not freed.

    Either the topmost frame is Go's; or Go has called C with an address of its heap. Where that was a goroutine's
    stack before, memcheck still takes what lay below the stack pointer for memory that nobody may read.
    """
    kind = error.findtext("kind", "")
    if kind.startswith("Leak_"):
        return kind != "Leak_DefinitelyLost"
    functions = [frame.findtext("fn", "") for frame in error.iter("frame")]
    if functions and ("." in functions[0] or functions[0].startswith("_cgoexp_")):
        return True
    return "runtime.asmcgocall.abi0" in functions and "in a rw- anonymous segment" in error.findtext("auxwhat", "")
