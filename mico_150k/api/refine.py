"""`refine_dataset`: a dataset from a dataset, as `mico refine` makes it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mico_150k.api.locations import AnyDataset, as_folder
from mico_150k.api.progress_bar import OnProgress, default_row_bar
from mico_150k.build.build import BuildResult
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.output import checked_folder
from mico_150k.core.errors import UsageError
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.selection import Selection
from mico_150k.refine.options import OnStep, RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.refine.validation_split import MAX_LOSS

OnRefineOutlook = Callable[[Refinement], None]


def refine_dataset(
    dataset: AnyDataset,
    out: str | Path,
    *,
    remove: str | Path | None = None,
    where: str | None = None,
    sample: int | None = None,
    benchmark: str | None = None,
    mark: bool = False,
    exact: bool = False,
    validation: int | None = None,
    max_loss: float = MAX_LOSS,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    overwrite: bool = False,
    on_step: OnStep = lambda *_: None,
    on_outlook: OnRefineOutlook = lambda _: None,
    on_progress: OnProgress | None = None,
) -> BuildResult:
    """Derive a dataset from an existing one, or resume where that was interrupted.

    Shards that stay as they are become links. The steps are taken in the order of the arguments.

    Args:
        dataset: A dataset on this machine: open, or its folder.
        out: The folder to write.
        remove: A takedown list: a file with a row's id or an image's digest on each line.
        where: Keep the rows for which this DuckDB SQL expression over `index` holds.
        sample: Keep that many rows at random.
        benchmark: Where MICo-Bench lies: rows with its images are dropped, and it becomes `bench`.
        mark: Keep those rows, and name them in the column `overlap` of `index`.
        exact: Compare images by their bytes alone, without decoding them.
        validation: Rows of the split `validation`, of all tasks; rows that share an input image
            with them are dropped.
        max_loss: The share of rows that `validation` may cost, 0 to 1.
        seed: Decides `sample` and `validation`.
        tolerance: The share of the benchmark's rows that may be unusable, 0 to 1.
        overwrite: Replace another dataset in the folder.
        on_step: Called with what is compared, how many are done, and of how many.
        on_outlook: Called with the planned refinement before anything is written.
        on_progress: Called with the progress. Without it, a bar is drawn on a terminal and in a
            notebook.

    Returns:
        The new dataset.

    Raises:
        UsageError: Nothing would change, or an argument has no effect beside another.
        NotADataset: There is no dataset of this format.
        OutputRefused: The folder holds something else.
    """
    folder = as_folder(dataset, "mico refine")
    known = dataset if isinstance(dataset, Dataset) else folder.path
    options = RefineOptions(
        remove=Path(remove) if remove is not None else None,
        selection=Selection(where=where, sample=sample, seed=seed),
        bench=benchmark,
        mark=mark,
        exact=exact,
        validation=validation,
        max_loss=max_loss,
        seed=seed,
    )
    options.require_something()
    if benchmark is None and tolerance != TOLERANCE:
        msg = "--tolerance is for --benchmark: how much of it may be unusable."
        raise UsageError(msg)
    if seed and not options.has_chance:
        msg = "--seed is for --sample and --validation."
        raise UsageError(msg)
    started = time.monotonic()
    planned = Refinement.prepare(
        known, checked_folder(str(out)), options, tolerance=tolerance, on_step=on_step
    )
    on_outlook(planned)
    with default_row_bar("refining", on_progress) as tell:
        result = planned.run(overwrite=overwrite, on_progress=tell)
    # Most of the time goes by before the first shard, where images are compared.
    return replace(result, seconds=time.monotonic() - started)
