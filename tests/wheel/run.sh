#!/bin/sh
# Installs the wheel for this machine into an environment of its own, uses it in an empty directory, and takes it away again.
# Wants build/wheels; run by `make test-wheels`.
set -eu
cd "$(dirname "$0")/../.."

PYTHON=${PYTHON:-python3}
here=$PWD/build/tests/wheel
wheel=$(ls "$PWD"/build/wheels/*-manylinux_*_"$(uname -m)".whl)

rm -rf "$here"
mkdir -p "$here/empty"
"$PYTHON" -m venv "$here/venv"
cd "$here/empty"
unset PYTHONPATH LIBMIMIR_LIBRARY
PATH=$here/venv/bin:$PATH
export PATH

pip install --quiet --disable-pip-version-check "$wheel"
pip check --disable-pip-version-check

python - <<'PYTHON'
import os
import sys

import libmimir
from libmimir import _library

assert _library.current().path.startswith(sys.prefix), _library.current().path
result = libmimir.run(["sh", "-c", "sleep 100 & sleep 100"], memory="64M", cpu=5, wall=0.5)
assert result.termination_reason == "walltime", result
assert set(result.enforcement) == {"memory", "cpu", "wall"}, result
with libmimir.Monitor(interval=0.01) as monitor:
    assert monitor.latest().memory_bytes > 1 << 20
assert libmimir.get_platform_adapter().get_resource_usage().memory_bytes > 1 << 20
assert os.path.exists(os.path.join(os.path.dirname(libmimir.__file__), "py.typed"))
PYTHON

libmimir info >/dev/null
test "$(libmimir run --quiet --wall 10 -- echo "from the wheel")" = "from the wheel"
status=0
libmimir run --quiet --wall 200ms -- sleep 100 || status=$?
test $status -eq 137

pip uninstall --quiet --disable-pip-version-check --yes libmimir
if python -c 'import libmimir' 2>/dev/null || ls "$here"/venv/lib/python*/site-packages | grep -q libmimir; then
    echo "something of the package is left" >&2
    exit 1
fi
echo "test-wheels: the wheel of $(uname -m) was installed, used and taken away: passed"
