"""A planned export: the dataset, its chosen rows, the trainer and the folder."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from mico_150k.core.errors import BrokenFile, OutputRefused, UsageError
from mico_150k.core.plural import counted
from mico_150k.core.progress import Progress
from mico_150k.core.trainer import CodesTrainer, Exported, Readers, ShardTrainer, Trainer
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.folder import IMAGES, PICKLES, ExportFolder, check_folder
from mico_150k.export.limits import Fitted, OverLimitPolicy, fit
from mico_150k.io.files import absolute
from mico_150k.io.regular import Root
from mico_150k.version import __version__

IDENTITY_VERSION = 2
"""The version of the keys of an export's identity."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What defines an export, besides the dataset and the trainer with its own options.

    `max_inputs` is a lower limit than the trainer's own, or None. `images` is a folder of images
    that exports share, or None for the export's own folder.
    """

    selection: Selection = field(default_factory=Selection)
    over_limit: OverLimitPolicy = OverLimitPolicy.DROP
    max_inputs: int | None = None
    images: Path | None = None


@dataclass(frozen=True, slots=True)
class ChosenShard:
    """The exported rows of one shard, and how many inputs each row keeps."""

    number: int
    index: pa.Table
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExportJob:
    """A planned export whose rows are chosen. An export in place writes to the dataset folder."""

    dataset: Dataset
    trainer: Trainer
    fitted: Fitted
    options: ExportOptions
    to: Path
    in_place: bool = False
    on_progress: Callable[[Progress], None] = lambda _: None

    @classmethod
    def prepare(
        cls,
        dataset: Dataset,
        trainer: Trainer,
        to: Path | None,
        options: ExportOptions,
    ) -> "ExportJob":
        """Plan an export, choosing the rows from the index.

        Args:
            dataset: The dataset.
            trainer: The trainer, with its own options.
            to: The folder to write; None for an export in place.
            options: Which rows to export, and how.

        Raises:
            BadSelection: `--where` is wrong, or matches no row.
            OutputRefused: The folder cannot be used.
            OverLimit: A row is over a limit, and none may be skipped.
            UsageError: An option does not fit the trainer or the dataset.
            UnknownConfig: The trainer needs codes, and the dataset has none.
            BrokenFile: A file of the dataset is damaged.
        """
        _check_options(trainer, options)
        if isinstance(trainer, CodesTrainer):
            trainer = _on_codes(trainer, dataset)
        place = _place_of(dataset, trainer, options) if to is None else absolute(to)
        trainer.check_place(place)
        if to is not None:
            check_folder(to, "--out")
        if options.images is not None:
            check_folder(options.images, "--images")
        chosen = options.selection.of(dataset.index())
        fitted = fit(trainer, chosen, options.over_limit, options.max_inputs)
        if to is None:
            fitted = fitted.with_all(chosen)
        if not fitted.index.num_rows:
            msg = (
                f"none of {counted(fitted.chosen, 'row')} is left for {trainer.title}: "
                f"{fitted.skipped}. Choose others with --where, or see --over-limit."
            )
            raise UsageError(msg)
        return cls(dataset, trainer, fitted, options, place, in_place=to is None)

    @property
    def folder(self) -> ExportFolder:
        """The folder that the export writes to."""
        return ExportFolder(self.to)

    @property
    def images(self) -> Path:
        """The folder of its images or, if the trainer reads codes, of its pickles."""
        own = PICKLES if isinstance(self.trainer, CodesTrainer) else IMAGES
        return absolute(self.options.images or self.to / own)

    @property
    def readers(self) -> Readers | None:
        """The processes that read row groups in parallel, if the trainer defines them."""
        if not isinstance(self.trainer, ShardTrainer):
            return None
        if not self.in_place:
            return self.trainer.readers(self.fitted.index.num_rows)
        return self.trainer.readers(sum(file["row_groups"] for file in self.shard_files.values()))

    @property
    def shard_files(self) -> dict[str, Any]:
        """The manifest's records of the configuration's files in the exported split."""
        records = self.dataset.manifest["configs"][self.trainer.name]
        names = (Path(name).name for name in self.dataset.files(self.trainer.name))
        return {name: records[name] for name in names}

    def shards(self) -> Iterator[ChosenShard]:
        """Yield the shards that hold rows to export, in order."""
        index, inputs = self.fitted.index, self.fitted.inputs
        start = 0
        for number, rows in itertools.groupby(index["shard"].to_pylist()):
            end = start + len(list(rows))
            yield ChosenShard(number, index.slice(start, end - start), inputs[start:end])
            start = end

    def identity(self) -> dict[str, Any]:
        """Return the identity: equal identities mean the same rows in the same files."""
        manifest = self.dataset.manifest
        index = manifest["configs"]["index"]
        identity: dict[str, Any] = {
            "version": IDENTITY_VERSION,
            "trainer": self.trainer.name,
            "format": self.trainer.format,
            "index": {name: file["sha256"] for name, file in sorted(index.items())},
            "rows": xxhash.xxh3_128_hexdigest(
                "\n".join(self.fitted.index["id"].to_pylist()).encode()
            ),
            "selection": self.options.selection.to_dict(),
            "over_limit": self.options.over_limit.value,
            "max_inputs": self.options.max_inputs or self.trainer.max_inputs,
            "options": self.trainer.chosen,
            "versions": {"mico-150k": __version__},
        }
        if isinstance(self.trainer, CodesTrainer):
            files = codes_records(self.dataset)
            told = next(iter(files.values()))
            identity["codes"] = {key: told.get(key) for key in layout.CODES_TOLD}
            identity["codes"]["files"] = {name: file["sha256"] for name, file in files.items()}
        return identity

    def exported(self, **found: Any) -> Exported:  # noqa: ANN401 - fields of Exported
        """Describe the finished export; `found` holds the fields known only after writing."""
        fitted = self.fitted
        return Exported(
            trainer=self.trainer.name,
            root=str(self.to),
            images="" if isinstance(self.trainer, ShardTrainer) else str(self.images),
            dataset=self.dataset.location,
            identity=self.identity(),
            rows_chosen=fitted.chosen,
            rows=fitted.index.num_rows,
            truncated=fitted.truncated,
            skipped=fitted.skipped,
            remarks=fitted.remarks,
            measured=self.trainer.measure(fitted.rows()),
            **found,
        )


def _check_options(trainer: Trainer, options: ExportOptions) -> None:
    """Raise `UsageError` if an option does not apply to the trainer."""
    if isinstance(trainer, ShardTrainer) and options.images is not None:
        msg = f"{trainer.title} reads images from Parquet: --images does not apply."
        raise UsageError(msg)
    if isinstance(trainer, CodesTrainer):
        if options.images is not None:
            msg = f"{trainer.title} reads codes: --images does not apply."
            raise UsageError(msg)
        if options.over_limit is OverLimitPolicy.TRUNCATE:
            msg = "--over-limit truncate: with --format codes, only drop or error."
            raise UsageError(msg)


def _on_codes(trainer: CodesTrainer, dataset: Dataset) -> CodesTrainer:
    """Return the trainer, set up for the dataset's codes.

    Raises:
        UnknownConfig: The dataset has no codes.
        BrokenFile: The sizes in its manifest are wrong.
    """
    dataset.files(layout.CODES)
    try:
        return trainer.on_codes(next(iter(codes_records(dataset).values())))
    except (UsageError, ValueError, TypeError) as error:
        msg = f"{dataset.location}: sizes in its manifest of {layout.CODES}: {error}"
        raise BrokenFile(msg) from error


def codes_records(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Return the manifest's record of each file of codes, sorted by name."""
    files: dict[str, dict[str, Any]] = dataset.manifest["configs"][layout.CODES]
    return dict(sorted(files.items()))


def _place_of(dataset: Dataset, trainer: Trainer, options: ExportOptions) -> Path:
    """Return the configuration's own folder. Raises `UsageError` if it cannot be used."""
    if not isinstance(trainer, ShardTrainer):
        msg = f"{trainer.title} needs files of its own: choose a folder with --out."
        raise UsageError(msg)
    if dataset.folder is None:
        msg = f"{dataset.location} is not on this machine: choose a folder with --out."
        raise UsageError(msg)
    if not options.selection.is_all or options.max_inputs is not None:
        msg = "--in-place exports every row: choose rows with --out."
        raise UsageError(msg)
    others = [
        name
        for name in dataset.manifest["configs"].get(trainer.name, {})
        if f"{trainer.name}/{name}" not in dataset.files(trainer.name)
    ]
    if others:
        msg = (
            f"{trainer.title} reads every Parquet file in a folder, and {dataset.location} has "
            f"{others[0]} of another split: choose a folder with --out."
        )
        raise UsageError(msg)
    place = absolute(dataset.folder / trainer.name)
    if not Root.at(dataset.folder).holds(place):
        msg = f"{place} is a link that leads out of {dataset.location}: choose a folder with --out."
        raise OutputRefused(msg)
    return place
