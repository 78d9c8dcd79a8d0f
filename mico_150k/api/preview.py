"""`preview_dataset`: a page to look at, as `mico preview` writes it."""

from pathlib import Path
from typing import TYPE_CHECKING

from mico_150k.api.locations import AnyDataset, as_dataset
from mico_150k.api.progress_bar import OnProgress, default_row_bar

if TYPE_CHECKING:
    from mico_150k.inspection.page import Preview

PAGE = "preview.html"
ROWS = 60


def preview_dataset(
    dataset: AnyDataset,
    out: str | Path = PAGE,
    *,
    rows: int = ROWS,
    where: str | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> "Preview":
    """Write one HTML file with inputs, instruction and output of some rows of each task.

    Args:
        dataset: The dataset, or where it lies. On the Hub, only the row groups of the rows that
            are shown are fetched.
        out: The file to write.
        rows: How many rows to show, at most 2,000.
        where: Show only rows for which this DuckDB SQL expression over `index` holds.
        seed: Decides which rows are shown.
        on_progress: Called with the progress. Without it, a bar is drawn on a terminal and in a
            notebook.

    Raises:
        NotADataset: There is no dataset of this format.
        BadSelection: `where` is no such expression, or holds for no row.
        OutputRefused: The file is something else than a page of ours.
    """
    # It brings Pillow and what draws: `mico --help` can do without.
    from mico_150k.inspection.page import write_preview
    from mico_150k.inspection.page_rows import Choice

    opened = as_dataset(dataset)
    with default_row_bar("reading rows", on_progress) as tell:
        return write_preview(opened, Path(out), Choice(rows, where, seed), tell)
