"""A file's columns tell its shape; what fits nothing says what to write."""

import shlex

import pytest

from mico_150k.core.errors import UnknownShape, UsageError
from mico_150k.sources.shape import Kind, find_shape, parse_map

IMAGE, IMAGES, TEXT, TEXTS = Kind.IMAGE, Kind.IMAGES, Kind.TEXT, Kind.TEXTS


def test_release_with_a_list_column() -> None:
    columns = {"ed_idx": Kind.NUMBER, "instruction": TEXT, "output_image": IMAGE,
               "input_images": IMAGES}  # fmt: skip
    shape = find_shape("f", columns, {})
    assert (shape.inputs, shape.output, shape.id) == (("input_images",), "output_image", "ed_idx")
    assert shape.listed


def test_numbered_columns_come_in_the_order_of_their_numbers() -> None:
    columns = {f"input_image_{n}": IMAGE for n in (10, 2, 1)}
    shape = find_shape("f", {**columns, "output_image": IMAGE, "instruction": TEXT}, {})
    assert shape.inputs == ("input_image_1", "input_image_2", "input_image_10")
    assert shape.id is None


@pytest.mark.parametrize(
    ("columns", "inputs", "output", "instruction"),
    [
        (
            {"input_images": TEXTS, "output_image": TEXT, "instruction": TEXT},
            "input_images", "output_image", "instruction",
        ),
        (
            {"image_path": TEXTS, "edit_path": TEXT, "prompt": TEXT},
            "image_path", "edit_path", "prompt",
        ),
        (
            {"image_list": IMAGES, "instruction": TEXT},
            "image_list", None, "instruction",
        ),
        (
            {"image_list": IMAGES, "instruction_list": Kind.TURNS},
            "image_list", None, "instruction_list",
        ),
    ],
)  # fmt: skip
def test_each_trainers_own_format(
    columns: dict[str, Kind], inputs: str, output: str | None, instruction: str
) -> None:
    shape = find_shape("f", columns, {})
    assert (shape.inputs, shape.output, shape.instruction) == ((inputs,), output, instruction)


@pytest.mark.parametrize("others", [("mask_1", "mask_2", "mask_3"), ("image_1", "image_2")])
@pytest.mark.parametrize("kind", [IMAGE, TEXT])
def test_inputs_by_a_known_name_go_before_other_numbered_columns(
    others: tuple[str, ...], kind: Kind
) -> None:
    columns = dict.fromkeys(others, IMAGE) | {f"input_image_{n}": kind for n in (1, 2)}
    shape = find_shape("f", {**columns, "output_image": IMAGE, "instruction": TEXT}, {})
    assert shape.inputs == ("input_image_1", "input_image_2")


def test_one_input_by_a_known_name_goes_before_numbered_columns_of_another() -> None:
    columns = {"mask_1": IMAGE, "mask_2": IMAGE, "input_image": IMAGE, "output_image": IMAGE}
    assert find_shape("f", {**columns, "instruction": TEXT}, {}).inputs == ("input_image",)


def test_numbered_columns_of_any_name_are_the_inputs_where_no_other_images_are() -> None:
    columns = {"layer_2": IMAGE, "layer_1": IMAGE, "output_image": IMAGE, "instruction": TEXT}
    assert find_shape("f", columns, {}).inputs == ("layer_1", "layer_2")


@pytest.mark.parametrize("other", ["layer_1", "photo"])
def test_numbered_columns_that_may_be_something_else_are_not_guessed(other: str) -> None:
    columns = {"mask_1": IMAGE, "mask_2": IMAGE, other: IMAGE, "output_image": IMAGE, "words": TEXT}
    with pytest.raises(UnknownShape) as error:
        find_shape("f", columns, {"instruction": "words"})
    assert f"are ambiguous: mask_1, mask_2; {other}." in str(error.value)
    assert "--map inputs=mask_1,mask_2 output=output_image instruction=words" in str(error.value)


@pytest.mark.parametrize("kind", [IMAGES, TEXTS, Kind.NUMBER, Kind.OTHER])
@pytest.mark.parametrize("place", ["input_1", "input_2", "input_3"])
def test_a_numbered_column_of_another_type_is_named_and_not_passed_over(
    place: str, kind: Kind
) -> None:
    columns = {f"input_{n}": IMAGE for n in (1, 2, 3)} | {place: kind}
    columns |= {"output_image": IMAGE, "instruction": TEXT}
    with pytest.raises(UnknownShape, match=f"must all have an image or its path; {place}"):
        find_shape("f", columns, {})
    others = [name for name in columns if name.startswith("input") and name != place]
    said = find_shape("f", columns, {"inputs": ",".join(others)})
    assert said.inputs == tuple(others)


def test_a_numbered_column_of_nothing_but_nulls_is_passed_over() -> None:
    columns = {"input_1": IMAGE, "input_2": IMAGE, "input_3": Kind.NULL}
    shape = find_shape("f", columns | {"output_image": IMAGE, "instruction": TEXT}, {})
    assert shape.inputs == ("input_1", "input_2")


def test_lists_of_images_beside_numbered_columns_of_an_unknown_name_are_not_passed_over() -> None:
    columns = {"photo_1": IMAGE, "photo_2": IMAGES, "output_image": IMAGE, "instruction": TEXT}
    with pytest.raises(UnknownShape, match="are ambiguous: photo_1; photo_2"):
        find_shape("f", columns, {})


def test_an_output_among_numbered_columns_is_no_input() -> None:
    columns = {f"image_{n}": IMAGE for n in (1, 2, 3)} | {"instruction": TEXT}
    assert find_shape("f", columns, {"output": "image_3"}).inputs == ("image_1", "image_2")


def test_map_goes_before_what_is_found_and_only_where_its_columns_are() -> None:
    mapping = parse_map(["inputs=a,b output=c", "id=@row"])
    odd = {"a": IMAGE, "b": IMAGE, "c": IMAGE, "text": TEXT, "id": Kind.NUMBER}
    usual = {"input_images": IMAGES, "output_image": IMAGE, "instruction": TEXT, "idx": Kind.NUMBER}
    assert find_shape("odd", odd, mapping).inputs == ("a", "b")
    assert find_shape("odd", odd, mapping).id is None
    assert find_shape("usual", usual, mapping).inputs == ("input_images",)


def test_unknown_shape_prints_columns_what_is_missing_and_the_map_to_try() -> None:
    columns = {"first": IMAGE, "second": IMAGE, "result": IMAGE, "words": TEXT, "n": Kind.NUMBER}
    with pytest.raises(UnknownShape) as error:
        find_shape("people/x.parquet", columns, {})
    message = str(error.value)
    assert message.startswith("people/x.parquet:")
    assert "first: image" in message
    assert "no column of instructions" in message
    assert "--map inputs=first,second output=result instruction=words id=n" in message


def test_the_map_to_try_works_as_it_is_pasted() -> None:
    columns = {"first image": IMAGE, "it's": IMAGE, "result image": IMAGE, "my words": TEXT}
    with pytest.raises(UnknownShape) as error:
        find_shape("f", columns, {})
    (line,) = (line for line in str(error.value).splitlines() if "--map" in line)
    advised = shlex.split(line.partition("--map")[2])
    for words in (advised, [" ".join(advised)]):
        shape = find_shape("f", columns, parse_map(words))
        assert (shape.inputs, shape.output) == (("first image", "it's"), "result image")
        assert (shape.instruction, shape.id) == ("my words", None)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("output=instruction", "instruction cannot be two of inputs, output and instruction"),
        ("inputs=output_image", "output_image cannot be two of"),
        ("id=output_image", "output_image has neither numbers nor texts"),
        ("instruction=idx", "idx has no texts"),
        ("task=idx", "idx has no texts"),
    ],
)
def test_a_column_that_cannot_be_what_map_says_is_named(words: str, what: str) -> None:
    columns = {"idx": Kind.NUMBER, "instruction": TEXT, "output_image": IMAGE,
               "input_images": IMAGES}  # fmt: skip
    with pytest.raises(UnknownShape, match=what):
        find_shape("f", columns, parse_map([words]))


def test_a_part_that_is_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="'inputs=b': inputs is already 'a'"):
        parse_map(["inputs=a output=o", "inputs=b"])


def test_map_that_names_no_column_of_an_unknown_shape_is_named() -> None:
    with pytest.raises(
        UnknownShape, match="--map inputs=nowhere names a column that does not exist"
    ):
        find_shape("f", {"x": TEXT}, {"inputs": "nowhere"})


def test_a_text_column_is_not_taken_for_images_without_a_name_that_says_so() -> None:
    with pytest.raises(UnknownShape, match="no column of input images"):
        find_shape("f", {"title_1": TEXT, "output_image": IMAGE, "instruction": TEXT}, {})


@pytest.mark.parametrize("word", ["inputs", "inputs=", "images=a", "=a"])
def test_malformed_map_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="PART=COLUMN"):
        parse_map([word])
