"""A forked child that lives on, such as a worker of a server, has the whole library again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import support


@pytest.mark.parametrize("times", ["once", "twice"])
def test_a_fresh_copy_does_everything_that_the_library_does(times: str) -> None:
    support.host("reload", times)


def test_a_child_of_a_child_and_so_on_five_deep_each_has_a_copy() -> None:
    support.host("reload", "deep", 5, timeout=120)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("address-space", "limit of address space"),
        ("address-space-used-up", "limit of address space"),
        ("memory", "limit of memory"),
        ("memory-used-up", "limit of memory"),
        ("files", ""),
        ("no-files", ""),
        ("file-size", ""),
        ("no-file-size", ""),
    ],
)
def test_a_copy_is_refused_within_a_second_under_a_limit_that_leaves_no_room_for_it(what: str, says: str) -> None:
    assert says in support.host("reload", "tight", what).stdout


@pytest.mark.parametrize("what", ["processes", "one-process"])
def test_a_copy_is_refused_within_a_second_where_its_user_may_have_no_more_threads(what: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user that has no other process")
    assert "limit of processes" in support.host("reload", "tight", what, support.NOBODY).stdout


def test_a_copy_is_refused_within_a_second_where_the_loader_s_lock_was_held_at_the_fork() -> None:
    assert support.host("reload", "held").stdout.count("loader's lock") == 2


def test_a_copy_is_there_or_refused_while_threads_of_the_parent_are_in_the_loader(tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text("int other(void) { return 1; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "other.so", tmp_path / "other.c"], check=True)
    forks = max(support.number("MIMIR_FORKS", 1000) // 20, 20)
    support.host("reload", "racing", tmp_path / "other.so", forks, timeout=60 + 3 * forks)


def test_a_copy_is_refused_when_the_file_of_the_library_is_gone(tmp_path: Path) -> None:
    moved = tmp_path / "libmimir.so"
    shutil.copyfile(support.library(), moved)
    command = [str(support.program("reload")), str(moved), "moved"]
    assert "gone" in support.finish(command, 30, support.environment()).stdout


# In Python the copy comes by itself, on the first call that needs it.

WHOLE = """
def whole():
    result = libmimir.run(["sh", "-c", "echo $((40 + 2))"], memory="256M", wall=30, capture_output=True, text=True)
    assert (result.stdout, result.exit_code) == ("42\\n", 0), result
    assert libmimir.run(["sh", "-c", "while :; do :; done"], wall=0.1).termination_reason == "walltime"
    assert libmimir.usage(os.getppid()).threads >= 1
    assert libmimir.get_platform_adapter().get_resource_usage(1).memory_limit_exceeded
    assert libmimir.supports("memory") is not None
"""


def _python(code: str, *arguments: object, **more: object):
    return support.python("import os, sys\nimport libmimir\n" + WHOLE + code, *arguments, **more)


def test_a_forked_python_child_has_everything_and_so_has_its_parent_still() -> None:
    _python("""
whole()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        try:
            whole()
            whole()
        except BaseException:
            import traceback; traceback.print_exc(); sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    whole()
""")


def test_python_children_five_deep_have_everything() -> None:
    _python("""
depth = 0
while depth < 5:
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        (os._exit if depth else sys.exit)(code)
    depth += 1
    try:
        whole()
    except BaseException:
        import traceback; traceback.print_exc(); sys.stderr.flush()
        os._exit(1)
os._exit(0)
""")


def test_a_job_of_the_parent_is_refused_in_its_child_and_goes_on_in_the_parent() -> None:
    _python("""
from libmimir._job import Job
job = Job([b"sleep", b"0.5"])
job.start()
pid = os.fork()
if pid == 0:
    try:
        job.pid()
    except libmimir.MimirError:
        code = 0
    else:
        code = 1
    try:
        whole()
        job.close()
    except libmimir.MimirError:
        pass
    os._exit(code)
assert os.waitpid(pid, 0)[1] == 0
while not job.wait(10**9):
    pass
assert job.verdict.exit_code == 0 and job.verdict.signal == 0, (job.verdict.exit_code, job.verdict.signal)
job.close()
""")


def test_a_daemon_forked_twice_has_everything(tmp_path: Path) -> None:
    told = tmp_path / "told"
    _python(
        """
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0)
    os.closerange(0, 1024)
    os.open("/dev/null", os.O_RDWR), os.dup(0), os.dup(0)
    try:
        whole()
        text = "done"
    except BaseException as error:
        text = repr(error)
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(text)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    os._exit(0)
os.wait()
""",
        told,
    )
    _until(told.exists, 30)
    assert told.read_text() == "done"


def _until(what, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_a_pool_of_forked_workers_has_everything() -> None:
    _python(
        """
import multiprocessing

def task(n):
    whole()
    return n * n, os.getpid()

if __name__ == "__main__":
    whole()
    context = multiprocessing.get_context("fork")
    with context.Pool(4, maxtasksperchild=5) as pool:
        answers = pool.map(task, range(40), chunksize=1)
    assert [square for square, _ in answers] == [n * n for n in range(40)]
    assert len({pid for _, pid in answers}) >= 4
    assert os.getpid() not in {pid for _, pid in answers}
""",
        timeout=120,
    )


def test_forked_executors_have_everything() -> None:
    _python("""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    for done in [pool.submit(whole) for _ in range(6)]:
        done.result(60)
""")


def test_threads_of_a_forked_child_that_all_need_the_library_at_once_share_one_copy() -> None:
    _python("""
import threading
pid = os.fork()
if pid == 0:
    wrong = []
    def run():
        try:
            whole()
        except BaseException as error:
            wrong.append(error)
    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    copies = {line.split()[-2] for line in open("/proc/self/maps") if "memfd:" in line}
    print(wrong, len(copies), file=sys.stderr, flush=True)
    os._exit(1 if wrong or len(copies) > 1 else 0)
assert os.waitpid(pid, 0)[1] == 0
""")


@pytest.mark.parametrize(
    "limit",
    [
        "(resource.RLIMIT_AS, (size() + (600 << 20),) * 2)",
        "(resource.RLIMIT_DATA, (size('VmData') + (40 << 20),) * 2)",
        "(resource.RLIMIT_NOFILE, (3, 3))",
        "(resource.RLIMIT_FSIZE, (0, 0))",
    ],
)
def test_a_python_child_that_cannot_have_a_copy_gets_a_forked_error_within_a_second(limit: str) -> None:
    _python(f"""
import resource, time
def size(field="VmSize"):
    return [int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(field + ":")][0]
pid = os.fork()
if pid == 0:
    try:
        libmimir.run, libmimir.get_limit  # imported before there are no descriptors
        resource.setrlimit(*{limit})
        start = time.monotonic()
        try:
            libmimir.run(["true"])
        except libmimir.ForkedError as error:
            right = time.monotonic() - start < 2 and len(str(error)) > 20
            right = right and libmimir.get_limit("open_files").soft > 0
        else:
            right = False
    except BaseException:
        import traceback; traceback.print_exc(); sys.stderr.flush()
        os._exit(2)
    os._exit(0 if right else 1)
assert os.waitpid(pid, 0)[1] == 0
""")


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _end(process: subprocess.Popen) -> str:
    """End a server and all its workers, and give what it wrote."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "HANGS AT ITS END\n" + process.communicate()[0]


def _serve(command: list[str], directory: Path, **more: str) -> subprocess.Popen:
    environment = support.environment(**more)
    environment["PYTHONPATH"] = f"{support.HERE}{os.pathsep}{environment['PYTHONPATH']}"
    return subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("options", [["--preload"], ["--preload", "--threads=3", "--worker-class=gthread"]])
def test_gunicorn_s_prefork_workers_have_everything(options: list[str], tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--workers=2",
        f"--bind=127.0.0.1:{port}",
        "--no-control-socket",
        *options,
    ]
    if "--no-control-socket" not in _gunicorn_options():
        command.remove("--no-control-socket")
    server = _serve([*command, "workers_app:application"], tmp_path)
    try:
        _until(lambda: _answers(port), 30)
        answers = [_get(port) for _ in range(12)]
    finally:
        wrote = _end(server)
    assert all(answer["forked"] for answer in answers), wrote
    assert {(answer["out"], answer["code"], answer["spin"]) for answer in answers} == {("42\n", 0, "walltime")}, wrote
    assert min(answer["memory"] for answer in answers) > 1 << 20
    assert "HANGS" not in wrote
    assert "Traceback" not in wrote, wrote


def _gunicorn_options() -> str:
    done = subprocess.run([sys.executable, "-m", "gunicorn", "--help"], capture_output=True, text=True)
    return done.stdout


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _get(port: int) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
        return json.load(response)


def test_celery_s_prefork_workers_have_everything(tmp_path: Path) -> None:
    pytest.importorskip("celery", reason="celery is not installed")
    folder = tmp_path / "broker"
    folder.mkdir()
    variables = {
        "MIMIR_BROKER": "filesystem://",
        "MIMIR_BACKEND": f"file://{folder}",
        "MIMIR_FOLDER": str(folder),
    }
    command = [sys.executable, "-m", "celery", "--app", "workers_app:app", "worker", "--pool=prefork"]
    command += ["--concurrency=2", "--loglevel=warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    server = _serve(command, tmp_path, **variables)
    ask = (
        "import workers_app as w, json; found = [w.app.tasks['work'].delay() for _ in range(8)];"
        "print(json.dumps([one.get(timeout=60) for one in found]))"
    )
    path = f"{support.HERE}{os.pathsep}{support.ROOT / 'python'}"
    try:
        done = support.python(ask, timeout=90, check=False, PYTHONPATH=path, **variables)
    finally:
        wrote = _end(server)
    assert done.returncode == 0, done.stderr[-3000:] + wrote[-3000:]
    answers = json.loads(done.stdout)
    assert len(answers) == 8
    assert all(answer["forked"] for answer in answers)
    assert {(answer["out"], answer["code"], answer["spin"]) for answer in answers} == {("42\n", 0, "walltime")}
    assert "HANGS" not in wrote, wrote
