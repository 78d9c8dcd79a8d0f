#!/usr/bin/env python3
"""How fast a build is, against what people would use instead and against the machine's limits.

    scripts/benchmark.py write --at /dev/shm/bench --gb 1
    scripts/benchmark.py read --at /dev/shm/bench --gb 1
    scripts/benchmark.py train --at /dev/shm/bench --gb 1
    scripts/benchmark.py checks --at /dev/shm/bench --gb 1
    scripts/benchmark.py export --at /dev/shm/bench --gb 3

Makes its own data: Parquet as the release is written (pyarrow's defaults, one row group a file),
with pictures of real sizes whose bytes do not repeat. Each case runs in a process of its own;
the cases take turns, so that a machine's moods fall on all of them, and medians are printed.
Quote ratios, not seconds. CPU seconds are those of all processes of a case, and hold on a machine
that others use as well. Peers that are not installed are named.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from benchmarks import exporting, reading, training, writing
from benchmarks.data import make_source
from process_family import family

GIGABYTE = 10**9
SECONDS_BETWEEN_LOOKS = 0.02
CASES = {**writing.CASES, **reading.CASES, **exporting.CASES, **training.CASES}
CHECKS = ["ours, one configuration", "ours, unchecked"]
WORKERS = ["ours, one worker, one thread", "ours, two workers"]
PARTS = {
    "write": list(writing.CASES),
    "read": list(reading.CASES),
    "train": list(training.CASES),
    "checks": CHECKS,
    "workers": WORKERS,
    "export": [name for name, case in exporting.CASES.items() if case.made_by],
}
BASELINE = {
    "write": "datasets builder, parquet",
    "read": "first sample, default layout",
    "train": "batches, datasets",
    "checks": "ours, unchecked",
    "workers": "ours, one worker, one thread",
    "export": "cp -r of the images",
}


@dataclass(frozen=True)
class Figures:
    """What one case took, once. `cpu` are seconds of all its processes.

    `peak` are megabytes that they held together, at the worst of the looks at them: what they
    share counts once.
    """

    seconds: float
    cpu: float
    peak: float


def touch_memory(size: int) -> None:
    """Use memory and give it back: in a virtual machine, the first use of a page is slow."""
    subprocess.run([sys.executable, "-c", f"bytearray(b'x') * {size}"], check=True)


def remove(path: Path) -> None:
    """A case's output, and what it left beside it."""
    for leftover in path.parent.glob(f"{path.name}*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def run_case(name: str, source: Path, out: Path) -> Figures:
    """One case, in a process of its own."""
    command = [sys.executable, __file__, "--case", name, "--at", str(source), "--out", str(out)]
    environment = {**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )
    peak = 0
    with ThreadPoolExecutor(1) as reader:
        said = reader.submit(process.communicate)
        while not said.done():
            peak = max(peak, sum(map(memory_of, family(process.pid))))
            time.sleep(SECONDS_BETWEEN_LOOKS)
    printed, errors = said.result()
    if process.returncode:
        sys.exit(f"{name} failed:\n{errors}")
    return Figures(**json.loads(printed.splitlines()[-1]), peak=peak / 1e6)


def memory_of(process: int) -> int:
    """Bytes of memory: a page that several share counts for each by its part."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def child(name: str, source: str, out: str) -> None:
    """Run one case and print what it took."""
    started = time.perf_counter()
    seconds = CASES[name].run(source, out) or time.perf_counter() - started
    mine = resource.getrusage(resource.RUSAGE_SELF)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = mine.ru_utime + mine.ru_stime + workers.ru_utime + workers.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu}))


def installed(names: list[str]) -> list[str]:
    """The cases that can be measured here; says which cannot."""
    found = []
    for name in names:
        made_by = CASES[name].made_by
        for module in filter(None, (CASES[name].needs, made_by and CASES[made_by].needs)):
            if importlib.util.find_spec(module) is None:
                print(f"{name}: not measured, {module} is not installed")
                break
        else:
            found.append(name)
    return found


def show(size: int, rows: int, baseline: str, figures: dict[str, list[Figures]]) -> None:
    """One table; ratios round by round, since a machine's mood changes between rounds."""
    base = figures[baseline]
    print(
        f"{rows} samples, {size / 1e6:.0f} MB of images, {len(base)} rounds; ratio: {baseline} = 1"
    )
    print(
        f"{'':30} {'seconds':>8} {'ratio':>6} {'CPU s':>7} {'ratio':>6} "
        f"{'samples/s':>9} {'MB/s':>7} {'peak MB':>8}"
    )
    for name, rounds in figures.items():
        seconds = statistics.median(one.seconds for one in rounds)
        cpu = statistics.median(one.cpu for one in rounds)
        pairs = list(zip(rounds, base, strict=True))
        ratio = statistics.median(one.seconds / other.seconds for one, other in pairs)
        cpu_ratio = statistics.median(one.cpu / other.cpu for one, other in pairs)
        print(
            f"{name:30} {seconds:8.3f} {ratio:6.2f} {cpu:7.2f} {cpu_ratio:6.2f} "
            f"{rows / seconds:9.0f} {size / 1e6 / seconds:7.0f} "
            f"{max(one.peak for one in rounds):8.0f}"
        )


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("part", nargs="?", choices=[*PARTS, "make"], default="write")
    parser.add_argument("--at", type=Path, required=True, help="a folder on the disk to measure")
    parser.add_argument("--gb", type=float, default=1.0, help="gigabytes of images")
    parser.add_argument(
        "--rows-per-file", type=int, default=100, help="one row group; 100 are about 250 MB"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--touch-gb", type=float, default=6.0, help="memory to touch before a case")
    parser.add_argument("--cases", nargs="*", choices=CASES, metavar="CASE", help="these alone")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Make the data, run the cases in turn, print one table."""
    arguments = parse_arguments()
    if arguments.case:
        child(arguments.case, str(arguments.at), str(arguments.out))
        return
    if arguments.part == "make":
        make_source(arguments.at, round(arguments.gb * GIGABYTE), arguments.rows_per_file)
        return
    at, rows = arguments.at, arguments.rows_per_file
    source = at / f"source-{arguments.gb:g}-{rows}"
    make = ["make", "--at", str(source), "--gb", str(arguments.gb), "--rows-per-file", str(rows)]
    subprocess.run([sys.executable, __file__, *make], check=True)
    files = list(source.rglob("*.parquet"))
    size = sum(path.stat().st_size for path in files)
    count = sum(pq.read_metadata(path).num_rows for path in files)
    cases = installed(arguments.cases or PARTS[arguments.part])
    figures: dict[str, list[Figures]] = {name: [] for name in cases}
    touch = round(arguments.touch_gb * GIGABYTE)
    made = {CASES[name].made_by for name in cases if CASES[name].made_by}
    for leftover in (at / "out", *(at / f"made-{maker}" for maker in made)):
        remove(leftover)  # of a run that was stopped
    for maker in sorted(made):
        run_case(maker, source, at / f"made-{maker}")
    for _ in range(arguments.repeats):
        for name in cases:
            maker = CASES[name].made_by
            touch_memory(touch)
            figures[name].append(
                run_case(name, at / f"made-{maker}" if maker else source, at / "out")
            )
            remove(at / "out")
    for maker in made:
        remove(at / f"made-{maker}")
    baseline = BASELINE[arguments.part]
    show(size, count, baseline if baseline in figures else cases[0], figures)


if __name__ == "__main__":
    main()
