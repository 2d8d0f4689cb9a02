"""Bad input at the C boundary is answered with a status: never a crash, never a write outside of what was given."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import support

#: 600 in `make fuzz`.
SECONDS = support.number("MIMIR_FUZZ_SECONDS", 4)

#: Inputs that once found something, as hexadecimal text.
CORPUS = support.HERE / "corpus"


@pytest.fixture(scope="module")
def instrumented() -> Path:
    """The library with its C parts under AddressSanitizer, or as it is where that cannot be built."""
    if not shutil.which("go"):
        return support.library()
    where = support.ROOT / "build" / "asan"
    flags = {"CGO_CFLAGS": "-fsanitize=address -g -O1", "CGO_LDFLAGS": "-fsanitize=address"}
    command = ["go", "run", "./cbuild", "build", "--out", str(where)]
    done = subprocess.run(command, cwd=support.ROOT, env={**os.environ, **flags}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return where / "libmimir.so"


def _fuzz(library: Path, where: Path, *words: object, timeout: float = 120) -> None:
    kept = where / "input"
    environment = {
        **os.environ,
        "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:allocator_may_return_null=1",
        "FUZZ_INPUT": str(kept),
    }
    command = [str(support.program("fuzz", "-fsanitize=address")), str(library), *map(str, words)]
    done = support.finish(command, timeout, environment, check=False)
    if done.returncode != 0:
        data = kept.read_bytes()
        size = int.from_bytes(data[:4], "little")
        name = CORPUS / f"found-{int(time.time())}.hex"
        pytest.fail(
            f"ended with {done.returncode}; keep the input as {name}:\n{data[4 : 4 + size].hex()}\n"
            f"{done.stdout[-1000:]}\n{done.stderr[:4000]}"
        )
    assert done.stdout.endswith(" inputs\n")


def test_every_function_is_fuzzed() -> None:
    covered = set(re.findall(r"CASE\(\d+, (\w+)\)", (support.HERE / "fuzz.c").read_text()))
    assert [name for name in support.functions() if name not in covered] == [], "add a case to tests/fork/fuzz.c"


@pytest.mark.parametrize("where", [(), ("forked",)])
def test_the_seed_corpus_finds_nothing(where: tuple[str, ...], instrumented: Path, tmp_path: Path) -> None:
    _fuzz(instrumented, tmp_path, *where, "seeds")


@pytest.mark.parametrize("where", [(), ("forked",)])
def test_what_was_found_once_is_not_found_again(where: tuple[str, ...], instrumented: Path, tmp_path: Path) -> None:
    files = []
    for kept in sorted(CORPUS.glob("*.hex")):
        files.append(tmp_path / kept.stem)
        files[-1].write_bytes(bytes.fromhex(kept.read_text()))
    assert files
    _fuzz(instrumented, tmp_path, *where, "files", *files)


@pytest.mark.parametrize("where", [(), ("forked",)])
def test_random_bad_input_finds_nothing(where: tuple[str, ...], instrumented: Path, tmp_path: Path) -> None:
    seconds = SECONDS * (0.75 if not where else 0.25)
    seed = int(time.time()) if SECONDS > 60 else 1
    _fuzz(instrumented, tmp_path, *where, "seconds", seconds, seed, timeout=60 + 2 * seconds)
