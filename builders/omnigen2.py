"""OmniGen2 (VectorSpaceLab/OmniGen2): JSONL of image paths."""

from mico_150k.builder import Builder
from mico_150k.columns import Column, ColumnType


class OmniGen2(Builder):
    """Its four keys; `task_type` is `edit` in every row, as in the authors' own metadata."""

    name = "omnigen2"
    purpose = "OmniGen2"
    columns = {
        "task_type": Column(ColumnType.TEXT, constant="edit"),
        "instruction": Column(ColumnType.TEXT, "instruction"),
        "input_images": Column(ColumnType.IMAGES, "inputs"),
        "output_image": Column(ColumnType.IMAGE, "output"),
    }
