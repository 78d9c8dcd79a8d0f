"""`inspect_source` and `inspect_dataset`: what is there, as `mico inspect` says it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mico_150k.api.locations import AnyDataset, as_dataset
from mico_150k.api.progress_bar import OnProgress, default_row_bar
from mico_150k.api.sources import read_options
from mico_150k.core.errors import TooManySkipped
from mico_150k.core.sample import SkippedRow
from mico_150k.core.task import Task
from mico_150k.images.header import Verify
from mico_150k.sources import DEMO

if TYPE_CHECKING:
    from mico_150k.inspection.dataset import DatasetInspection
    from mico_150k.inspection.source import SourceInspection


def inspect_source(
    location: str | Path = DEMO,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    tasks: Mapping[str, Task | str] | None = None,
    exclude: Sequence[str] = (),
    allow_outside: bool = False,
    images: bool = False,
    verify: str = Verify.STRUCTURE.value,
    on_progress: OnProgress | None = None,
) -> "SourceInspection":
    """Look at a source: its files, rows and tasks, and what a build of it needs.

    Args:
        location: As `open_source` takes it, like the four arguments that follow.
        columns: Which columns hold what.
        tasks: The task of a folder, a file or a pattern.
        exclude: Patterns of files to skip.
        allow_outside: Take image paths that lead out of the source's folder.
        images: Read every image as a build does, and say which would be re-encoded or skipped.
        verify: How much of each image is checked, with `images`.
        on_progress: Called with the progress of `images`. Without it, a bar is drawn on a terminal
            and in a notebook.

    Returns:
        What was found. `problems` are what a build would stop at, `images` is None unless asked.

    Raises:
        SourceError: There is no source there.
        MissingPackage: `verify` needs simplejpeg.
    """
    # Here, because nobody who looks at a dataset waits for what builds one.
    from mico_150k.build.drop_limit import TOLERANCE, DropLimit
    from mico_150k.build.worker import GroupProgress
    from mico_150k.images.pixels import require_decoder
    from mico_150k.inspection import source as of_sources

    if images:
        require_decoder(Verify(verify))
    reading = read_options(columns, tasks, exclude, allow_outside=allow_outside)
    found, opened, plan = of_sources.inspect_source(str(location), reading)
    if not (images and plan):
        return found
    with default_row_bar("reading images", on_progress) as tell:
        seen = of_sources.inspect_images(opened, plan, Verify(verify), tell)
    skipped = [SkippedRow.from_dict(row) for row in seen.skipped]
    try:
        DropLimit(plan, TOLERANCE).on_group(GroupProgress(seen.rows, 0, skipped))
    except TooManySkipped as error:
        return replace(found, images=seen, problems=[*found.problems, str(error)])
    return replace(found, images=seen)


def inspect_dataset(
    dataset: AnyDataset,
    *,
    plots: bool = False,
    on_file: Callable[[Path], None] = lambda _: None,
) -> "DatasetInspection":
    """Count what is in a dataset, from its manifest and index; no image is read.

    Args:
        dataset: The dataset, or where it lies.
        plots: Write plots and a collage for its card into the folder's `assets/`.
        on_file: Called with each file that `plots` writes.

    Raises:
        NotADataset: There is no dataset of this format.
        MissingPackage: `plots` needs matplotlib.
        UsageError: `plots` needs a folder on this machine.
    """
    # It brings what draws plots: `mico --help` can do without.
    from mico_150k.inspection import dataset as of_datasets

    opened = as_dataset(dataset)
    if plots:
        of_datasets.require_assets(opened)
    found = of_datasets.inspect_dataset(opened)
    if plots:
        of_datasets.write_assets(opened, found.statistics, on_file)
    return found
