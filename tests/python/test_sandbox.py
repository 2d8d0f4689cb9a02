"""`Sandbox`, `ProcessIsolator` and `ResourceLimiter` do what their callers know, and keep what they promise."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import libmimir
import pytest
from libmimir import ProcessIsolator, ResourceLimiter, Sandbox, sandbox
from support import command_of, is_alive, linux_only, python, root_only, unix_only

pytestmark = unix_only

T = TypeVar("T")


def run(act: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(act, 60))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary directories are made, which must be empty in the end."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


# ResourceLimiter


def test_the_limiter_has_the_limits_that_its_callers_have() -> None:
    assert ResourceLimiter().limits == {
        "max_memory": 1 << 30,
        "max_cpu_time": 300,
        "max_wall_time": 600,
        "max_file_descriptors": 1024,
        "max_processes": 32,
        "max_file_size": 100 << 20,
    }
    assert ResourceLimiter({"max_memory": 5}).limits["max_memory"] == 5
    with pytest.raises(ValueError, match="max_nonsense"):
        ResourceLimiter({"max_nonsense": 5})


def test_the_limiter_tells_what_is_used_in_the_words_of_its_callers() -> None:
    limiter = ResourceLimiter({"max_memory": 1 << 20, "max_cpu_time": 1_000_000})
    memory = limiter.check_memory_usage()
    assert list(memory) == ["memory_bytes", "memory_mb", "memory_percent", "limit_bytes", "limit_exceeded"]
    assert memory["memory_bytes"] > 1 << 20
    assert memory["memory_percent"] == pytest.approx(memory["memory_bytes"] / (1 << 20) * 100)
    assert (memory["limit_bytes"], memory["limit_exceeded"]) == (1 << 20, True)
    cpu = limiter.check_cpu_usage()
    assert list(cpu) == ["cpu_time_seconds", "cpu_percent", "limit_seconds", "limit_exceeded"]
    assert cpu["cpu_time_seconds"] > 0
    assert (cpu["limit_seconds"], cpu["limit_exceeded"]) == (1_000_000, False)


@linux_only
def test_the_limiter_limits_its_process() -> None:
    done = python("""
        import libmimir, resource as r
        limiter = libmimir.ResourceLimiter({"max_file_descriptors": 100})
        assert limiter.set_process_limits()
        names = [r.RLIMIT_DATA, r.RLIMIT_CPU, r.RLIMIT_NOFILE, r.RLIMIT_NPROC, r.RLIMIT_FSIZE]
        print([r.getrlimit(name)[0] for name in names][1:])
        try:
            bytearray(2 << 30)
        except MemoryError:
            print("refused")
    """)
    assert done.stdout.splitlines() == [f"[300, 100, 32, {100 << 20}]", "refused"]


def test_the_limiter_works_on_the_adapter_that_it_is_given() -> None:
    called = []

    class Fake(libmimir.UnixPlatformAdapter):
        def _set(self, what: str, limit: int, value: int, unit: int = 1) -> bool:
            called.append((what, value))
            return what != "process"

    assert not ResourceLimiter(platform_adapter=Fake()).set_process_limits()
    assert called == [
        *(("memory", 1 << 30), ("CPU time", 300), ("file descriptor", 1024), ("process", 32), ("file size", 100 << 20))
    ]


@linux_only
def test_the_limiter_works_between_fork_and_exec() -> None:
    done = python("""
        import libmimir, os, subprocess, sys
        limiter = libmimir.ResourceLimiter()
        def setup_child():
            limiter.set_process_limits()
            libmimir.setpgrp()
            libmimir.reset_signals()
        show = "import resource as r; print(r.getrlimit(r.RLIMIT_CPU)[0], r.getrlimit(r.RLIMIT_NOFILE)[0])"
        subprocess.run([sys.executable, "-c", show], preexec_fn=setup_child, check=True)
    """)
    assert done.stdout.split() == ["300", "1024"]


# ProcessIsolator


def isolated(*arguments: Any, limits: dict[str, int] | None = None, **options: Any) -> dict[str, Any]:
    return run(ProcessIsolator(limits).run_isolated_command(*arguments, **options))


def test_the_isolator_has_the_signature_and_the_answer_that_its_callers_know() -> None:
    names = list(inspect.signature(ProcessIsolator.run_isolated_command).parameters)
    assert names == ["self", "command", "cwd", "env", "timeout", "input_data"]
    done = isolated(["sh", "-c", "echo out; echo err >&2"])
    assert done["return_code"] == 0
    assert (done["stdout"], done["stderr"]) == ("out\n", "err\n")
    assert done["command"] == ["sh", "-c", "echo out; echo err >&2"]
    assert done["success"] is True
    assert 0 < done["execution_time"] < 20
    assert done["termination_reason"] is None
    assert set(done["enforcement"]) == {"memory", "cpu", "wall", "open_files", "processes", "file_size"}
    assert done["usage"]["wall_time_seconds"] > 0


def test_the_isolator_passes_on_directory_environment_and_input(tmp_path: Path) -> None:
    done = isolated(["/bin/sh", "-c", "pwd; echo $WHAT; cat"], tmp_path, {"WHAT": "this"}, 20, "given")
    assert done["stdout"] == f"{os.path.realpath(tmp_path)}\nthis\ngiven"
    assert isolated(["cat"], input_data=b"bytes")["stdout"] == "bytes"
    assert isolated(["cat"])["stdout"] == ""
    assert isolated(["printf", "\\377"])["stdout"] == "\ufffd"


def test_a_command_that_fails_is_no_success() -> None:
    done = isolated(["sh", "-c", "exit 3"])
    assert (done["return_code"], done["success"], done["termination_reason"]) == (3, False, None)


def test_a_timeout_of_a_second_is_one_although_a_grandchild_holds_the_pipe(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"(setsid sh -c 'echo $$ >> {pids}; sleep 6') & sleep 100"
    began = time.monotonic()
    done = isolated(["sh", "-c", script], timeout=1)
    took = time.monotonic() - began
    assert done["termination_reason"] == "walltime"
    assert done["success"] is False
    assert 1 <= took < 4  # 6 is what waiting for the pipe takes; the machine may be busy
    assert [pid for pid in pids.read_text().split() if is_alive(int(pid))] == []


def test_the_isolator_tells_which_limit_ended_the_command() -> None:
    grow = command_of("b = []\nwhile True: b.append(b'x' * (1 << 20))")
    done = isolated(grow, limits={"max_memory": 64 << 20})
    assert (done["termination_reason"], done["success"]) == ("memory", False)
    assert done["usage"]["peak_memory_bytes"] > 32 << 20
    done = isolated(command_of("while True: pass"), limits={"max_cpu_time": 1})
    assert done["termination_reason"] == "cputime"
    assert ProcessIsolator(ResourceLimiter({"max_processes": 7})).limits["max_processes"] == 7


def test_a_command_as_text_is_refused_since_it_would_be_split_into_letters() -> None:
    with pytest.raises(TypeError, match="give a list"):
        isolated("echo hello")


# Sandbox


def test_a_sandbox_has_a_directory_that_is_gone_afterwards(temporary: Path) -> None:
    box = Sandbox()
    done = run(box.run_sandboxed_command(["sh", "-c", "echo x > file; pwd; ls"]))
    place, listed = done["stdout"].split()
    assert done["success"], done
    assert Path(place).parent == temporary
    assert listed == "file"


def test_the_directory_is_gone_although_it_was_made_inaccessible_and_after_errors(temporary: Path) -> None:
    box = Sandbox()
    done = run(box.run_sandboxed_command(["sh", "-c", "mkdir -p a/b; touch a/b/c; chmod 0 a/b a; chmod 0500 ."]))
    assert done["success"], done
    with pytest.raises(FileNotFoundError):
        run(box.run_sandboxed_command(["no-such-program"]))
    with pytest.raises(KeyError), box.isolated_environment():
        raise KeyError


@root_only
def test_the_directory_is_gone_although_its_owner_made_it_inaccessible_to_himself() -> None:
    python("""
        import libmimir, libmimir.sandbox, libmimir.jobs, os, tempfile
        with tempfile.TemporaryDirectory() as place:
            os.chmod(place, 0o777)
            pid = os.fork()
            if pid == 0:
                os.setuid(65534)
                tempfile.tempdir = place
                try:
                    with libmimir.sandbox.Sandbox().isolated_environment() as inside:
                        os.makedirs(inside.directory + "/a/b/c")
                        open(inside.directory + "/a/b/c/d", "w").close()
                        os.symlink("/", inside.directory + "/a/root")
                        for name in ("/a/b/c", "/a/b", "/a", ""):
                            os.chmod(inside.directory + name, 0)
                    assert os.listdir(place) == []
                except BaseException:
                    import traceback; traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    """)


def test_cancelling_ends_the_command_and_removes_the_directory(temporary: Path) -> None:
    async def act() -> None:
        task = asyncio.ensure_future(Sandbox().run_sandboxed_command(["sh", "-c", "echo $$ > pid; sleep 100"]))
        while not (found := [pid.read_text() for pid in temporary.glob("*/pid")]) or not found[0]:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not is_alive(int(found[0]))

    run(act())


def test_a_directory_that_was_given_stays(tmp_path: Path) -> None:
    box = Sandbox(tmp_path / "box")
    assert run(box.run_sandboxed_command(["sh", "-c", "echo x > file"]))["success"]
    assert (tmp_path / "box" / "file").read_text() == "x\n"
    assert run(box.run_sandboxed_command(["cat", "file"]))["stdout"] == "x\n"


def test_several_commands_share_an_isolated_environment(temporary: Path) -> None:
    async def act() -> None:
        async with Sandbox().isolated_environment() as place:
            assert (await place.run_sandboxed_command(["sh", "-c", "echo x > file"]))["success"]
            result = place.run(["cat", "file"])
            assert (result.stdout, result.exit_code) == (b"x\n", 0)

    run(act())


def test_the_environment_is_a_minimal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "known")
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}::bin")
    box = Sandbox(environment={"OURS": "1"})
    with box.isolated_environment() as place:
        given = place.run(["env"], env={"MORE": "2"}).stdout.decode().splitlines()
        variables = dict(line.split("=", 1) for line in given)
        path = variables.pop("PATH")
        assert variables == {
            "HOME": place.directory,
            "TMPDIR": place.directory,
            "LANG": "C.UTF-8",
            "OURS": "1",
            "MORE": "2",
        }
        assert all(os.path.isabs(entry) for entry in path.split(":"))


def test_only_allowed_programs_run() -> None:
    box = Sandbox(allowed_executables=["sh", "/bin/cat"])
    assert run(box.run_sandboxed_command(["sh", "-c", "true"]))["success"]
    assert run(box.run_sandboxed_command(["cat"], input_data="x"))["stdout"] == "x"
    for program in ("ls", "/bin/ls", "env"):
        with pytest.raises(PermissionError, match="allowed"):
            run(box.run_sandboxed_command([program]))
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        Sandbox(allowed_executables=["no-such-program"])


def test_a_link_does_not_make_a_program_allowed_nor_forbidden(tmp_path: Path) -> None:
    box = Sandbox(tmp_path, allowed_executables=["cat"])
    (tmp_path / "cat").symlink_to("/bin/ls")
    (tmp_path / "ls").symlink_to("/bin/cat")
    with pytest.raises(PermissionError, match="allowed"):
        run(box.run_sandboxed_command(["./cat"]))
    with pytest.raises(PermissionError, match="allowed"):
        run(box.run_sandboxed_command(["cat"], env={"PATH": str(tmp_path)}))
    assert run(box.run_sandboxed_command(["./ls"], input_data="x"))["stdout"] == "x"
    (tmp_path / "copy").write_bytes(Path("/bin/cat").read_bytes())
    (tmp_path / "copy").chmod(0o755)
    with pytest.raises(PermissionError, match="allowed"):
        run(box.run_sandboxed_command(["./copy"]))


@pytest.mark.parametrize("cwd", ["..", "sub/../..", "/", "/tmp", "out", "sub/out", "sub/up/..", "loop/../../.."])
def test_a_working_directory_outside_is_refused_by_whatever_way(cwd: str, tmp_path: Path) -> None:
    inside = tmp_path / "box"
    (inside / "sub").mkdir(parents=True)
    (inside / "out").symlink_to("/etc")
    (inside / "sub" / "out").symlink_to("../../..")
    (inside / "sub" / "up").symlink_to("..")
    (inside / "loop").symlink_to("loop")
    with pytest.raises(PermissionError, match="outside the sandbox"):
        run(Sandbox(inside).run_sandboxed_command(["true"], cwd=cwd))


def test_a_working_directory_beside_with_the_same_beginning_is_outside(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box2").mkdir()
    with pytest.raises(PermissionError, match="outside the sandbox"):
        run(Sandbox(tmp_path / "box").run_sandboxed_command(["true"], cwd=tmp_path / "box2"))


def test_a_working_directory_inside_is_taken_also_by_links(tmp_path: Path) -> None:
    inside = tmp_path / "box"
    (inside / "sub" / "deep").mkdir(parents=True)
    (inside / "link").symlink_to("sub/deep")
    (tmp_path / "way").symlink_to(inside)
    box = Sandbox(tmp_path / "way")
    for cwd in ("link", "sub/deep", "sub/../link", inside / "link", tmp_path / "way" / "link"):
        done = run(box.run_sandboxed_command(["sh", "-c", "pwd -P"], cwd=cwd))
        assert done["stdout"].strip() == os.path.realpath(inside / "sub" / "deep")
    with pytest.raises(FileNotFoundError, match="not a directory"):
        run(box.run_sandboxed_command(["true"], cwd="missing"))


def test_the_sandbox_keeps_limits() -> None:
    box = Sandbox(wall=0.2, output="1K")
    assert run(box.run_sandboxed_command(["sleep", "100"]))["termination_reason"] == "walltime"
    assert run(box.run_sandboxed_command(["yes"], timeout=30))["termination_reason"] == "output"
    none = Sandbox(memory=None, cpu=None, wall=None, processes=None, open_files=None, file_size=None, output=None)
    done = run(none.run_sandboxed_command(["true"]))
    assert set(done["enforcement"]) <= {"writable", "no_network", "no_new_privileges"}


def confined(name: str) -> pytest.MarkDecorator:
    """Mark a test of a confinement that the kernel may not offer."""
    kept = run(Sandbox().run_sandboxed_command(["true"]))["enforcement"].get(name) if sys.platform == "linux" else None
    return pytest.mark.skipif(kept != "kernel", reason=f"{name} cannot be had here")


@confined("writable")
def test_nothing_outside_the_directory_can_be_changed(tmp_path: Path, temporary: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("as it was")
    script = f"""
        echo x > inside && echo wrote inside
        echo x > {outside} && echo wrote outside
        rm {outside} && echo removed
        mkdir {tmp_path}/new && echo made
        mv inside {tmp_path}/moved && echo moved
        ln -s {tmp_path} way; echo x > way/other && echo wrote by a link
        echo x > /dev/null && echo null
        cat {outside}
    """
    done = run(Sandbox().run_sandboxed_command(["sh", "-c", script]))
    assert done["stdout"].splitlines() == ["wrote inside", "null", "as it was"]
    assert outside.read_text() == "as it was"
    assert done["enforcement"]["writable"] == "kernel"


@confined("no_network")
def test_there_is_no_network_unless_it_is_allowed(tmp_path: Path) -> None:
    look = ["cat", "/proc/net/dev"]
    done = run(Sandbox().run_sandboxed_command(look))
    assert [line.split(":")[0].strip() for line in done["stdout"].splitlines()[2:]] == ["lo"]
    free = run(Sandbox(allow_network=True).run_sandboxed_command(look))
    assert free["stdout"].splitlines()[0] == done["stdout"].splitlines()[0]
    assert "no_network" not in free["enforcement"]
    listen = """
        import socket, sys
        try:
            socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
        except OSError:
            print("refused")
    """
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert run(Sandbox().run_sandboxed_command([*command_of(listen), port]))["stdout"] == "refused\n"
        assert run(Sandbox(allow_network=True).run_sandboxed_command([*command_of(listen), port]))["stdout"] == ""


@confined("no_new_privileges")
def test_no_privileges_are_gained() -> None:
    done = run(Sandbox().run_sandboxed_command(["grep", "NoNewPrivs", "/proc/self/status"]))
    assert done["stdout"].split() == ["NoNewPrivs:", "1"]
    assert done["enforcement"]["no_new_privileges"] == "kernel"


class Lacking:
    """Makes a step of the start fail, as on a kernel that lacks it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str, argument: str) -> None:
        from libmimir import aio, jobs

        def lacking(run: Any) -> Any:
            def instead(*arguments: Any, **options: Any) -> Any:
                if options.get(argument):
                    raise libmimir.PermissionDeniedError("lacking", step=step)
                return run(*arguments, **options)

            return instead

        monkeypatch.setattr(jobs, "run", lacking(jobs.run))
        monkeypatch.setattr(aio, "run_async", lacking(aio.run_async))


@linux_only
@pytest.mark.parametrize(("step", "argument"), [("landlock", "writable"), ("new network", "no_network")])
def test_what_the_kernel_does_not_offer_is_told_or_refused_where_it_is_required(
    step: str, argument: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Lacking(monkeypatch, step, argument)
    box = Sandbox()
    with caplog.at_level(logging.WARNING, "libmimir"):
        done = run(box.run_sandboxed_command(["true"]))
        again = run(box.run_sandboxed_command(["true"]))
    assert done["success"]
    assert done["enforcement"][argument] == again["enforcement"][argument] == "none"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    with box.isolated_environment() as place:
        assert place.run(["true"]).enforcement[argument] == "none"
    with pytest.raises(NotImplementedError, match=argument):
        run(Sandbox(required=True).run_sandboxed_command(["true"]))


def test_the_answer_names_what_is_kept_and_how() -> None:
    kept = run(Sandbox().run_sandboxed_command(["true"]))["enforcement"]
    assert set(kept) == {
        *("memory", "cpu", "wall", "processes", "open_files", "file_size", "output"),
        *("writable", "no_network", "no_new_privileges"),
    }
    assert ResourceLimiter().limits == sandbox.DEFAULT_LIMITS
