"""BAGEL (ByteDance-Seed/Bagel): Parquet with image bytes inside."""

from mico_150k.builder import Builder
from mico_150k.columns import Column, ColumnType


class Bagel(Builder):
    """`image_list` holds the inputs in order, then the output, as bare bytes.

    BAGEL's reader opens each cell with `io.BytesIO`, so that a struct stops it; its loader is
    `MultiInputEditDataset`, which takes the list's last image as the target.
    """

    name = "bagel"
    purpose = "BAGEL"
    columns = {
        "image_list": Column(ColumnType.RAW_IMAGES, "images"),
        "instruction": Column(ColumnType.TEXT, "instruction"),
    }
