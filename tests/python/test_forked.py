"""A forked child that lives on has the whole package, by a copy of the library of its own."""

from __future__ import annotations

from support import linux_only, python

pytestmark = linux_only

#: What a child does that needs the whole library, and how the parent learns of a failure.
SETUP = """
import multiprocessing, os, resource, sys, threading, time
import libmimir
from libmimir import _library
from libmimir._job import Job

def whole():
    done = libmimir.run(["sh", "-c", "echo $((40 + 2))"], memory="200M", wall=30, capture_output=True, text=True)
    assert (done.stdout, done.exit_code, done.termination_reason) == ("42\\n", 0, None), done
    assert libmimir.run(["sleep", "100"], wall=0.1).termination_reason == "walltime"
    assert libmimir.supports("wall") == "watchdog"
    return os.getpid()

def forked(act):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0

"""


def run(code: str) -> str:
    return python(SETUP + code).stdout


def test_a_child_of_a_process_that_has_run_jobs_runs_jobs_and_so_does_the_parent_afterwards() -> None:
    run("""
whole()
forked(whole)
forked(lambda: (whole(), whole()))
whole()
""")


def test_children_of_children_have_everything() -> None:
    run("""
def deeper(left):
    whole()
    if left:
        forked(lambda: deeper(left - 1))
        whole()
deeper(4)
""")


def test_children_have_everything_when_only_the_last_of_them_asks() -> None:
    run("forked(lambda: forked(lambda: forked(whole)))")


def test_the_workers_of_a_forking_pool_run_jobs() -> None:
    out = run("""
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        answers = [pool.apply_async(whole) for _ in range(12)]
        pids = {answer.get(30) for answer in answers}
    assert os.getpid() not in pids
    print(len(pids))
""")
    assert int(out) >= 1


def test_threads_of_a_child_get_one_copy() -> None:
    run("""
def child():
    copies = []
    def act():
        whole()
        copies.append(_library.current())
    threads = [threading.Thread(target=act) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(copies) == 8 and len(set(map(id, copies))) == 1
before = _library.current()
forked(child)
assert _library.current() is before
""")


def test_a_child_that_is_forked_while_another_thread_renews_does_not_wait_for_it() -> None:
    run("""
def child():
    with _library._renewing:  # as another thread would hold it
        forked(whole)
forked(child)
""")


def test_what_works_in_plain_c_brings_no_copy() -> None:
    run("""
def child():
    before = _library.current()
    adapter = libmimir.get_platform_adapter()
    assert adapter.set_file_descriptor_limit(64)
    assert adapter.set_cpu_limit(1000)
    assert libmimir.get_limit("open_files").soft == 64
    assert adapter.get_resource_usage().memory_bytes > 0
    libmimir.setpgrp()
    libmimir.reset_signals()
    assert _library.current() is before
    libmimir.supports("wall")
    assert _library.current() is not before
forked(child)
""")


def test_a_job_of_the_parent_cannot_be_used_in_the_child_and_goes_on_in_the_parent() -> None:
    run("""
job = Job([b"sleep", b"1"])
job.start()
def child():
    for _ in range(2):
        for act in (job.pid, job.kill, job.usage, lambda: job.signal(9), lambda: job.wait(0)):
            try:
                act()
            except libmimir.ForkedError as error:
                assert "forked from" in str(error)
            else:
                raise AssertionError(act)
        whole()  # the second round is after the child has its copy
    job.close()
forked(child)
while not job.wait(10**9): pass
assert (job.verdict.exit_code, job.verdict.signal, job.verdict.reason) == (0, 0, 0)
job.close()
""")


def test_where_there_can_be_no_copy_the_call_says_why_within_a_second_and_the_child_goes_on() -> None:
    run("""
def child():
    used = int(open("/proc/self/statm").read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
    for _ in range(3):
        began = time.monotonic()
        try:
            libmimir.run(["true"])
        except libmimir.ForkedError as error:
            assert "address space" in str(error), error
        else:
            raise AssertionError
        assert time.monotonic() - began < 1
    assert libmimir.get_platform_adapter().get_resource_usage().memory_bytes > 0
forked(child)
whole()
""")


def test_a_child_can_be_given_room_and_then_have_its_copy() -> None:
    run("""
whole()  # all that is imported on use is there
def child():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))
    try:
        libmimir.run(["true"])
    except libmimir.ForkedError:
        pass
    else:
        raise AssertionError
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    whole()
forked(child)
""")
