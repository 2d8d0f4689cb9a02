"""The examples in the documentation do what they show."""

from __future__ import annotations

import ctypes
import doctest
import importlib

import libmimir
import pytest
from support import unix_only


@unix_only
@pytest.mark.parametrize("name", ["jobs", "popen", "aio", "sandbox", "process", "raw"])
def test_the_examples_of_a_module_do_what_they_show(name: str) -> None:
    done = doctest.testmod(importlib.import_module(f"libmimir.{name}"), optionflags=doctest.ELLIPSIS)
    assert done.attempted > 0
    assert done.failed == 0


def test_the_raw_interface_has_every_function_structure_and_constant() -> None:
    raw = libmimir.raw
    for name in raw.PROTOTYPES:
        assert callable(getattr(raw.library(), name))
    for name, size in raw.STRUCT_SIZES.items():
        assert ctypes.sizeof(getattr(raw, name)) == size
    assert {"mimir_usage", "MIMIR_UNLIMITED", "library", "check"} <= set(raw.__all__)


def test_a_failing_raw_call_can_be_made_an_exception() -> None:
    raw = libmimir.raw
    with pytest.raises(libmimir.InvalidArgumentError):
        raw.check(raw.library().mimir_usage_get(0, 0, None))
    raw.check(raw.MIMIR_OK)


def test_a_wrong_structure_size_and_a_null_pointer_are_refused() -> None:
    raw = libmimir.raw
    for size in (0, 3, 4097):
        with pytest.raises(ValueError, match="size"):
            raw.check(raw.library().mimir_usage_get(0, 1, raw.mimir_usage(size=size)))
    with pytest.raises(ValueError):
        raw.check(raw.library().mimir_usage_measure(0, 0, None))


def test_a_stale_handle_is_refused() -> None:
    raw = libmimir.raw
    with pytest.raises(libmimir.BadHandleError):
        raw.check(raw.library().mimir_job_start(12345))
