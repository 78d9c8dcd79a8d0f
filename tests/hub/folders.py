"""Dataset folders to push, and what of them the Hub must hold."""

from pathlib import Path

from mico_150k.build.build import Build, BuildOptions
from mico_150k.card.file import License, write_card
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import SkippedRow
from mico_150k.core.task import Task
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.json_lines import to_json_lines
from mico_150k.sources import open_source

from ..factories import Case, write_release

LICENCE = License("cc-by-nc-4.0")


def build(samples: list[Case], folder: Path, *configs: str) -> DatasetFolder:
    """A dataset folder of these samples, in several shards."""
    source = write_release(folder / "release", samples)
    options = BuildOptions(configs=configs or ("default", "bagel"), shard_bytes=200_000)
    Build.prepare(open_source(str(source)), folder / "mico-150k", options).run()
    made = DatasetFolder(folder / "mico-150k")
    write_card(made, LICENCE)
    return made


def local(folder: DatasetFolder, *configs: str) -> dict[str, str]:
    """SHA-256 of the shards of a folder, by path."""
    manifest = folder.manifest["configs"]
    return {
        f"{config}/{name}": record["sha256"]
        for config in (configs or manifest)
        for name, record in manifest[config].items()
    }


def write_quarantine(folder: Path) -> None:
    """A quarantine file with one row, as a build writes it."""
    row = SkippedRow("hoi.parquet", 7, "hoi/7", Task.HOI, Reason.CORRUPT, 3, image=2)
    (folder / layout.QUARANTINE).write_bytes(to_json_lines([row.to_dict()]))
