"""Complete samples with their metadata, for inspection and other trainers."""

from mico_150k.core.columns import Column, ColumnType
from mico_150k.core.configuration import Builder


class Default(Builder):
    """All columns of a sample. Lists over images have the inputs in order, then the output."""

    name = "default"
    purpose = "inspection and other trainers"
    columns = {
        "id": Column(ColumnType.TEXT, "id"),
        "source_id": Column(ColumnType.TEXT, "source_id"),
        "task": Column(ColumnType.TEXT, "task"),
        "subtask": Column(ColumnType.TEXT, "subtask"),
        "num_inputs": Column(ColumnType.INTEGER, "num_inputs"),
        "instruction": Column(ColumnType.TEXT, "instruction"),
        "input_images": Column(ColumnType.IMAGES, "inputs"),
        "output_image": Column(ColumnType.IMAGE, "output"),
        "widths": Column(ColumnType.INTEGERS, "widths"),
        "heights": Column(ColumnType.INTEGERS, "heights"),
        "formats": Column(ColumnType.TEXTS, "formats"),
        "digests": Column(ColumnType.TEXTS, "digests"),
        "actions": Column(ColumnType.TEXTS, "actions"),
    }
