"""What a reading, a start and an import cost, against what people use today: one table, made in one run.

    bench.py [--quick] [--json]

Machines are shared and noisy. So the contenders take turns, round by round, each in a process of its own; a time is the
median of the rounds, a ratio the median of the ratios within a round, and the spread half the distance between the
quartiles. Targets stand beside the ratios. Nothing is asserted: a target that is missed is said to be missed.

Own memory and CPU time are two readings, `getrusage` and ``/proc/self/statm``, held against limits: plain C makes the
same ones, psutil makes them as ``memory_info`` and ``cpu_times``, and `resource.getrusage` alone gives the peak memory.
The five limits are memory, CPU time, open files, processes and file size; a ``preexec_fn`` sets the same ones, and a
process group. Without "cgroup" libmimir does without control groups, as it does when it watches a tree of processes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median, quantiles

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY = Path(os.environ.get("LIBMIMIR_LIBRARY") or ROOT / "build" / "libmimir.so").resolve()
WARM_UP = 1
#: What the table takes.
WIDTH = 118


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    #: How long one contender has its turn.
    turn_seconds: float
    import_rounds: int
    ballast_mebibytes: int
    #: How long a tree of processes is watched at a time, and how many there are.
    watched_milliseconds: int
    watched_processes: int
    #: How many threads start commands at the same time, and how much longer their turns are: the first and last
    #: commands of a turn run with fewer beside them.
    threads: int = 4
    threads_turn: int = 10


FULL = Effort(25, 0.03, import_rounds=25, ballast_mebibytes=1024, watched_milliseconds=1000, watched_processes=100)
QUICK = Effort(2, 0.002, import_rounds=2, ballast_mebibytes=32, watched_milliseconds=200, watched_processes=10)


@dataclass
class Ratio:
    """A contender held against another, or its distance from it."""

    against: str
    value: float
    unit: str = "x"
    #: ``"<="`` or ``">="`` and the number, where there is a target.
    target: tuple[str, float] | None = None

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        relation, wanted = self.target
        return self.value <= wanted if relation == "<=" else self.value >= wanted

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "MISSED"}[self.met]


@dataclass
class Row:
    """A line of the table: the samples of one contender, in nanoseconds or bytes, and what they are held against."""

    section: str
    name: str
    samples: list[float]
    unit: str = "ns"
    ratios: list[Ratio] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a part of the median."""
        if len(self.samples) < 2 or not self.median:
            return 0.0
        low, _, high = quantiles(self.samples, n=4, method="inclusive")
        return (high - low) / 2 / self.median

    def slower_than(self, other: Row, target: tuple[str, float] | None = None, against: str = "") -> None:
        """Add how many times the other's time this one takes."""
        value = median(mine / theirs for mine, theirs in zip(self.samples, other.samples))
        self.ratios.append(Ratio(against or other.name, value, target=target))

    def faster_than(self, other: Row, target: tuple[str, float] | None = None, against: str = "") -> None:
        """Add how many times faster than the other this one is."""
        value = median(theirs / mine for mine, theirs in zip(self.samples, other.samples))
        self.ratios.append(Ratio(against or other.name, value, "x faster", target))

    def more_than(self, other: Row, unit: str, scale: float, target: tuple[str, float] | None = None) -> None:
        """Add how much more than the other this one takes."""
        value = median((mine - theirs) / scale for mine, theirs in zip(self.samples, other.samples))
        self.ratios.append(Ratio(other.name, value, unit, target))


class Worker:
    """A process that answers ``NAME COUNT`` with the nanoseconds that it took."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command = command
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
        )

    def take(self, name: str, count: int) -> float:
        """Answer the nanoseconds that one of count took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{name} {count}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise SystemExit(f"bench: {' '.join(self._command)} ended while measuring {name}")
        return int(answer) / count

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Contender:
    name: str
    worker: Worker
    row: Row
    count: int = 1


def take_turns(contenders: list[Contender], effort: Effort) -> None:
    """Measure the contenders round by round, each beginning one round in turn."""
    for contender in contenders:
        contender.worker.take(contender.name, 1)
        once = min(contender.worker.take(contender.name, 3) for _ in range(3))
        contender.count = max(1, round(effort.turn_seconds * 1e9 / once))
    for number in range(WARM_UP + effort.rounds):
        first = number % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            taken = contender.worker.take(contender.name, contender.count)
            if number >= WARM_UP:
                contender.row.samples.append(taken)


def compile_worker(name: str, out: Path, *options: str) -> list[str]:
    command = [os.environ.get("CC", "cc"), *["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]]
    command += ["-o", str(out / name), str(HERE / "workers" / f"{name}.c"), *options]
    subprocess.run(command, check=True)
    return [str(out / name)]


def environment() -> dict[str, str]:
    variables = dict(os.environ, LIBMIMIR_LIBRARY=str(LIBRARY))
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")]))
    return variables


def python_worker(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(HERE / "workers" / f"{name}.py"), *arguments]


def measure_readings(effort: Effort) -> list[Row]:
    section = "own memory and CPU time"
    plain, opening, mimir, python, psutil, today = (
        Row(section, name, [])
        for name in (
            "plain C, statm kept open",
            "plain C, statm opened each time",
            "C: mimir_usage_measure",
            "Python: get_resource_usage",
            "Python: psutil oneshot",
            "Python: resource.getrusage",
        )
    )
    variables = environment()
    with tempfile.TemporaryDirectory(prefix="mimir-bench-") as directory:
        out = Path(directory)
        in_c = Worker(compile_worker("readings_plain", out), variables)
        link = [f"-I{ROOT / 'include'}", str(LIBRARY), f"-Wl,-rpath,{LIBRARY.parent}"]
        in_mimir = Worker(compile_worker("readings_mimir", out, *link), variables)
        contenders = [
            Contender("plain-pread", in_c, plain),
            Contender("plain-open", in_c, opening),
            Contender("mimir", in_mimir, mimir),
            *(
                Contender(name, Worker(python_worker("readings", name), variables), row)
                for name, row in (("libmimir", python), ("psutil", psutil), ("resource", today))
            ),
        ]
        try:
            take_turns(contenders, effort)
        finally:
            close(contenders)
    opening.slower_than(plain, against="plain C")
    mimir.slower_than(plain, ("<=", 1.2), "plain C")
    python.slower_than(plain, ("<=", 1.6), "plain C")
    python.faster_than(psutil, (">=", 10), "psutil")
    python.slower_than(today, against="getrusage")
    psutil.slower_than(plain, against="plain C")
    today.slower_than(plain, against="plain C")
    return [plain, opening, mimir, python, psutil, today]


#: What the workers of one kind measure, and what they add to the environment.
START_WORKERS: list[tuple[list[str], dict[str, str]]] = [
    (["libmimir-limits", "libmimir"], {"LIBMIMIR_CGROUPS": "off"}),
    (["libmimir-groups"], {}),
    (["subprocess", "preexec", "posix-spawn", "timeout", "prlimit", "systemd-run"], {}),
]
START_NAMES = {
    "libmimir-limits": "libmimir.run, 5 limits",
    "libmimir-groups": "libmimir.run, 5 limits, cgroup",
    "libmimir": "libmimir.run",
    "subprocess": "subprocess.run",
    "preexec": "subprocess.run, preexec_fn",
    "posix-spawn": "os.posix_spawn",
    "timeout": "timeout",
    "prlimit": "prlimit, 5 limits",
    "systemd-run": "systemd-run --scope",
}


def possible_starts() -> set[str]:
    """Find which ways of starting there are here: those that run the command once without fault."""
    possible = set()
    for names, added in START_WORKERS:
        for name in names:
            probe = [*python_worker("starts", "0", "1", name), "--probe"]
            if subprocess.run(probe, env={**environment(), **added}, capture_output=True).returncode == 0:
                possible.add(name)
    return possible


def measure_starts(effort: Effort) -> list[Row]:
    sizes = [0, effort.ballast_mebibytes]
    possible = possible_starts()
    rows: dict[int, dict[str, Row]] = {}
    contenders: list[Contender] = []
    for size in sizes:
        label = f"{size // 1024} GiB" if size % 1024 == 0 else f"{size} MiB"
        section = f"/bin/true from a parent of {label}"
        rows[size] = {key: Row(section, name, []) for key, name in START_NAMES.items() if key in possible}
        for names, added in START_WORKERS:
            here = [name for name in names if name in possible]
            if here:
                worker = Worker(python_worker("starts", str(size), "1", *here), {**environment(), **added})
                contenders += [Contender(name, worker, rows[size][name]) for name in here]
    try:
        take_turns(contenders, effort)
    finally:
        close(contenders)
    targets = {"libmimir-limits": ("<=", 1.15), "libmimir-groups": ("<=", 2.0)}
    for size, row in rows.items():
        for key, contender in row.items():
            if key != "subprocess":
                contender.slower_than(row["subprocess"], targets.get(key))
        row["libmimir-limits"].faster_than(row["preexec"], (">=", 20) if size else None, "preexec_fn")
    return [row for size in sizes for row in rows[size].values()]


def measure_threads(effort: Effort) -> list[Row]:
    section = f"/bin/true from {effort.threads} threads, time for each"
    names = {
        "libmimir": "libmimir.run",
        "libmimir-limits": "libmimir.run, 5 limits",
        "libmimir-capture": "libmimir.run, 5 limits, output",
        "subprocess": "subprocess.run",
        "subprocess-capture": "subprocess.run, output",
    }
    rows = {way: Row(section, name, []) for way, name in names.items()}
    variables = {**environment(), "LIBMIMIR_CGROUPS": "off"}
    contenders = [
        Contender(way, Worker(python_worker("starts", "0", str(effort.threads), way), variables), row)
        for way, row in rows.items()
    ]
    try:
        take_turns(contenders, replace(effort, turn_seconds=effort.threads_turn * effort.turn_seconds))
    finally:
        close(contenders)
    for way in ("libmimir", "libmimir-limits"):
        rows[way].slower_than(rows["subprocess"], ("<=", 1.0))
    rows["libmimir-capture"].slower_than(rows["subprocess-capture"], ("<=", 1.0))
    return list(rows.values())


def measure_background(effort: Effort, section: str, names: dict[str, str], script: str, *arguments: str) -> list[Row]:
    """Measure the CPU time of what goes on beside a process that sleeps, in several ways."""
    rows = {way: Row(section, name, []) for way, name in names.items()}
    variables = {**environment(), "LIBMIMIR_CGROUPS": "off"}
    workers = {way: Worker(python_worker(script, way, *arguments), variables) for way in names}
    try:
        for number in range(WARM_UP + min(effort.rounds, 7)):
            for way, worker in workers.items():
                taken = worker.take(way, effort.watched_milliseconds) * 1000
                if number >= WARM_UP:
                    rows[way].samples.append(taken)
    finally:
        for worker in workers.values():
            worker.close()
    for row in rows.values():
        target = ("<=", 2.0) if row is rows["libmimir"] else None
        row.ratios.append(Ratio("one core", row.median / 1e7, "%", target))
    rows["libmimir"].faster_than(rows["psutil"], against="psutil")
    return list(rows.values())


def measure_watching(effort: Effort) -> list[Row]:
    section = f"a second of watching {effort.watched_processes} processes that sleep (CPU time)"
    names = {"libmimir": "libmimir.Popen, memory limit", "psutil": "psutil, 20 looks a second"}
    return measure_background(effort, section, names, "watching", str(effort.watched_processes))


def measure_monitoring(effort: Effort) -> list[Row]:
    section = "a second of sampling oneself 20 times (CPU time)"
    names = {"libmimir": "libmimir.Monitor", "psutil": "psutil oneshot in a thread"}
    return measure_background(effort, section, names, "monitoring")


RESIDENT = "; import os; print(int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGESIZE'))"


def measure_import(effort: Effort) -> list[Row]:
    programs = {
        "python -c pass": "pass",
        'python -c "import libmimir"': "import libmimir",
        'python -c "import psutil"': "import psutil",
    }
    times = [Row("starting Python", name, []) for name in programs]
    sizes = [Row("resident memory of Python", name, [], "bytes") for name in programs]
    variables = environment()
    variables["PYTHONPATH"] += os.pathsep + sysconfig.get_path("platlib")
    with tempfile.TemporaryDirectory(prefix="mimir-bench-") as directory:
        # A bare one: what an editable installation adds to the start of each Python is no part of the import.
        venv.create(directory, symlinks=os.name != "nt")
        python = str(Path(directory) / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        # Compiled in the rounds that warm up, as pip compiles what it installs.
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        variables["PYTHONPYCACHEPREFIX"] = str(Path(directory) / "compiled")
        for number in range(WARM_UP + effort.import_rounds):
            for i in range(len(programs)):
                at = (number + i) % len(programs)
                code = list(programs.values())[at]
                begun = time.perf_counter_ns()
                subprocess.run([python, "-c", code], check=True, env=variables)
                taken = time.perf_counter_ns() - begun
                told = subprocess.run(
                    [python, "-c", code + RESIDENT], check=True, env=variables, stdout=subprocess.PIPE
                )
                if number >= WARM_UP:
                    times[at].samples.append(taken)
                    sizes[at].samples.append(int(told.stdout))
    bare, ours, other = times
    ours.more_than(bare, "ms more", 1e6, ("<=", 25))
    other.more_than(bare, "ms more", 1e6)
    bare, ours, other = sizes
    ours.more_than(bare, "MiB more", 1 << 20, ("<=", 8))
    other.more_than(bare, "MiB more", 1 << 20)
    return times + sizes


def close(contenders: Iterable[Contender]) -> None:
    for worker in {id(contender.worker): contender.worker for contender in contenders}.values():
        worker.close()


def amount(row: Row) -> str:
    value = row.median
    if row.unit == "bytes":
        return f"{value / (1 << 20):.1f} MiB"
    if value < 1e6:
        return f"{value / 1e3:.2f} us"
    return f"{value / 1e6:.2f} ms"


def ratio_text(ratio: Ratio) -> str:
    digits = 1 if ratio.value >= 10 or ratio.unit not in ("x", "x faster") else 2
    return f"{ratio.value:.{digits}f} {ratio.unit}"


def machine() -> dict[str, object]:
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
    }


def print_table(rows: list[Row], quick: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal or console.width < WIDTH:
        console = Console(width=WIDTH)
    about = machine()
    console.print(f"{about['system']}, {about['cpus']} CPUs, Python {about['python']}", highlight=False)
    if quick:
        console.print("--quick: too few and too short rounds to say anything about the targets", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold", ratio=1)
    for heading in ("median", "spread", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("to", no_wrap=True)
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    section = ""
    for row in rows:
        if row.section != section:
            if section:
                table.add_section()
            section = row.section
            table.add_row(Text(section, style="bold"))
        for i, ratio in enumerate(row.ratios or [None]):
            first = [f"  {row.name}", amount(row), f"± {row.spread:.0%}"] if i == 0 else ["", "", ""]
            if ratio is None:
                table.add_row(*first)
                continue
            target = f"{ratio.target[0]} {ratio.target[1]:g}" if ratio.target else ""
            style = {"met": "green", "MISSED": "bold red"}.get(ratio.verdict, "")
            table.add_row(*first, ratio_text(ratio), ratio.against, target, Text(ratio.verdict, style=style))
    console.print(table)
    aimed = [ratio for row in rows for ratio in row.ratios if ratio.target]
    missed = [ratio for ratio in aimed if not ratio.met]
    console.print(f"{len(aimed) - len(missed)} of {len(aimed)} targets met", highlight=False)


def as_json(rows: list[Row], quick: bool) -> str:
    return json.dumps(
        {
            "machine": machine(),
            "quick": quick,
            "rows": [
                {
                    "section": row.section,
                    "name": row.name,
                    "unit": row.unit,
                    "median": row.median,
                    "spread": row.spread,
                    "rounds": len(row.samples),
                    "ratios": [{**asdict(ratio), "met": ratio.met} for ratio in row.ratios],
                }
                for row in rows
            ],
        },
        indent=2,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure libmimir against what people use today.")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    if not LIBRARY.exists():
        raise SystemExit(f"bench: {LIBRARY} does not exist; run `make build`")
    effort = QUICK if options.quick else FULL
    rows: list[Row] = []
    measures = (measure_readings, measure_starts, measure_threads, measure_watching, measure_monitoring, measure_import)
    for measure in measures:
        if sys.stderr.isatty():
            print(f"{measure.__name__.replace('_', ' ')} ...", file=sys.stderr)
        rows += measure(effort)
    if options.json:
        print(as_json(rows, options.quick))
    else:
        print_table(rows, options.quick)


if __name__ == "__main__":
    main()
