"""An export of images as files, against copying the same files."""

import subprocess
import time
from pathlib import Path

from benchmarks.case import Case

TRAINER = "dimoo"


def dataset_and_images(source: str, out: str) -> None:
    """What the cases start from: a dataset folder, and its images as files."""
    from mico_150k.build.build import Build, BuildOptions
    from mico_150k.sources import open_source

    options = BuildOptions(configs=(TRAINER,))
    Build.prepare(open_source(source), Path(out, "dataset"), options).run()
    export(out, f"{out}/export")


def export(source: str, out: str) -> float:
    """`mico export`; the seconds of writing alone, without those of choosing the rows."""
    from mico_150k.builders import get_trainer

    from mico_150k.dataset.reader import open_dataset
    from mico_150k.export.job import ExportJob, ExportOptions
    from mico_150k.export.run import run_export

    dataset = open_dataset(Path(source, "dataset"))
    job = ExportJob.prepare(dataset, get_trainer(TRAINER), Path(out), ExportOptions())
    started = time.perf_counter()
    run_export(job)
    return time.perf_counter() - started


def export_command(source: str, out: str) -> None:
    """The command, from its start to its end."""
    command = ["mico", "export", TRAINER, f"{source}/dataset", "--out", out]
    command += ["--format", "images"]
    subprocess.run(command, check=True, capture_output=True)


def copy(source: str, out: str) -> None:
    """`cp -r` of the images: the limit."""
    subprocess.run(["cp", "-r", f"{source}/export/images", out], check=True)


_START = "dataset and images"
CASES = {
    _START: Case(dataset_and_images),
    "mico export": Case(export_command, made_by=_START),
    "export, writing": Case(export, made_by=_START),
    "cp -r of the images": Case(copy, made_by=_START),
}
