"""What `mico inspect` prints is short enough to be pasted."""

from mico_150k.cli.inspect import folded


def test_numbered_columns_of_one_kind_take_one_line() -> None:
    columns = {
        "instruction": "string",
        **{f"input_image_{place}": "binary" for place in range(1, 31)},
        "input_image_31": "null",
        "output_image": "binary",
    }
    assert list(folded(columns)) == [
        "instruction: string",
        "input_image_1 … input_image_30: binary",
        "input_image_31: null",
        "output_image: binary",
    ]
