"""Runs an export, or rewrites the paths of one that was moved."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mico_150k.errors import NotAnExport
from mico_150k.export.folder import IMAGES, START, ExportFolder
from mico_150k.export.job import ExportJob
from mico_150k.export.paths import export_paths, relocate_paths
from mico_150k.export.shards import export_shards
from mico_150k.export.start import render_start
from mico_150k.export.trainer import Exported, PathTrainer, Trainer
from mico_150k.watch import Progress


def run_export(
    job: ExportJob,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Exported:
    """Export, or go on with an export that was stopped.

    Raises `OutputRefused`, `DiskTooSmall`, `BrokenFile`; what is finished by then is kept.
    """
    # What lies beside a configuration is written anew whenever that is another.
    finished = job.folder.claim(job.identity(), overwrite=overwrite or job.in_place)
    if finished is not None:
        return relocate(job.to, job.trainer, job.options.images)
    running = replace(job, on_progress=on_progress)
    trainer = job.trainer
    if isinstance(trainer, PathTrainer):
        exported = export_paths(running, trainer)
    else:
        exported = export_shards(running)
    _finish(trainer, exported)
    return exported


def relocate(folder: Path, trainer: Trainer, images: Path | None = None) -> Exported:
    """Rewrite the absolute paths of an export that was moved to `folder`.

    `images` is where its images are now, where they have a folder of their own. Raises
    `NotAnExport`, and `OutputRefused` where the trainer cannot read from there.
    """
    place = folder.absolute()
    trainer.check_place(place)
    old = ExportFolder(place).exported
    new = replace(old, root=str(place), images=_images_of(old, place, images))
    if isinstance(trainer, PathTrainer) and new.images != old.images:
        relocate_paths(old, new)
    _finish(trainer, new)
    return new


def _images_of(old: Exported, place: Path, images: Path | None) -> str:
    if not old.images:
        return ""
    own = old.images == str(Path(old.root) / IMAGES)
    new = images or (place / IMAGES if own else Path(old.images))
    if not new.is_dir():
        msg = f"{new}: the export's images are not there; say where with --images."
        raise NotAnExport(msg)
    return str(new.absolute())


def _finish(trainer: Trainer, exported: Exported) -> None:
    files = {**trainer.files(exported), START: render_start(trainer, exported)}
    ExportFolder(Path(exported.root)).finish(exported, files)
