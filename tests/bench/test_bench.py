"""That the benchmark runs and tells the truth about targets. What it measures is no matter of passing or failing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench import Ratio, Row

BENCH = Path(__file__).resolve().parent / "bench.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and runs jobs, which are on Linux alone")


def run(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--quick", *options], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_contender_is_measured_and_every_target_is_judged() -> None:
    rows = json.loads(run("--json"))["rows"]
    sections = Counter(row["section"] for row in rows)
    assert sections["own memory and CPU time"] == 6
    assert sections["/bin/true from a parent of 0 GiB"] == sections["/bin/true from a parent of 32 MiB"] >= 5
    assert sections["/bin/true from 4 threads, time for each"] == 5
    assert sections["a second of watching 10 processes that sleep (CPU time)"] == 2
    assert sections["a second of sampling oneself 20 times (CPU time)"] == 2
    assert sections["starting Python"] == sections["resident memory of Python"] == 3
    assert len({(row["section"], row["name"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["median"] > 0, row
        assert row["rounds"] == 2, row
    judged = [(row["name"], ratio) for row in rows for ratio in row["ratios"] if ratio["target"]]
    assert len(judged) >= 8
    for name, ratio in judged:
        relation, wanted = ratio["target"]
        assert ratio["met"] is (ratio["value"] <= wanted if relation == "<=" else ratio["value"] >= wanted), name


def test_the_table_shows_every_contender_and_says_how_many_targets_were_met() -> None:
    table = run()
    for name in (
        "get_resource_usage",
        "psutil oneshot",
        "libmimir.run, 5 limits",
        "preexec_fn",
        "posix_spawn",
        "psutil, 20 looks a second",
        "libmimir.Monitor",
        "import libmimir",
    ):
        assert name in table
    assert re.search(r"^\d+ of \d+ targets met$", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("value", "target", "verdict"),
    [
        (1.1, ("<=", 1.2), "met"),
        (1.3, ("<=", 1.2), "MISSED"),
        (19.0, (">=", 20), "MISSED"),
        (21.0, (">=", 20), "met"),
        (5.0, None, ""),
    ],
)
def test_a_target_that_is_missed_is_said_to_be_missed(
    value: float, target: tuple[str, float] | None, verdict: str
) -> None:
    assert Ratio("the other", value, target=target).verdict == verdict


def test_a_ratio_is_the_median_of_the_ratios_within_a_round() -> None:
    # The machine was four times slower in the second round: the contenders' ratio was the same.
    ours, theirs = Row("section", "ours", [10.0, 40.0, 30.0]), Row("section", "theirs", [20.0, 80.0, 20.0])
    ours.slower_than(theirs)
    ours.faster_than(theirs)
    assert [ratio.value for ratio in ours.ratios] == [0.5, 2.0]
