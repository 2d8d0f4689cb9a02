"""Importing the package finds the library, says what is wrong, and changes nothing of its host."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import libmimir
import pytest
from libmimir._job import Job
from support import is_alive, linux_only, python, unix_only

HEAVY = [
    "argparse",
    "asyncio",
    "dataclasses",
    "enum",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "re",
    "rich",
    "subprocess",
    "tempfile",
    "typing",
    "urllib",
]

IMPORT = "import libmimir"


def environment(**changes: str | None) -> dict[str, str]:
    changed = {**os.environ, **{name: value for name, value in changes.items() if value is not None}}
    for name, value in changes.items():
        if value is None:
            changed.pop(name, None)
    return changed


def test_a_named_library_that_does_not_exist_is_an_import_error_that_names_it() -> None:
    done = python(IMPORT, check=False, env=environment(LIBMIMIR_LIBRARY="/nowhere/libmimir.so"))
    assert done.returncode == 1
    assert "ImportError: libmimir: LIBMIMIR_LIBRARY names '/nowhere/libmimir.so', which does not exist" in done.stderr


def test_a_named_file_that_is_no_library_is_an_import_error(tmp_path: Path) -> None:
    text = tmp_path / "libmimir.so"
    text.write_text("not a library")
    done = python(IMPORT, check=False, env=environment(LIBMIMIR_LIBRARY=str(text)))
    assert f"ImportError: libmimir: cannot load the shared library {str(text)!r}" in done.stderr


def build(path: Path, source: str) -> Path:
    """Compile a library that stands in for ours."""
    (path / "fake.c").write_text("#include <stdint.h>\n" + source)
    library = path / "fake.so"
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, path / "fake.c"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no C compiler")
    return library


@unix_only
def test_another_library_is_an_import_error(tmp_path: Path) -> None:
    library = build(tmp_path, "int32_t other(void) { return 0; }")
    done = python(IMPORT, check=False, env=environment(LIBMIMIR_LIBRARY=str(library)))
    assert "is not the libmimir library" in done.stderr


@unix_only
def test_a_library_of_another_abi_is_an_import_error_that_names_both(tmp_path: Path) -> None:
    library = build(tmp_path, "int32_t mimir_abi(uint32_t *abi) { *abi = 999; return 0; }")
    done = python(IMPORT, check=False, env=environment(LIBMIMIR_LIBRARY=str(library)))
    assert f"answers ABI 999, and this package needs ABI {libmimir.raw.MIMIR_ABI}" in done.stderr


@unix_only
def test_a_library_that_lacks_a_function_is_an_import_error(tmp_path: Path) -> None:
    library = build(tmp_path, "int32_t mimir_abi(uint32_t *abi) { *abi = 1; return 0; }")
    done = python(IMPORT, check=False, env=environment(LIBMIMIR_LIBRARY=str(library)))
    assert "ImportError: libmimir" in done.stderr
    assert "lacks a function" in done.stderr


def copy_of_the_package(path: Path) -> Path:
    package = path / "libmimir"
    package.mkdir()
    source = Path(libmimir.__file__).parent
    for file in source.rglob("*.py"):
        target = package / file.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    return package


def test_without_a_library_the_import_error_says_what_was_tried(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    done = python(IMPORT, check=False, env=environment(LIBMIMIR_LIBRARY=None, PYTHONPATH=str(tmp_path)))
    assert "the environment variable LIBMIMIR_LIBRARY (not set)" in done.stderr
    assert str(package) in done.stderr


def test_the_library_beside_the_package_is_loaded(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    loaded = Path(libmimir._library.current().path)
    (package / libmimir._library._FILE).symlink_to(loaded)
    done = python(
        "import libmimir; print(libmimir._library.current().path)",
        env=environment(LIBMIMIR_LIBRARY=None, PYTHONPATH=str(tmp_path)),
    )
    assert done.stdout.strip() == str(package / libmimir._library._FILE)


def test_importing_the_package_imports_no_heavy_module() -> None:
    code = f"""
    import sys
    before = set(sys.modules)
    import libmimir
    print([name for name in {HEAVY!r} if name in sys.modules and name not in before])
    libmimir.get_platform_adapter().get_resource_usage()
    libmimir.get_platform_adapter().set_file_descriptor_limit(64)
    print([name for name in {HEAVY!r} if name in sys.modules and name not in before])
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", "\n".join(line.strip() for line in code.splitlines())],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "[]"]


LIMITS = """
import resource, subprocess, sys
SHOW = '''
import resource
names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
print([(name, resource.getrlimit(getattr(resource, name))) for name in names])
'''
exec(SHOW)
import libmimir
exec(SHOW)
sys.stdout.flush()
subprocess.run([sys.executable, "-c", SHOW], check=True)
libmimir.run([sys.executable, "-c", SHOW], check=True)
"""


@unix_only
def test_importing_changes_no_limit_of_the_process_or_of_what_it_starts() -> None:
    # Soft limits below the hard ones: a runtime that raises them to work better would show.
    shell = 'ulimit -Sn 256; ulimit -Sc 0; ulimit -Ss 4096; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", LIMITS], capture_output=True, text=True, check=True
    )
    before, after, child, job = done.stdout.splitlines()
    assert "('RLIMIT_NOFILE', (256," in before
    assert after == before
    assert child == before
    # A job is marked by this limit, at a value that binds nobody, so that its processes are found again.
    mark = r"\('RLIMIT_RTTIME', \((-?\d+), (-?\d+)\)\)"
    assert re.sub(mark, "", job) == re.sub(mark, "", before)
    marked = re.search(mark, job)
    assert marked is None or all(int(value) == -1 or int(value) > 1 << 60 for value in marked.groups())


@linux_only
def test_importing_opens_no_descriptor_and_prints_nothing() -> None:
    done = python("""
        import os
        before = os.listdir("/proc/self/fd")
        import libmimir
        libmimir.get_platform_adapter()
        after = os.listdir("/proc/self/fd")
        # Each listing has a descriptor of its own.
        assert len(after) == len(before), (before, after)
    """)
    assert (done.stdout, done.stderr) == ("", "")


@linux_only
def test_importing_asks_for_no_huge_pages() -> None:
    # Of which the kernel would give the host one, 2 MB, some time later.
    python("""
        def asked():
            with open("/proc/self/smaps") as file:
                return sum(line.startswith("VmFlags:") and "hg" in line.split() for line in file)
        before = asked()
        import libmimir
        libmimir.usage()
        assert asked() == before
    """)


def test_importing_keeps_the_environment_and_the_directory() -> None:
    python("""
        import os
        before = dict(os.environ), os.getcwd()
        import libmimir
        assert (dict(os.environ), os.getcwd()) == before
    """)


def test_it_works_with_warnings_as_errors_in_development_mode() -> None:
    code = "import libmimir; print(libmimir.run([{0!r}, '-c', 'print(1)'], capture_output=True).stdout)"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code.format(sys.executable)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1" in done.stdout
    assert done.stderr == ""


@linux_only
def test_under_a_limit_that_leaves_no_room_for_the_library_the_import_error_says_so() -> None:
    done = python(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        try:
            import libmimir
        except ImportError as error:
            print(error)
        print(len(bytearray(1 << 20)))
        """
    )
    message, lives_on = done.stdout.splitlines()
    assert "limit of memory, address space or processes" in message
    assert lives_on == str(1 << 20)


def test_the_package_can_be_reloaded() -> None:
    python("""
        import importlib
        import libmimir
        result = libmimir.run(["true"], cpu=5) if libmimir.is_unix_like() else None
        again = importlib.reload(libmimir)
        assert again is libmimir
        if result is not None:
            assert type(libmimir.run(["true"])) is type(result)
        importlib.reload(libmimir._library)
        assert libmimir.supports("wall") == "watchdog"
    """)


@unix_only
def test_a_subinterpreter_has_the_package_or_is_told_that_it_cannot() -> None:
    done = python("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import libmimir
        one = interpreters.create()
        code = 'import libmimir; print(libmimir.run(["true"], wall=30).exit_code, flush=True)'
        try:
            failed = interpreters.run_string(one, code)
        except Exception as error:
            failed = error
        if failed is not None:
            assert "ImportError" in str(failed) and "subinterpreters" in str(failed), failed
            print(0)
        interpreters.destroy(one)
        print(libmimir.run(["true"]).exit_code)
    """)
    assert done.stdout.split() == ["0", "0"]


@unix_only
def test_jobs_that_are_open_when_the_interpreter_ends_are_ended_quietly() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            "-c",
            "import builtins\n"
            "from libmimir._job import Job\n"
            "running, prepared = Job([b'sleep', b'1000']), Job([b'sleep', b'1000'])\n"
            "running.start()\n"
            "builtins.kept = running\n"
            "print(running.pid())\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert not is_alive(int(done.stdout))


@unix_only
def test_a_job_that_nobody_has_any_more_is_ended() -> None:
    job = Job([b"sleep", b"1000"])
    job.start()
    pid = job.pid()
    assert is_alive(pid)
    del job
    gc.collect()
    assert not is_alive(pid)
