"""`export_dataset` and `relocate_export`: what a trainer reads, as `mico export` writes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mico_150k.api.locations import AnyDataset, as_dataset
from mico_150k.api.progress_bar import OnProgress, default_row_bar
from mico_150k.builders import get_trainer
from mico_150k.core.errors import UsageError
from mico_150k.core.trainer import CodesTrainer, Exported
from mico_150k.dataset import layout
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export.folder import ExportFolder
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.limits import OverLimitPolicy
from mico_150k.export.run import relocate, run_export


def export_dataset(
    trainer: str,
    dataset: AnyDataset,
    out: str | Path | None = None,
    *,
    where: str | None = None,
    sample: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    over_limit: str = "drop",
    max_inputs: int | None = None,
    images: str | Path | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    on_forecast: Callable[[ExportForecast], None] = lambda _: None,
    **trainer_options: Any,  # noqa: ANN401 - each trainer has its own, and checks them
) -> Exported:
    """Write what a trainer reads: its files, configs and a launch script.

    A run that was interrupted resumes when it is called again.

    Args:
        trainer: The trainer's name, such as `"bagel"`.
        dataset: A folder, `USER/NAME` on the Hub (with `@REVISION`), a URL, or an open dataset.
            An existing folder wins over a Hub id.
        out: The folder to write. None, for a trainer that reads Parquet, writes only what belongs
            beside the dataset folder's own files.
        where: Which rows, as DuckDB SQL over the columns of `index`.
        sample: Keep N rows at random, the same for a `seed`.
        limit: Keep only the first N rows.
        seed: Decides `sample`, and the order of codes' records.
        over_limit: What becomes of rows that the trainer cannot take: `"drop"`, `"error"`, or
            `"truncate"`, which keeps the first inputs where the text names no later one.
        max_inputs: Fewer inputs than the trainer takes; rows with more are over the limit as well.
        images: A folder for images that several exports share; `images` in `out` by default.
        overwrite: Replace another export in the folder.
        on_progress: Called with the progress. Without it, a bar is drawn on a terminal and in a
            notebook.
        on_forecast: Called before anything is written, with what the export will take.
        **trainer_options: The trainer's own options, as `mico export TRAINER --help` lists them:
            `ranks=8` is `--ranks 8`.

    Returns:
        What was written: counts, skipped rows by limit, and the folder.

    Raises:
        UsageError: An option is unknown, takes another value, or has no effect with this trainer.
        OutputRefused: The folder holds something else, or cannot be written.
        OverLimit: `over_limit` is `"error"` and the trainer cannot take a row.
        DiskTooSmall: The export does not fit the disk.
        MicoError: The dataset cannot be read, or is damaged.
    """
    _check_numbers(sample=sample, limit=limit, max_inputs=max_inputs)
    policies = [policy.value for policy in OverLimitPolicy]
    if over_limit not in policies:
        msg = f"over_limit={over_limit!r} must be {' or '.join(policies)}."
        raise UsageError(msg)
    file_format = trainer_options.pop("format", None) or ""
    if get_trainer(trainer).other_formats and not file_format:
        dataset = as_dataset(dataset)
        file_format = default_format(trainer, dataset)
    reader = get_trainer(trainer, file_format, **trainer_options)
    options = ExportOptions(
        Selection(where, sample, limit, seed),
        OverLimitPolicy(over_limit),
        max_inputs,
        None if images is None else Path(images),
    )
    place = None if out is None else Path(out)
    job = ExportJob.prepare(as_dataset(dataset), reader, place, options)
    with default_row_bar("exporting", on_progress) as tell:
        return run_export(job, overwrite=overwrite, on_forecast=on_forecast, on_progress=tell)


def default_format(name: str, dataset: Dataset) -> str:
    """Of the kinds of files that a trainer reads, the one that fits a dataset.

    Raises `UsageError` where the trainer reads codes that the dataset lacks.
    """
    trainer = get_trainer(name)
    of_codes = [kind.format for kind in trainer.formats() if issubclass(kind, CodesTrainer)]
    if not of_codes:
        return trainer.format
    if layout.CODES in dataset.configs:
        return of_codes[0]
    msg = (
        f"{dataset.location} has no {layout.CODES}, which {trainer.title} trains on.\n"
        f"`mico pretokenize {dataset.location} --vq …` makes them; `mico export {name} "
        f"{dataset.location} --out DIR --format {trainer.format}` writes images for upstream's own "
        "pre-tokenizer."
    )
    raise UsageError(msg)


def relocate_export(folder: str | Path, images: str | Path | None = None) -> Exported:
    """Rewrite the absolute paths of an export that was moved.

    Args:
        folder: The export, where it is now.
        images: Where its images are now, if not in it.

    Returns:
        The export with its new paths.

    Raises:
        NotAnExport: There is no finished export in the folder, or its images are not there.
        UsageError: `images` is given, and the export has none of its own: it holds Parquet.
        OutputRefused: The trainer cannot read from there, or another run is writing there.
    """
    found = ExportFolder(Path(folder)).exported
    if images is not None and not found.images:
        msg = f"images={str(images)!r} is for exports of image files: {folder} holds Parquet."
        raise UsageError(msg)
    trainer = get_trainer(found.trainer, found.identity.get("format", ""))
    return relocate(Path(folder), trainer, None if images is None else Path(images))


def _check_numbers(**numbers: int | None) -> None:
    """Raise `UsageError` for a number of rows or inputs that is none."""
    for name, number in numbers.items():
        if number is not None and (type(number) is not int or number < 1):
            msg = f"{name}={number!r} must be at least 1."
            raise UsageError(msg)
