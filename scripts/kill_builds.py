#!/usr/bin/env python3
"""Kill a build with two workers at random moments: it must always end with the same bytes.

    scripts/kill_builds.py --at FOLDER --kills 50

Makes data, builds it once undisturbed, then kills builds of it by SIGKILL, all processes of one or
its first alone, and has each go on to its end. Ends with status 1 where one differs. A busy machine
makes for more kinds of moments.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.data import make_source

from mico_150k import names

SHARD_MB, ROWS_PER_FILE = 10, 20
"""Small, so that there are many moments between two shards."""


def start(source: Path, out: Path) -> subprocess.Popen[str]:
    """Begin a build, in a group of processes of its own."""
    options = ["--workers", "2", "--shard-mb", str(SHARD_MB), "--config", "bagel"]
    # --json: without a row of each configuration at the end, which would take most of the time.
    options += ["--config", "sample", "--json"]
    command = ["mico", "build", str(source), "--out", str(out), *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(source: Path, out: Path) -> dict[str, str]:
    """Build to the end: the SHA-256 of every file, less the one that tells of this machine."""
    process = start(source, out)
    said = process.communicate()[1]
    if process.returncode:
        sys.exit(f"the build that was to go on failed:\n{said}")
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != names.STAMPS
    }


def kill(process: subprocess.Popen[str], after: float, *, everything: bool) -> bool:
    """Kill it so many seconds from now; False where it had ended before."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        if everything:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    if process.stderr:
        process.stderr.close()
    return process.wait() != 0


def main() -> None:
    """Make data, build, kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--at", type=Path, required=True, help="a folder for data and builds")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--mb", type=int, default=400, help="megabytes of images")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    arguments = parser.parse_args()
    source, out = arguments.at / "source", arguments.at / "out"
    make_source(source, arguments.mb * 10**6, ROWS_PER_FILE)
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    whole = finish(source, out)
    seconds = time.perf_counter() - started
    rng = random.Random(arguments.seed)  # noqa: S311 - moments, no secret
    kills = different = 0
    while kills < arguments.kills:
        shutil.rmtree(out, ignore_errors=True)
        after, everything = rng.uniform(0, seconds), rng.random() < 1 / 2
        if not kill(start(source, out), after, everything=everything):
            continue
        kills += 1
        there = len(list(out.glob(".build/records/*.json")))
        left = "a manifest" if (out / names.MANIFEST).exists() else f"{there} shards"
        same = finish(source, out) == whole
        different += not same
        who = "all" if everything else "the first"
        became = "the same bytes" if same else "OTHER BYTES"
        print(f"{kills}: {who} killed at {after:.1f} s with {left}: {became}", flush=True)
    shutil.rmtree(out)
    print(f"{arguments.kills} kills, {different} with other bytes in the end")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
