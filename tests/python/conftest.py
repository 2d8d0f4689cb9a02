"""The tests run against the package beside them and the library of `make build`, or what is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = {"darwin": "libmimir.dylib", "win32": "libmimir.dll"}.get(sys.platform, "libmimir.so")

if "LIBMIMIR_LIBRARY" not in os.environ and (ROOT / "build" / BUILT).exists():
    os.environ["LIBMIMIR_LIBRARY"] = str(ROOT / "build" / BUILT)
sys.path.insert(0, str(ROOT / "python"))
# For the processes that the tests start.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
