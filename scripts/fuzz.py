#!/usr/bin/env python3
"""Mutate what the commands read, run them on it, and count what they must never do.

    scripts/fuzz.py --cases 500
    scripts/fuzz.py --seed 7 --only parquet --case 123 --keep kept

Four kinds of cases: Parquet files, manifests and images are mutated in a small release that the
script makes, and it is inspected and built; dataset folders and exports are mutated, and every
command that reads one is run on it. Each command runs in a process of its own with bounds on time
and memory. Counted are:

    crash           ended by a signal, or with a status that no command has
    hang            no end within --seconds
    memory          more than --memory-gb with all that it starts
    traceback       an exception in place of a message
    wrong rows      what was built is not what a plain reader sees in the source: fuzzing/oracle.py
    write outside   a file beside the case was changed
    leak            what stands in a file beside the case is in what was written
    raw HTML        HTML of a stranger's stands in the card
    silent failure  a status above 0 without a word
    flood of text   more on the terminal than anybody reads

Any of them makes for exit status 1. A case is decided by --seed, its kind and its number, and can
be run alone. Images that are accepted and that Pillow cannot decode are counted apart: without
`--verify decode`, only their structure is looked at. So is what was built of a source that a plain
reader cannot read, and that cannot be judged.
"""

import argparse
import gc
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

# Threads of a library do not survive a fork, and nothing here may reach a network.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
os.environ.update(HF_ENDPOINT="http://127.0.0.1:9", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
os.environ.update(MPLBACKEND="agg", COLUMNS="120", TERM="dumb")
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "FORCE_COLOR"):
    os.environ.pop(name, None)

CASES = 500
SHOWN_CASES = 5
SECONDS_BETWEEN_LINES = 30
LAZY = ("torch", "ray", "pretokenize", "plots")
"""Modules whose imports are heavy, and that nothing here runs."""
COMMANDS = ("inspect", "build", "check", "preview", "card", "export", "relocate")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    from mico_150k.io.machine import cores

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    kinds = ("parquet", "manifest", "image", "dataset")
    parser.add_argument("--only", choices=kinds, nargs="+", default=kinds, help="these kinds")
    parser.add_argument("--cases", type=int, default=CASES, help="of each kind")
    parser.add_argument("--case", type=int, help="this one alone, of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for cases in which a fault was found")
    parser.add_argument("--at", type=Path, help="a folder for work; one in memory is quickest")
    parser.add_argument("--jobs", type=int, default=cores(), help="cases at once")
    parser.add_argument("--json", action="store_true", help="print each case as JSON on stdout")
    parser.add_argument("--seconds", type=float, default=60.0, help="for a command")
    parser.add_argument("--memory-gb", type=float, default=2.0, help="for a command")
    return parser.parse_args()


def warm() -> None:
    """Import all that the commands need, so that no child has to."""
    import mico_150k

    folder = Path(mico_150k.__file__).parent
    for path in sorted(folder.rglob("[!_]*.py")):
        module = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        if not any(word in module for word in LAZY):
            with suppress(ImportError):
                import_module(module)
    for module in ("datasets", "duckdb", "jinja2", "yaml", "numpy", "rich.progress", "simplejpeg"):
        import_module(module)
    from PIL import Image

    Image.init()
    from fuzzing.base import run_mico

    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):  # noqa: PTH123
        for command in COMMANDS:  # typer imports what it needs when a command's options are read
            with suppress(SystemExit):
                run_mico(command, "--help")
    # What is here already is not looked through again at each child's end, which takes longer than
    # most commands.
    gc.collect()
    gc.freeze()


def work(cases: list[tuple[str, int]], setting: Any, results: Connection) -> None:
    """Run these cases, and send what each has shown."""
    from fuzzing import datasets, sources
    from fuzzing.cases import DATASET, run_case

    with suppress(KeyboardInterrupt):
        for kind, number in cases:
            body = datasets.run if kind == DATASET else sources.run
            results.send(run_case(kind, number, setting, body))


def run_all(cases: list[tuple[str, int]], setting: Any, jobs: int) -> Iterator[Any]:
    """What the cases have shown, as they come, so many at once."""
    context = multiprocessing.get_context("fork")
    workers = {}
    for job in range(jobs):
        here, there = context.Pipe(duplex=False)
        worker = context.Process(target=work, args=(cases[job::jobs], setting, there))
        worker.start()
        there.close()  # so that the worker's end is the pipe's
        workers[here] = worker
    busy = set(workers)
    try:
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                try:
                    yield ready.recv()
                except EOFError:
                    busy.discard(ready)
    finally:
        for here, worker in workers.items():
            if here in busy:
                worker.terminate()
            worker.join()
    if any(worker.exitcode for worker in workers.values()):
        sys.exit("the script itself has failed: what it says above is to be mended first")


def has_fault(results: list[Any]) -> bool:
    """Whether any case has shown what must never happen."""
    from fuzzing.faults import KINDS

    return any(fault.what in KINDS for result in results for fault in result.faults)


def show(results: list[Any], seconds: float) -> None:
    """The counts, and each fault once with cases that show it."""
    from fuzzing.faults import KINDS, NOT_DECODABLE, UNJUDGED

    counts: dict[str, Counter[str]] = {}
    for result in results:
        mine = counts.setdefault(result.kind, Counter())
        mine.update(cases=1, commands=result.runs, done=result.done, judged=result.judged)
        mine.update({fault.what for fault in result.faults})
    heads = ("cases", "commands", "done", "judged", *KINDS, NOT_DECODABLE, UNJUDGED)
    print(f"\n{'':24}" + "".join(f"{kind:>10}" for kind in counts) + f"{'all':>10}")
    for head in heads:
        row = [mine[head] for mine in counts.values()]
        print(f"{head:24}" + "".join(f"{number:10}" for number in (*row, sum(row))))
    peak = max((result.peak for result in results), default=0)
    slowest = max((result.slowest for result in results), default=0.0)
    print(f"largest {peak / 1e9:.2f} GB, slowest {slowest:.1f} s, {seconds:.0f} s in all")
    known: dict[str, list[Any]] = {}
    for result in results:
        for fault in dict.fromkeys(result.faults):
            known.setdefault(str(fault), []).append((result, fault.who))
    for said, those in sorted(
        known.items(), key=lambda item: (item[0].split(":")[0], -len(item[1]))
    ):
        cases = dict.fromkeys(f"{result.kind} {result.number}" for result, _ in those)
        who = dict.fromkeys(by for _, by in those if by)
        shown = ", ".join(list(cases)[:SHOWN_CASES]) + (" …" if len(cases) > SHOWN_CASES else "")
        print(f"{len(cases):4} × {said}\n       {shown}; {', '.join(who) or 'after all'}")


def main() -> None:
    """Make the base data, run the cases, count."""
    arguments = parse_arguments()
    started = time.monotonic()
    at = Path(tempfile.mkdtemp(prefix="mico-fuzz-", dir=arguments.at)).resolve()
    for variable in ("HF_HOME", "HOME", "TMPDIR", "XDG_CACHE_HOME"):
        os.environ[variable] = str(at / "home")
    (at / "home").mkdir()
    try:
        warm()
        sys.exit(fuzz(arguments, at, started))
    finally:
        shutil.rmtree(at, ignore_errors=True)


def fuzz(arguments: argparse.Namespace, at: Path, started: float) -> bool:
    """Run the cases that were asked for; tells whether a fault was found."""
    from fuzzing import base
    from fuzzing.cases import MAKING, Setting
    from fuzzing.child import Limits, call

    folder = at / "base"
    folder.mkdir()
    made = call(lambda: base.make(folder), folder, MAKING, at / "base-log", teardown=False)
    if made.status:
        sys.exit(f"the base data could not be made:\n{made.stdout}{made.stderr}")
    limits = Limits(arguments.seconds, round(arguments.memory_gb * 1e9))
    keep = arguments.keep and arguments.keep.resolve()
    setting = Setting(folder, at / "cases", arguments.seed, limits, keep)
    numbers = range(arguments.cases) if arguments.case is None else [arguments.case]
    cases = [(kind, number) for number in numbers for kind in arguments.only]
    results: list[Any] = []
    jobs = max(1, min(arguments.jobs, len(cases)))
    last = started
    with suppress(KeyboardInterrupt):  # what was found by then is shown
        for result in run_all(cases, setting, jobs):
            results.append(result)
            if arguments.case is not None:
                print(f"{result.kind} {result.number}: {result.how}", file=sys.stderr)
            if time.monotonic() - last > SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"{len(results)}/{len(cases)} cases", file=sys.stderr, flush=True)
    results.sort(key=lambda result: (result.kind, result.number))
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
        return has_fault(results)
    show(results, time.monotonic() - started)
    return has_fault(results)


if __name__ == "__main__":
    main()
