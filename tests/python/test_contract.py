"""The API that applications already use is there, with its signatures."""

from __future__ import annotations

import dataclasses
import inspect
import os
import platform
import subprocess
import sys
from pathlib import Path

import libmimir
import pytest
from libmimir import errors, raw

FUNCTIONS = {
    "create_platform_adapter": "()",
    "get_platform_adapter": "()",
    "get_system_info": "()",
    "get_platform_context": "()",
    "is_windows": "()",
    "is_linux": "()",
    "is_macos": "()",
    "is_unix_like": "()",
    "normalize_path": "(path)",
    "get_executable_name": "(base_name)",
    "get_path_separator": "()",
    "join_paths": "(*paths)",
    "get_home_directory": "()",
    "get_temp_directory": "()",
    "get_config_directory": "(app_name='mimir')",
    "run": (
        "(args, *, memory=None, cpu=None, wall=None, processes=None, open_files=None, file_size=None,"
        " address_space=None, output=None, cpu_rate=None, cwd=None, env=None, input=None, capture_output=False,"
        " stdin=None, stdout=None, stderr=None, text=None, encoding=None, errors=None, check=False, grace=None,"
        " pass_fds=(), umask=-1, user=None, group=None, extra_groups=None, start_new_session=False,"
        " no_new_privileges=False, no_network=False, writable=None, no_desktop=False, priority=None)"
    ),
}

METHODS = {
    "get_system_info": "(self)",
    "set_memory_limit": "(self, limit_bytes)",
    "set_cpu_limit": "(self, limit_seconds)",
    "set_file_descriptor_limit": "(self, limit)",
    "set_process_limit": "(self, limit)",
    "set_file_size_limit": "(self, limit_bytes)",
    "get_resource_usage": "(self, memory_limit=0, cpu_limit=0)",
}

USAGE_FIELDS = [
    "memory_bytes",
    "memory_mb",
    "memory_percent",
    "cpu_time_seconds",
    "cpu_percent",
    "memory_limit_bytes",
    "cpu_limit_seconds",
    "memory_limit_exceeded",
    "cpu_limit_exceeded",
    "peak_memory_bytes",
]

SYSTEM_FIELDS = ["platform", "architecture", "python_version", "is_windows", "is_linux", "is_macos"]


def signature(function: object) -> str:
    """Write a signature without its annotations."""
    assert callable(function)
    found = inspect.signature(function)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("name", "expected"), FUNCTIONS.items())
def test_a_function_is_exported_with_its_signature(name: str, expected: str) -> None:
    assert signature(getattr(libmimir, name)) == expected


@pytest.mark.parametrize("adapter", ["PlatformAdapter", "UnixPlatformAdapter", "WindowsPlatformAdapter"])
@pytest.mark.parametrize(("name", "expected"), METHODS.items())
def test_an_adapter_has_the_method_with_its_signature(adapter: str, name: str, expected: str) -> None:
    assert signature(getattr(getattr(libmimir, adapter), name)) == expected


@pytest.mark.parametrize("name", [*FUNCTIONS, "SystemInfo", "ResourceUsage", "PlatformAdapter"])
def test_a_name_is_annotated_completely(name: str) -> None:
    found = getattr(libmimir, name)
    if inspect.isclass(found):
        found = found.__init__
    if getattr(found, "__module__", "") != "libmimir.platform" or name in FUNCTIONS:
        missing = [
            parameter.name
            for parameter in inspect.signature(found).parameters.values()
            if parameter.annotation is inspect.Parameter.empty and parameter.name not in ("self", "args", "kwargs")
        ]
        assert missing == []


def test_every_exported_name_is_there_and_documented() -> None:
    for name in libmimir.__all__:
        found = getattr(libmimir, name)
        if callable(found) or inspect.ismodule(found):
            assert inspect.getdoc(found), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        libmimir.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_dir_lists_what_is_imported_on_use() -> None:
    assert {"run", "JobResult", "process", "platform"} <= set(dir(libmimir))


def test_a_star_import_gives_every_name() -> None:
    names: dict[str, object] = {}
    exec("from libmimir import *", names)  # noqa: S102
    assert set(libmimir.__all__) <= set(names)


def test_the_usage_has_the_nine_fields_and_the_peak_as_a_tenth_with_a_default() -> None:
    assert [field.name for field in dataclasses.fields(libmimir.ResourceUsage)] == USAGE_FIELDS
    usage = libmimir.ResourceUsage(1, 2.0, 3.0, 4.0, 5.0, 6, 7, True, False)
    assert usage.peak_memory_bytes == 0
    assert usage.memory_limit_exceeded is True


DATACLASS = """
import libmimir, sys
assert "dataclasses" not in sys.modules and "inspect" not in sys.modules
usage = libmimir.ResourceUsage(1, 2.0, 3.0, 4.0, 5.0, 6, 7, True, False)
shown, same = repr(usage), usage == libmimir.ResourceUsage(1, 2.0, 3.0, 4.0, 5.0, 6, 7, True, False, 0)
try:
    libmimir.ResourceUsage(1)
except TypeError as error:
    assert "missing 8 required positional arguments" in str(error)
import copy, dataclasses, pickle

@dataclasses.dataclass
class Real:
    a: int
    b: int = 2

@dataclasses.dataclass
class More(libmimir.ResourceUsage):
    extra: str = "x"

assert dataclasses.is_dataclass(libmimir.ResourceUsage) and dataclasses.is_dataclass(usage)
assert More(1, 2.0, 3.0, 4.0, 5.0, 6, 7, True, False).extra == "x"
assert dataclasses.replace(usage, peak_memory_bytes=9).peak_memory_bytes == 9
assert dataclasses.asdict(usage)["cpu_limit_seconds"] == 7
assert dataclasses.astuple(usage) == (1, 2.0, 3.0, 4.0, 5.0, 6, 7, True, False, 0)
assert repr(usage) == shown and same and usage != 1 and usage != dataclasses.replace(usage, memory_bytes=2)
assert shown.startswith("ResourceUsage(memory_bytes=1, memory_mb=2.0,")
assert copy.copy(usage) == usage == pickle.loads(pickle.dumps(usage))
assert set(vars(Real)) - {"a"} <= set(vars(libmimir.ResourceUsage)) | {"b", "__weakref__", "__dict__", "__replace__"}
try:
    hash(usage)
except TypeError:
    pass
else:
    raise AssertionError("it can be hashed")
print(libmimir.SystemInfo.detect())
"""


def test_they_are_dataclasses_although_the_module_is_imported_only_by_who_asks() -> None:
    done = subprocess.run([sys.executable, "-S", "-c", DATACLASS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SystemInfo(platform=")


def test_the_system_info_is_a_dataclass_of_six_fields() -> None:
    assert [field.name for field in dataclasses.fields(libmimir.SystemInfo)] == SYSTEM_FIELDS


def test_detect_gives_what_the_standard_modules_give() -> None:
    info = libmimir.SystemInfo.detect()
    assert info.platform == platform.system()
    assert info.architecture == platform.machine()
    assert info.python_version == sys.version
    assert info.is_windows == (platform.system() == "Windows")
    assert info.is_linux == (platform.system() == "Linux")
    assert info.is_macos == (platform.system() == "Darwin")


def test_the_platform_functions_agree_with_detect() -> None:
    info = libmimir.SystemInfo.detect()
    assert libmimir.get_system_info() == info
    assert libmimir.is_windows() == info.is_windows
    assert libmimir.is_linux() == info.is_linux
    assert libmimir.is_macos() == info.is_macos
    assert libmimir.is_unix_like() == (info.is_linux or info.is_macos)


def test_the_context_has_what_an_error_report_takes_from_it() -> None:
    context = libmimir.get_platform_context()
    assert f"{context['platform']} ({context['architecture']})" == f"{platform.system()} ({platform.machine()})"
    assert context["python_version"] == sys.version


def test_the_adapter_is_one_for_the_process_and_the_factory_makes_new_ones() -> None:
    adapter = libmimir.get_platform_adapter()
    assert libmimir.get_platform_adapter() is adapter
    made = libmimir.create_platform_adapter()
    assert made is not adapter
    assert type(made) is type(adapter)
    expected = libmimir.WindowsPlatformAdapter if sys.platform == "win32" else libmimir.UnixPlatformAdapter
    assert type(made) is expected


@pytest.mark.parametrize("kind", [libmimir.UnixPlatformAdapter, libmimir.WindowsPlatformAdapter])
def test_both_adapters_can_be_made_here_and_know_the_system(
    kind: type[libmimir.UnixPlatformAdapter] | type[libmimir.WindowsPlatformAdapter],
) -> None:
    adapter = kind()
    assert isinstance(adapter, libmimir.PlatformAdapter)
    assert adapter.system_info == libmimir.SystemInfo.detect()
    assert adapter.get_system_info() is adapter.system_info
    assert adapter.get_resource_usage().memory_bytes > 0


def test_the_abstract_adapter_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        libmimir.PlatformAdapter()  # type: ignore[abstract]


def test_a_caller_can_subclass_the_adapter_for_a_fake() -> None:
    class Fake(libmimir.PlatformAdapter):
        def get_system_info(self) -> libmimir.SystemInfo:
            return libmimir.SystemInfo("Plan9", "mips", "3", False, False, False)

        def set_memory_limit(self, limit_bytes: int) -> bool:
            return limit_bytes > 0

        def set_cpu_limit(self, limit_seconds: int) -> bool:
            return False

        def set_file_descriptor_limit(self, limit: int) -> bool:
            return False

        def set_process_limit(self, limit: int) -> bool:
            return False

        def set_file_size_limit(self, limit_bytes: int) -> bool:
            return False

        def get_resource_usage(self, memory_limit: int = 0, cpu_limit: int = 0) -> libmimir.ResourceUsage:
            return libmimir.ResourceUsage(0, 0.0, 0.0, 0.0, 0.0, memory_limit, cpu_limit, False, False)

    assert Fake().set_memory_limit(1)
    assert Fake().get_system_info().platform == "Plan9"


def test_the_directories_are_paths() -> None:
    assert isinstance(libmimir.get_home_directory(), Path)
    assert isinstance(libmimir.get_temp_directory(), Path)
    assert isinstance(libmimir.get_config_directory(), Path)


def test_a_job_result_is_a_completed_process() -> None:
    assert issubclass(libmimir.JobResult, subprocess.CompletedProcess)
    assert issubclass(libmimir.JobError, subprocess.CalledProcessError)


BUILT_IN = {
    "InvalidArgumentError": ValueError,
    "NotSupportedError": NotImplementedError,
    "PermissionDeniedError": PermissionError,
    "NotFoundError": FileNotFoundError,
    "NoSuchProcessError": ProcessLookupError,
    "BadHandleError": ValueError,
    "ForkedError": RuntimeError,
    "TimedOutError": TimeoutError,
    "InterruptedCallError": InterruptedError,
    "OutOfResourcesError": OSError,
    "LimitError": ValueError,
    "StateError": RuntimeError,
    "BufferTooShortError": BufferError,
    "OperatingSystemError": OSError,
    "InternalError": RuntimeError,
}


@pytest.mark.parametrize(("name", "built_in"), BUILT_IN.items())
def test_an_exception_is_also_the_built_in_that_one_would_catch(name: str, built_in: type[Exception]) -> None:
    kind = getattr(libmimir, name)
    assert issubclass(kind, libmimir.MimirError)
    assert issubclass(kind, built_in)


def test_every_status_of_the_c_interface_has_its_exception() -> None:
    statuses = {name: number for name, number in raw.ENUMS["mimir_status"].items() if name != "MIMIR_OK"}
    assert len(statuses) == len(BUILT_IN)
    for name, number in statuses.items():
        error = errors.from_status(number, "what happened", 13, "a step")
        assert type(error) is errors.BY_STATUS[number], name
        assert (error.status, error.os_code, error.step, str(error)) == (number, 13, "a step", "what happened")


def test_a_status_of_a_newer_library_is_still_a_mimir_error() -> None:
    error = errors.from_status(-999, "new")
    assert type(error) is libmimir.MimirError
    assert error.status == -999


def test_the_version_is_that_of_the_library() -> None:
    assert libmimir.__version__ == os.fsdecode(libmimir._library.text("mimir_version"))


def test_the_signature_of_run_shows_all_that_it_takes() -> None:
    from libmimir import _launch, jobs

    assert set(inspect.signature(libmimir.run).parameters) == {"args"} | jobs._BESIDE_OPTIONS | _launch._KNOWN
    with pytest.raises(TypeError, match="memroy"):
        libmimir.run(["true"], memroy=None)  # type: ignore[call-overload]
