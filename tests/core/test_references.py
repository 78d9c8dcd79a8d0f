"""Which inputs an instruction speaks of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.references import Span, named_images, spans


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("The woman from Image 1 wears the hat from image 2.", [1, 2]),
        ("IMAGE #3 and image_4, image-5 and Image6's", [3, 4, 5, 6]),
        ("<image 2> in images 1, 2, and 3 or images 4 & 5", [2, 1, 2, 3, 4, 5]),
        ("the second image, the 3rd photo and the first input image", [2, 3, 1]),
        ("picture two beside image one", [2, 1]),
        ("the man from image 1 and two cats", [1]),
        ("image 1 and image 2", [1, 2]),
        ("an image of 2 cats; image 2024; image 2.5; image 30%; image 12a; imaginary 2", []),
        ("image 10 is the last.", [10]),
        ("image 0 and image 21", []),
        ("IMAGES 1 to 3 beside images two through four", [1, 2, 3, 2, 3, 4]),
        ("images 2-4, pictures 1 – 2 and images 5", [2, 3, 4, 1, 2, 5]),
        ("images 3 to 1 or images 1 to 900", [3, 1, 1]),
        ("from image 1 to image 3", [1, 3]),
        ("images 1, 3 to 5 and 7", [1, 3, 4, 5, 7]),
        (
            "image \u017feven, the \u017fecond image, image \u0663",
            [],
        ),  # letters that look like ours
        ("", []),
    ],
)
def test_inputs_that_a_text_names(text: str, named: list[int]) -> None:
    assert [image for span in spans(text) for image in span.images] == named
    assert named_images(text) == set(named)


def test_a_span_is_the_words_that_name_the_input() -> None:
    assert [span.text for span in spans("Put images 1 and 2 beside the third image.")] == [
        "Put ", "images 1", " and ", "2", " beside the ", "third image", ".",
    ]  # fmt: skip
    assert spans("Mix images 1 to 3.")[1] == Span("images 1 to 3", (1, 2, 3))


WORDS = st.sampled_from(
    ["image", "images", " ", "1", "22", ", ", " and ", "second", "#", "İ", "<", " to ", "-"]
)


@given(st.one_of(st.text(), st.lists(WORDS).map("".join)))
def test_the_spans_joined_are_the_text(text: str) -> None:
    assert "".join(span.text for span in spans(text)) == text


def test_a_long_text_that_almost_names_inputs_takes_no_long_time() -> None:
    text = "images 1" + ", and 1" * 30_000 + " first" * 30_000 + "image " * 30_000
    assert "".join(span.text for span in spans(text)) == text
