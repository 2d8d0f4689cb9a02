"""The tests run against the library of `make build`, or the one that LIBMIMIR_LIBRARY names."""

from __future__ import annotations

import sys

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform != "linux":
        for item in items:
            item.add_marker(pytest.mark.skip(reason="the promises about fork and the host's own limits are Linux's"))
