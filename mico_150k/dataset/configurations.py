"""All configurations that a dataset folder may have, each with its columns."""

from mico_150k.builders import BUILDERS
from mico_150k.core.columns import Column, Columns, ColumnType
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CODES_COLUMNS
from mico_150k.dataset.index import INDEX_COLUMNS

BENCH_COLUMNS: Columns = {
    "id": Column(ColumnType.TEXT, "id"),
    "task": Column(ColumnType.TEXT, "task"),
    "editing_type": Column(ColumnType.TEXT, "editing_type"),
    "instruction": Column(ColumnType.TEXT, "instruction"),
    "refined_instruction": Column(ColumnType.TEXT, "refined_instruction"),
    "input_images": Column(ColumnType.IMAGES, "inputs"),
    "human_indices": Column(ColumnType.INTEGERS, "human_indices"),
    "reference": Column(ColumnType.IMAGE, "output"),
}


COLUMNS: dict[str, Columns] = {
    **{name: builder.columns for name, builder in BUILDERS.items()},
    layout.SAMPLE: BUILDERS[layout.DEFAULT].columns,
    layout.INDEX: INDEX_COLUMNS,
    layout.BENCH: BENCH_COLUMNS,
    layout.CODES: CODES_COLUMNS,
}


CONFIGS = (*BUILDERS, layout.SAMPLE, layout.INDEX, layout.BENCH, layout.CODES)
"""All that a dataset folder may have, in the card's order."""
