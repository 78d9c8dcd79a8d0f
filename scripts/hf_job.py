#!/usr/bin/env python3
"""Build a dataset in Hugging Face Jobs, next to the data: nothing is downloaded to this machine.

    scripts/hf_job.py kr-cen/MICo-150K --out hf://buckets/USER/BUCKET/mico-150k --package dist

It reads the source's headers, and prints what each hardware flavor would take and cost and the
commands to start. `--submit` runs the first of them. docs/jobs.md says what was tried.
"""

import argparse
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mico_150k
from mico_150k.build.build import CONFIGS, BuildOptions
from mico_150k.build.executors import shards_at_once
from mico_150k.build.forecast import ASSUMED_SPEED
from mico_150k.build.output import checked_out
from mico_150k.core.errors import MicoError, UsageError
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.inspection.source import SourceInspection
from mico_150k.io.machine import gigabytes
from mico_150k.io.places import HubDataset, LocalFolder

IMAGE = "python:3.12"
"""Its name on Docker Hub; it has git, for a package that pip fetches with it."""
WHEELS = "/wheels"
"""Where a folder of wheels is mounted."""
CLIENT = "huggingface_hub>=2.0"
"""Of the Job: buckets need 1.6, and a dataset repository needs 2.0."""
SPARE = 0.8
"""The part of a flavor's memory and disk that a build may fill."""
NETWORK_SPEED = 100e6
"""Bytes a second that one Job is assumed to read and write. Nobody here has measured it."""
LONGER = 3
"""A Job may run so many times its forecast: it is stopped after, and the same command resumes."""
SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Flavor:
    """Hardware for a Job, by the Hub's price list. `memory` and `disk` are gigabytes."""

    name: str
    cores: int
    memory: int
    disk: int
    dollars_an_hour: float


FLAVORS = (
    Flavor("cpu-basic", 2, 16, 50, 0.01),
    Flavor("cpu-upgrade", 8, 32, 50, 0.03),
    Flavor("cpu-xl", 16, 124, 1000, 1.00),
    Flavor("cpu-performance", 32, 256, 1024, 1.90),
)
"""huggingface.co/docs/hub/jobs-pricing; `hf jobs hardware` prints today's."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be built: bytes that are read and written, and what one worker takes of each."""

    read: int
    written: int
    memory: int
    disk: int

    @classmethod
    def of(cls, found: SourceInspection, options: BuildOptions) -> "Work":
        """The work for some configurations of a source."""
        if found.forecast is None:
            raise UsageError("\n".join(found.problems))
        configs = len(options.with_images)
        small = found.forecast.small if layout.SAMPLE in options.configs else 0
        shard = min(options.shard_bytes, found.image_bytes) * configs
        return cls(
            read=found.image_bytes,
            written=found.image_bytes * configs + small,
            memory=found.forecast.memory,
            disk=shards_at_once(1) * shard,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """What so many Jobs of a flavor take for the work, all together and each."""

    flavor: Flavor
    workers: int
    hours: float
    dollars: float

    @classmethod
    def of(cls, flavor: Flavor, work: Work, jobs: int) -> "Offer | None":
        """None where not even one worker fits."""
        memory, disk = (SPARE * 1e9 * size for size in (flavor.memory, flavor.disk))
        workers = min(flavor.cores, int(memory // work.memory), int(disk // max(1, work.disk)))
        if workers < 1:
            return None
        building = work.written / ASSUMED_SPEED / workers
        sending = (work.read + work.written) / NETWORK_SPEED
        hours = max(building, sending) / jobs / SECONDS
        return cls(flavor, workers, hours, hours * jobs * flavor.dollars_an_hour)

    @property
    def timeout(self) -> str:
        """After how long a Job is stopped, for `--timeout`."""
        return f"{max(1, math.ceil(self.hours * LONGER))}h"


def job(
    offer: Offer, asked: argparse.Namespace, work: Sequence[str], *, detach: bool = True
) -> list[str]:
    """The command that starts one Job, which runs `mico build` with these words besides."""
    build = [
        "mico", "build", asked.source, "--out", asked.out,
        *(word for name in asked.config or () for word in ("--config", name)),
        *(("--license", asked.license) if asked.license else ()),
        *work,
    ]  # fmt: skip
    is_folder = Path(asked.package).is_dir()
    package = f"{WHEELS}/*.whl" if is_folder else shlex.quote(asked.package)
    needed = shlex.join([CLIENT, *asked.also])
    return [
        "hf", "jobs", "run",
        *(("--detach",) if detach else ()),
        "--flavor", offer.flavor.name,
        "--timeout", offer.timeout,
        # By name alone: the client reads the values here, and no command line shows them.
        *(word for name in ("HF_TOKEN", *asked.secret) for word in ("--secrets", name)),
        *(("--volume", f"{asked.package}:{WHEELS}:ro") if is_folder else ()),
        IMAGE, "bash", "-c",
        f"pip install --quiet {package} {needed} && {shlex.join(build)}",
    ]  # fmt: skip


def jobs(offer: Offer, asked: argparse.Namespace) -> list[list[str]]:
    """The commands of all Jobs that may run at once."""
    workers = ["--workers", str(offer.workers)]
    if asked.jobs == 1:
        return [job(offer, asked, workers)]
    return [
        job(offer, asked, [*workers, "--partition", f"{number}/{asked.jobs}"])
        for number in range(1, asked.jobs + 1)
    ]


def last(offer: Offer, asked: argparse.Namespace) -> list[str]:
    """The command that completes a build in partitions, and waits until it has."""
    return job(offer, asked, ["--finish"], detach=False)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line. Raises `UsageError`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a release on the Hub, `USER/NAME`, or a URL")
    parser.add_argument("--out", required=True, help="hf://buckets/…, s3://… or hf://datasets/…")
    parser.add_argument(
        "--package",
        required=True,
        help="a folder with a wheel, or what pip installs: git+https://…",
    )
    parser.add_argument("--also", action="append", default=[], help="another package, such as s3fs")
    parser.add_argument("--config", action="append", help="build only this one; repeatable")
    parser.add_argument("--license", help="such as cc-by-nc-4.0")
    parser.add_argument("--jobs", type=int, default=1, help="how many Jobs share the work")
    parser.add_argument("--flavor", help="the hardware; by default the cheapest that fits")
    parser.add_argument(
        "--secret", action="append", default=[], help="a variable that Jobs need besides HF_TOKEN"
    )
    parser.add_argument("--submit", action="store_true", help="start the Jobs: they cost money")
    asked = parser.parse_args(arguments)
    place = checked_out(asked.out)
    if isinstance(place, LocalFolder):
        msg = f"--out {asked.out}: a Job's own folders end with it. Name a bucket, or a URL."
        raise UsageError(msg)
    if isinstance(place, HubDataset) and asked.jobs > 1:
        msg = f"--jobs {asked.jobs}: one build alone writes to {place}. Name a bucket, or --jobs 1."
        raise UsageError(msg)
    if asked.jobs < 1:
        msg = "--jobs is at least 1."
        raise UsageError(msg)
    if any("=" in name for name in asked.secret):
        msg = "--secret takes the name of a variable, and no value: others would see it."
        raise UsageError(msg)
    return asked


def choose(asked: argparse.Namespace, offers: Sequence[Offer]) -> Offer:
    """The offer that is taken. Raises `UsageError` where none fits."""
    fitting = [offer for offer in offers if asked.flavor in {None, offer.flavor.name}]
    if not fitting:
        msg = (
            f"the work does not fit on {asked.flavor or 'any flavor'}: build fewer configurations."
        )
        raise UsageError(msg)
    return min(fitting, key=lambda offer: (offer.dollars, offer.hours))


def main() -> None:
    """Print offers and commands, and run them if asked to."""
    try:
        asked = parse()
        options = BuildOptions(configs=tuple(asked.config or CONFIGS))
        found = mico_150k.inspect_source(asked.source)
        work = Work.of(found, options)
        offers = [offer for flavor in FLAVORS if (offer := Offer.of(flavor, work, asked.jobs))]
        chosen = choose(asked, offers)
    except MicoError as error:
        sys.exit(f"error: {error}")
    print(f"# {counted(found.rows, 'row')}: {gigabytes(work.read)} to read, ", end="")
    print(f"{gigabytes(work.written)} to write; {gigabytes(work.memory)} of memory a worker")
    for offer in offers:
        workers = counted(offer.workers, "worker")
        print(
            f"# {counted(asked.jobs, 'Job')} on {offer.flavor.name}: {workers} each, about "
            f"{offer.hours:.1f} hours and ${offer.dollars:.2f} in all"
        )
    commands = jobs(chosen, asked)
    print(*map(shlex.join, commands), sep="\n")
    if asked.jobs > 1:
        print(f"# when all have ended:\n{shlex.join(last(chosen, asked))}")
    if asked.submit:
        for command in commands:
            sys.stdout.flush()
            subprocess.run(command, check=True, env=os.environ)


if __name__ == "__main__":
    main()
