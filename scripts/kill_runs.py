#!/usr/bin/env python3
"""Kill runs of `mico` at random moments: finished later, they must have the same bytes.

    scripts/kill_runs.py --at FOLDER --kills 20
    scripts/kill_runs.py --at FOLDER --kills 50 --what build,build-2,refine

Makes data; then, for each kind of run, has one go undisturbed, kills others by SIGKILL, all
processes of one, or its first alone, and runs the same command again until it is finished. Every
file is compared, so that a temporary file or a work folder that stays is a difference as well.
Ends with status 1 where one differs. A busy machine makes for more kinds of moments.

Not compared: `.source.json`, which tells when the source was written and where. An export's lists
of images that are on the disk (`.known/`) are compared as one, since a run that was killed writes
two where another writes one.

A push is killed by `pytest tests/hub/test_kill.py`, whose Hub is a part of the tests.
"""

import argparse
import gc
import hashlib
import importlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import make_source

from mico_150k.cli import main as mico
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CODEBOOK

SHARD_MB, ROWS_PER_FILE = 5, 5
"""Small, so that there are many moments between two shards."""
EXPORTS = ("blip3o", "omnigen2", "diffsynth", "musubi", "ai-toolkit", "simpletuner")
_USED = (
    "mico_150k.cli.build", "mico_150k.cli.refine", "mico_150k.cli.export", "datasets", "duckdb",
    "mico_150k.pretokenize.run", "diffusers",
)  # fmt: skip
"""What commands import on their way: once, and not by each run that is killed."""
_SECONDS_BETWEEN_LOOKS = 0.002


@dataclass(frozen=True)
class Place:
    """Where the data of all runs lies."""

    root: Path

    @property
    def out(self) -> str:
        """Where each run writes."""
        return str(self.root / "out")

    def path(self, name: str) -> str:
        """Something that was made for them."""
        return str(self.root / name)


@dataclass(frozen=True)
class Run:
    """A command to kill. `before` makes what it writes into; `needs` are commands before all."""

    command: Callable[[Place], list[str]]
    before: Callable[[Place], None] = lambda _: None
    needs: tuple[str, ...] = ()


def build(place: Place, out: str, workers: int) -> list[str]:
    """A build of the release."""
    # --json: without a row of each configuration at the end, which would take most of the time.
    options = ["--workers", str(workers), "--shard-mb", str(SHARD_MB), "--config", "bagel"]
    return ["build", place.path("release"), "--out", out, *options, "--config", "sample", "--json"]


def refine(place: Place) -> list[str]:
    """Some shards are linked, and others written anew."""
    options = ["--validation", "4", "--max-loss", "1", "--where", "source_id != '7'", "--json"]
    return ["refine", place.path("dataset"), "--out", place.out, *options]


def pretokenize(place: Place, dataset: str) -> list[str]:
    """Codes of small pictures, by a small VQ with random weights."""
    small = ["--sizes", "2:128,64", "--output-size", "64", "--batch-size", "4"]
    return ["pretokenize", dataset, "--vq", place.path("vq"), "--device", "cpu", *small]


def export(trainer: str, *options: str) -> Callable[[Place], list[str]]:
    """What `mico export` is called with."""
    return lambda place: [*("export", trainer, place.path("dataset"), "--out", place.out, *options)]


def copy_dataset(place: Place) -> None:
    """A dataset to write into; its shards are links."""
    shutil.copytree(place.path("dataset"), place.out, copy_function=_link_shards)


def _link_shards(source: str, target: str) -> str:
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
    return target


DATASET, CODES = "dataset", "codes"
NEEDED: dict[str, Callable[[Place], list[str]]] = {
    DATASET: lambda place: [*build(place, place.path("dataset"), 1), "--config", "dimoo"],
    CODES: lambda place: pretokenize(place, place.path("dataset")),
}
RUNS = {
    "build": Run(lambda place: build(place, place.out, 1)),
    "build-2": Run(lambda place: build(place, place.out, 2)),
    "refine": Run(refine, needs=(DATASET,)),
    "export-bagel": Run(export("bagel", "--ranks", "3", "--where", "source_id != '7'"),
                        needs=(DATASET,)),
    "export-bagel-in-place": Run(
        lambda place: ["export", "bagel", place.out, "--in-place"],
        copy_dataset, (DATASET,),
    ),
    **{f"export-{name}": Run(export(name), needs=(DATASET,)) for name in EXPORTS},
    "export-images": Run(export("dimoo", "--format", "images"), needs=(DATASET,)),
    "export-codes": Run(export("dimoo", "--format", "codes"), needs=(DATASET, CODES)),
    "pretokenize": Run(lambda place: pretokenize(place, place.out), copy_dataset, (DATASET,)),
    "card": Run(lambda place: ["card", place.out, "--license", "mit"], copy_dataset, (DATASET,)),
}  # fmt: skip


def start(arguments: list[str], talk: Path) -> int:
    """Run `mico` in a process of its own, the first of a group; its id."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    said = os.open(talk, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["mico", *arguments]
    try:
        mico()
    except SystemExit as end:
        sys.stderr.flush()
        os._exit(int(end.code or 0))
    except BaseException as error:  # noqa: BLE001 - a process of its own ends here
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def finish(arguments: list[str], place: Place) -> None:
    """Run a command to its end. Exits where it fails."""
    talk = place.root / "talk.txt"
    _, status = os.waitpid(start(arguments, talk), 0)
    if status:
        sys.exit(f"mico {' '.join(arguments)} failed:\n{talk.read_text()}")


def kill(arguments: list[str], place: Place, after: float, *, everything: bool) -> bool:
    """Run a command, and kill it so many seconds from now; False where it had ended before."""
    process = start(arguments, place.root / "talk.txt")
    until = time.perf_counter() + after
    while time.perf_counter() < until:
        ended, _ = os.waitpid(process, os.WNOHANG)
        if ended:
            return False
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    try:
        (os.killpg if everything else os.kill)(process, signal.SIGKILL)
    except ProcessLookupError:  # it has no group of its own yet
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file, and of all lists of known images together."""
    known: set[str] = set()
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.parent.name == ".known" and not path.name.endswith(".partial"):
            known.update(path.read_text().splitlines())
        elif path.is_file() and path.name != layout.MTIME_TOKENS:
            name = path.relative_to(folder).as_posix()
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    if known:
        found[".known"] = hashlib.sha256("\n".join(sorted(known)).encode()).hexdigest()
    return found


def try_out(name: str, place: Place, kills: int, rng: random.Random) -> int:
    """Kill runs of one kind; how many ended with other bytes."""
    run, out = RUNS[name], Path(place.out)
    arguments = run.command(place)

    def begin() -> None:
        shutil.rmtree(out, ignore_errors=True)
        run.before(place)

    begin()
    started = time.perf_counter()
    finish(arguments, place)
    seconds = time.perf_counter() - started
    whole = contents(out)
    killed = runs = different = 0
    while killed < kills:
        begin()
        runs += 1
        for moment in moments(rng, seconds):
            if not kill(arguments, place, moment, everything=rng.random() < 2 / 3):
                break
            killed += 1
        finish(arguments, place)
        there = contents(out)
        if there != whole:
            different += 1
            odd = [path for path in {*there, *whole} if there.get(path) != whole.get(path)]
            print(f"  {name}: other bytes in {', '.join(sorted(odd)[:5])}", flush=True)
    shutil.rmtree(out, ignore_errors=True)
    print(
        f"{name}: {killed} kills in {runs} runs of {seconds:.1f} s, {len(whole)} files: "
        f"{different} with other bytes in the end",
        flush=True,
    )
    return different


def moments(rng: random.Random, seconds: float) -> Iterator[float]:
    """When to kill a run, and now and then the one that goes on with it."""
    yield rng.uniform(0, seconds)
    while rng.random() < 1 / 4:
        yield rng.uniform(0, seconds)


def make_vq(folder: Path) -> None:
    """A VQ of Lumina-DiMOO's kind, a thousandth of its weights, and random ones."""
    import diffusers
    import torch

    torch.manual_seed(0)
    model = diffusers.VQModel(
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        block_out_channels=(8,) * 5,
        latent_channels=4,
        num_vq_embeddings=CODEBOOK,
        vq_embed_dim=4,
        norm_num_groups=4,
    )
    model.save_pretrained(folder / "vqvae")


def prepare(place: Place, chosen: list[str]) -> None:
    """Make the data, and what the chosen runs need of it."""
    with_vq = any("pretokenize" in name or name == "export-codes" for name in chosen)
    if with_vq and not Path(place.path("vq")).exists():
        process = os.fork()  # torch must have no threads where runs are forked
        if not process:
            make_vq(Path(place.path("vq")))
            os._exit(0)
        os.waitpid(process, 0)
    for needed in dict.fromkeys(need for name in chosen for need in RUNS[name].needs):
        finish(NEEDED[needed](place), place)


def main() -> None:
    """Make data, run, kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--at", type=Path, required=True, help="a folder for data and runs")
    parser.add_argument("--what", default=",".join(RUNS), help="kinds of runs, by default all")
    parser.add_argument("--kills", type=int, default=20, help="of each kind")
    parser.add_argument("--mb", type=int, default=60, help="megabytes of images")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    arguments = parser.parse_args()
    chosen = arguments.what.split(",")
    for name in chosen:
        if name not in RUNS:
            parser.error(f"--what {name}: it is one of {', '.join(RUNS)}")
    place = Place(arguments.at.absolute())
    make_source(place.root / "release", arguments.mb * 10**6, ROWS_PER_FILE)
    for name in _USED:
        importlib.import_module(name)
    gc.freeze()  # or each process looks for garbage in all of that
    prepare(place, chosen)
    rng = random.Random(arguments.seed)  # noqa: S311 - moments, no secret
    different = sum(try_out(name, place, arguments.kills, rng) for name in chosen)
    print(f"{arguments.kills} kills each of {len(chosen)} kinds, {different} with other bytes")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
