"""Lumina-DiMOO (Alpha-VLLM/Lumina-DiMOO): JSON of image paths, pre-tokenized before training."""

from mico_150k.builder import Builder
from mico_150k.columns import Column, ColumnType


class Dimoo(Builder):
    """The three keys of its pre-tokenizer's `edit` records."""

    name = "dimoo"
    purpose = "Lumina-DiMOO"
    columns = {
        "image_path": Column(ColumnType.IMAGES, "inputs"),
        "edit_path": Column(ColumnType.IMAGE, "output"),
        "prompt": Column(ColumnType.TEXT, "instruction"),
    }
