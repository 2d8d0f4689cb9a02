"""The tests run against the package beside them and the library of `make build`, or what is installed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = {"darwin": "libmimir.dylib", "win32": "libmimir.dll"}.get(sys.platform, "libmimir.so")

if "LIBMIMIR_LIBRARY" not in os.environ and (ROOT / "build" / BUILT).exists():
    os.environ["LIBMIMIR_LIBRARY"] = str(ROOT / "build" / BUILT)
sys.path.insert(0, str(ROOT / "python"))
# For the processes that the tests start.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])

# Those that the tests send, and that nohup and a shell's background have what they start ignore.
for _name, _handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)


def _not_emulated() -> dict[str, str]:
    """Give the tests that an emulator cannot pass, each with the reason that stands above it in the list."""
    reasons, reason = {}, ""
    for line in (ROOT / "tests" / "arm64" / "not-emulated.txt").read_text().splitlines():
        if line.startswith("#"):
            reason = line[1:].strip()
        elif line.startswith("test_"):
            reasons[line] = reason
    return reasons


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "MIMIR_EMULATED" not in os.environ:
        return
    reasons = _not_emulated()
    for item in items:
        for name, reason in reasons.items():
            if item.name.startswith(name):
                item.add_marker(pytest.mark.skip(reason=f"cannot be emulated: {reason}"))
