"""`libmimir.resource`: the standard module where there is one, and the same by the library where there is none."""

from __future__ import annotations

import os
import pickle
import sys
import types
from typing import Any

import libmimir
import pytest
from libmimir import _resource as ours
from support import python, unix_only

if sys.platform == "win32":
    pytest.skip("the standard module is what these tests compare with", allow_module_level=True)

import resource as standard

import libmimir.resource

pytestmark = unix_only

#: What the library has limits of; the others read as infinite.
KEPT = ["RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_OFILE", "RLIMIT_FSIZE", "RLIMIT_AS"]


def outcome(module: types.ModuleType, expression: str) -> tuple[str, Any]:
    """What an expression gives or raises, in words that compare."""
    try:
        value = eval(expression, {"resource": module})  # noqa: S307
    except Exception as failure:
        return type(failure).__name__, str(failure)
    return "value", value


@pytest.mark.parametrize("name", [name for name in dir(standard) if not name.startswith("_")])
def test_each_name_of_the_standard_module_is_the_standard_modules(name: str) -> None:
    assert getattr(libmimir.resource, name) is getattr(standard, name)


def test_the_librarys_module_has_the_names_that_all_of_unix_has() -> None:
    for name in [
        "error",
        "getpagesize",
        "getrlimit",
        "getrusage",
        "prlimit",
        "setrlimit",
        "struct_rusage",
        "RLIM_INFINITY",
    ]:
        assert hasattr(ours, name)
    for name in [
        *KEPT,
        "RLIMIT_CORE",
        "RLIMIT_STACK",
        "RLIMIT_RSS",
        "RLIMIT_MEMLOCK",
        "RUSAGE_SELF",
        "RUSAGE_CHILDREN",
    ]:
        if sys.platform == "linux":
            assert getattr(ours, name) == getattr(standard, name), name
    assert ours.error is standard.error is OSError


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are those of Linux")
@pytest.mark.parametrize(
    "expression",
    [
        *[f"resource.getrlimit(resource.{name})" for name in KEPT],
        *[f"resource.prlimit(0, resource.{name})" for name in KEPT],
        f"resource.prlimit({os.getppid()}, resource.RLIMIT_NOFILE)",
        "resource.getrlimit('x')",
        "resource.getrlimit(1.5)",
        "resource.getrlimit(99)",
        "resource.getrlimit(-1)",
        "resource.getrlimit(1 << 40)",
        "resource.getrlimit(1 << 80)",
        "resource.getrlimit()",
        "resource.getrlimit(1, 2)",
        "resource.getrlimit(None)",
        "resource.setrlimit()",
        "resource.setrlimit(7)",
        "resource.setrlimit(7, (1, 2, 3))",
        "resource.setrlimit(7, (1,))",
        "resource.setrlimit(7, 5)",
        "resource.setrlimit(7, None)",
        "resource.setrlimit(7, ('a', 2))",
        "resource.setrlimit(7, 'ab')",
        "resource.setrlimit(7, (1.5, 2))",
        "resource.setrlimit(7, (5, 2))",
        "resource.setrlimit(7, (-1, 2))",
        "resource.setrlimit(99, (1, 2))",
        "resource.setrlimit(99, 'ab')",
        "resource.setrlimit('x', (1, 2))",
        "resource.setrlimit(7, (1 << 70, 1 << 70))",
        "resource.setrlimit(7, resource.getrlimit(7))",
        "resource.setrlimit(7, list(resource.getrlimit(7)))",
        "resource.setrlimit(2, iter(resource.getrlimit(2)))",
        "resource.prlimit()",
        "resource.prlimit(0)",
        "resource.prlimit(0, 7, (1, 2), 3)",
        "resource.prlimit(0, 99)",
        "resource.prlimit('x', 7)",
        "resource.prlimit(-1, 7)",
        "resource.prlimit(2147483646, 7)",
        "resource.prlimit(2147483646, 7, (1, 2))",
        "resource.prlimit(0, 7, (3, 1))",
        "resource.prlimit(0, 7, None)",
        "resource.prlimit(0, 7, resource.getrlimit(7))",
        "resource.getrusage()",
        "resource.getrusage('x')",
        "resource.getrusage(9)",
        "resource.getrusage(1 << 40)",
        "resource.getpagesize()",
        "resource.struct_rusage([1])",
        "resource.struct_rusage(range(17))",
        "resource.struct_rusage(5)",
        "tuple(resource.struct_rusage(range(16)))",
        "repr(resource.struct_rusage(range(16)))",
        "resource.struct_rusage(range(16)) == tuple(range(16))",
        "resource.struct_rusage(range(16)).ru_nivcsw",
        "setattr(resource.struct_rusage(range(16)), 'ru_utime', 3)",
        "resource.struct_rusage.n_fields",
        "resource.struct_rusage.n_sequence_fields",
        "resource.struct_rusage.n_unnamed_fields",
        "resource.struct_rusage.__match_args__",
        "len(resource.getrusage(resource.RUSAGE_SELF))",
    ],
)
def test_the_librarys_module_answers_as_the_standard_one(expression: str) -> None:
    assert outcome(ours, expression) == outcome(standard, expression)


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are those of Linux")
@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("RLIMIT_NOFILE", (200, 300)),
        ("RLIMIT_CPU", (1000, 2000)),
        ("RLIMIT_FSIZE", (1 << 30, 1 << 31)),
        ("RLIMIT_NPROC", (5000, 5000)),
        ("RLIMIT_DATA", (1 << 36, 1 << 37)),
        ("RLIMIT_AS", (1 << 40, 1 << 41)),
    ],
)
def test_a_limit_that_is_set_is_the_kernels(name: str, limits: tuple[int, int]) -> None:
    done = python(
        f"""
        from libmimir import _resource as ours
        import resource
        ours.setrlimit(ours.{name}, {limits})
        assert ours.getrlimit(ours.{name}) == {limits}
        soft, hard = resource.getrlimit(resource.{name})
        # Of memory and address space what the library itself has taken is added.
        spare = 4 << 30 if "{name}" in ("RLIMIT_DATA", "RLIMIT_AS") else 0
        assert {limits[0]} <= soft <= {limits[0]} + spare and {limits[1]} <= hard <= {limits[1]} + spare, (soft, hard)
        assert ours.prlimit(0, ours.{name}, ({limits[0]} - 10, {limits[1]})) == {limits}
        """
    )
    assert not done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are those of Linux")
def test_a_hard_limit_is_not_raised_without_privileges() -> None:
    # Root may; without its capabilities nobody may.
    done = python(
        """
        import ctypes, os, sys
        from libmimir import _resource as ours
        import resource
        ours.setrlimit(ours.RLIMIT_NOFILE, (100, 100))
        if os.geteuid() == 0:
            os.setuid(65534)
        for module in (resource, ours):
            try:
                module.setrlimit(module.RLIMIT_NOFILE, (100, 200))
            except ValueError as error:
                print(error)
        """
    )
    assert done.stdout == "not allowed to raise maximum limit\n" * 2


def test_what_nothing_would_keep_is_refused_and_infinity_is_not() -> None:
    for name in ("RLIMIT_CORE", "RLIMIT_STACK", "RLIMIT_RSS", "RLIMIT_MEMLOCK"):
        number = getattr(ours, name)
        assert ours.getrlimit(number) == (ours.RLIM_INFINITY, ours.RLIM_INFINITY)
        ours.setrlimit(number, (ours.RLIM_INFINITY, ours.RLIM_INFINITY))
        with pytest.raises(OSError, match="no limit"):
            ours.setrlimit(number, (1 << 20, 1 << 20))
    with pytest.raises(OSError, match="children"):
        ours.getrusage(ours.RUSAGE_CHILDREN)


def test_usage_is_that_of_the_standard_module() -> None:
    before = standard.getrusage(standard.RUSAGE_SELF)
    usage = ours.getrusage(ours.RUSAGE_SELF)
    after = standard.getrusage(standard.RUSAGE_SELF)
    for field in ("ru_utime", "ru_stime", "ru_maxrss"):
        low, high = getattr(before, field), getattr(after, field)
        # The peak can be told by two counters, which differ by a few pages; a sum of floats differs in its last digit.
        slack = 4096 if field == "ru_maxrss" else 1e-6
        assert low - slack <= getattr(usage, field) <= high + slack, field
    assert usage[0] == usage.ru_utime
    assert pickle.loads(pickle.dumps(usage)) == usage  # noqa: S301


def test_without_the_standard_module_the_librarys_takes_its_place() -> None:
    done = python(
        """
        import sys
        sys.modules["resource"] = None
        import libmimir.resource as resource
        print(resource.getrlimit.__module__, resource.getpagesize(), resource.getrlimit(resource.RLIMIT_NOFILE))
        """
    )
    assert done.stdout.split(maxsplit=2) == [
        "libmimir._resource",
        str(standard.getpagesize()),
        f"{standard.getrlimit(standard.RLIMIT_NOFILE)}\n",
    ]


def test_the_package_names_it() -> None:
    assert libmimir.resource.getrlimit is standard.getrlimit


def test_a_process_group_is_that_of_os() -> None:
    assert libmimir.getpgid(0) == os.getpgid(0)
    assert libmimir.getpgid(os.getppid()) == os.getpgid(os.getppid())
    with pytest.raises(libmimir.NoSuchProcessError) as caught:
        libmimir.getpgid(2147483646)
    assert caught.value.step == "getpgid"
