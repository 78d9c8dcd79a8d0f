"""`mico inspect` for a dataset: its statistics, the rows that trainers skip, and its bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mico_150k.core.errors import OutputRefused, UsageError
from mico_150k.core.plural import counted
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.layout import ASSETS, COLLAGE, PLOTS, SPLIT
from mico_150k.dataset.reader import Dataset
from mico_150k.inspection.charts import bubbles, make_charts
from mico_150k.inspection.collage import CANDIDATES, QUALITY, make_collage, spread
from mico_150k.inspection.page_rows import Choice, rows_to_show
from mico_150k.inspection.plots import require_matplotlib, write_plots
from mico_150k.inspection.statistics import Statistics, make_statistics
from mico_150k.io.files import written_whole


@dataclass(frozen=True, slots=True, repr=False)
class DatasetInspection:
    """A dataset by its manifest and its `index`: all splits together.

    `splits` are rows by split, and `skipped` rows by reason.
    """

    location: str
    configs: dict[str, dict[str, int]]
    splits: dict[str, int]
    skipped: dict[str, int]
    statistics: Statistics

    def __repr__(self) -> str:
        """The inspection in one line."""
        rows = ", ".join(f"{rows:,} {task}" for task, rows in self.statistics.tasks.items())
        total = counted(self.statistics.rows, "row")
        return f"<{type(self).__name__} {self.location}: {total}; {rows}>"


def inspect_dataset(dataset: Dataset) -> DatasetInspection:
    """Inspect a dataset by its manifest and index, without reading images.

    Raises:
        BrokenFile: The index is damaged.
    """
    indexes = dataset.indexes()
    return DatasetInspection(
        location=dataset.location,
        configs={
            config: {
                "files": len(files),
                "rows": sum(file["rows"] for file in files.values()),
                "bytes": sum(file["bytes"] for file in files.values()),
            }
            for config, files in dataset.manifest["configs"].items()
        },
        splits={split: index.num_rows for split, index in indexes.items()},
        skipped=dict(dataset.manifest.get("skipped", {})),
        statistics=make_statistics(pa.concat_tables(indexes.values())),
    )


def require_assets(dataset: Dataset) -> Path:
    """Return the folder for plots and the collage; checked before anything is read.

    Raises:
        UsageError: The dataset is not on this machine.
        MissingPackage: matplotlib is not installed.
    """
    if dataset.folder is None:
        msg = (
            f"{dataset.location}: plots are written into the dataset's folder, which must be local."
        )
        raise UsageError(msg)
    require_matplotlib()
    return dataset.folder


def write_assets(
    dataset: Dataset, statistics: Statistics, on_file: Callable[[Path], None] = lambda _: None
) -> list[Path]:
    """Write the plots and the collage that the card shows into the dataset's folder.

    Raises `UsageError` where the dataset is not on this machine, `OutputRefused` where another run
    writes in its folder, and `MissingPackage`.
    """
    folder = require_assets(dataset)
    here = DatasetFolder(folder)
    with here.held():
        if here.manifest != dataset.manifest:
            msg = f"{folder} has changed since its index was read. Re-run the command."
            raise OutputRefused(msg)
        plots = folder / ASSETS / PLOTS
        sizes = bubbles(statistics.input_images, statistics.output_images)
        write_plots(make_charts(statistics), sizes, plots)
        on_file(plots)
        collage = folder / ASSETS / COLLAGE
        (chosen,) = rows_to_show(dataset, {SPLIT: dataset.index()}, Choice(CANDIDATES))
        groups = dataset.samples(chosen.rows, config=chosen.config)
        samples = spread(sample for group in groups for sample in group)
        with written_whole(collage) as temporary:
            make_collage(samples).save(temporary, "JPEG", quality=QUALITY)
        on_file(collage)
    return [plots, collage]
