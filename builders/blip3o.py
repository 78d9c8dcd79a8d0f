"""BLIP3o-Next (JiuhaiChen/BLIP3o, branch BLIP3o-NEXT-edit): JSON of image paths."""

from mico_150k.builder import Builder
from mico_150k.columns import Column, ColumnType


class Blip3o(Builder):
    """The three keys that its `mico` branch renames; more of them would collide."""

    name = "blip3o"
    purpose = "BLIP3o-Next"
    columns = {
        "input_images": Column(ColumnType.IMAGES, "inputs"),
        "output_image": Column(ColumnType.IMAGE, "output"),
        "instruction": Column(ColumnType.TEXT, "instruction"),
    }
