"""Runs an export, or rewrites the paths of an export that was moved."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mico_150k.core.errors import NotAnExport, UsageError
from mico_150k.core.progress import Progress
from mico_150k.core.trainer import (
    CodesTrainer,
    Exported,
    FolderTrainer,
    PathTrainer,
    ShardTrainer,
    Trainer,
)
from mico_150k.export.codes_export import CodesExport
from mico_150k.export.folder import EXPORT, IMAGES, PICKLES, START, ExportFolder
from mico_150k.export.folder_export import FoldersExport, place_rows
from mico_150k.export.forecast import ExportForecast
from mico_150k.export.image_export import PathsExport, relocate_paths
from mico_150k.export.job import ExportJob
from mico_150k.export.parquet_export import ShardsExport
from mico_150k.export.start import render_start
from mico_150k.io.files import absolute


def run_export(
    job: ExportJob,
    *,
    overwrite: bool = False,
    on_forecast: Callable[[ExportForecast], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Exported:
    """Export, or resume an interrupted export. Finished work is kept after any error.

    Args:
        job: The planned export.
        overwrite: Whether to replace another export in the folder.
        on_forecast: Called with the forecast before anything is written.
        on_progress: Called with the progress.

    Raises:
        OutputRefused: The folder holds something else.
        DiskTooSmall: The export does not fit on the disk.
        BrokenFile: A file of the dataset is damaged.
    """
    folder, identity = job.folder, job.identity()
    # An export in place always replaces an earlier one in the same folder.
    overwrite = overwrite or job.in_place
    with folder.held():
        is_finished = not overwrite and folder.holds(identity)
        running = replace(job, on_progress=on_progress)
        trainer = job.trainer
        work: PathsExport | CodesExport | ShardsExport
        if isinstance(trainer, FolderTrainer):
            work = FoldersExport(running, trainer)
        elif isinstance(trainer, PathTrainer):
            work = PathsExport(running, trainer)
        elif isinstance(trainer, CodesTrainer):
            work = CodesExport(running, trainer)
        else:
            work = ShardsExport(running)
        if is_finished and work.is_whole(finished := folder.exported):
            return _relocate(finished, job.to, trainer, job.options.images)
        forecast = work.forecast()
        on_forecast(forecast)
        forecast.check_disk()
        folder.begin(identity, overwrite=overwrite)
        return _finish(trainer, work.run())


def relocate(folder: Path, trainer: Trainer, images: Path | None = None) -> Exported:
    """Rewrite the absolute paths of an export that was moved.

    Args:
        folder: Where the export is now.
        trainer: Its trainer.
        images: Where its images are now, if they have their own folder.

    Raises:
        NotAnExport: The folder is not a finished export.
        OutputRefused: The trainer cannot read from there, or another run is writing there.
    """
    export = ExportFolder(absolute(folder))
    trainer.check_place(export.folder)
    trainer = _as_exported(export, trainer)  # before anything is written
    with export.held():
        return _relocate(export.exported, export.folder, trainer, images)


def _as_exported(export: ExportFolder, trainer: Trainer) -> Trainer:
    """Return the trainer with the options of a finished export.

    Raises:
        NotAnExport: The options are not valid for this trainer.
    """
    try:
        return type(trainer)(**export.exported.options)
    except UsageError as error:
        msg = f"{export.folder}: options in its {EXPORT}: {error} Export again."
        raise NotAnExport(msg) from error


def _relocate(old: Exported, place: Path, trainer: Trainer, images: Path | None) -> Exported:
    new = replace(old, root=str(place), images=_images_of(old, place, images))
    if not isinstance(trainer, ShardTrainer) and new.images != old.images:
        relocate_paths(old, new)
    if isinstance(trainer, FolderTrainer) and (new.root, new.images) != (old.root, old.images):
        place_rows(new, trainer)
    try:
        return _finish(trainer, new)
    except (LookupError, StopIteration) as error:
        msg = f"{place}: its {EXPORT} lacks what {trainer.title} needs: export again."
        raise NotAnExport(msg) from error


def _images_of(old: Exported, place: Path, images: Path | None) -> str:
    if not old.images:
        return ""
    name = Path(old.images).name
    is_own = name in {IMAGES, PICKLES} and old.images == str(Path(old.root) / name)
    new = images or (place / name if is_own else Path(old.images))
    if not new.is_dir():
        msg = f"{new}: the export's images are not there; name their folder with --images."
        raise NotAnExport(msg)
    return str(absolute(new))


def _finish(trainer: Trainer, exported: Exported) -> Exported:
    files = {**trainer.files(exported), START: render_start(trainer, exported)}
    return ExportFolder(Path(exported.root)).finish(exported, files)
